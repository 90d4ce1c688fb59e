// Kernels over NVIDIA's libraries CUB and libcu++, for TestCCCL: blocks of 128
// threads. nvcc 13.5 with CCCL's headers makes foreign.cccl13.ptx.gz of this:
//   nvcc -ptx -arch=sm_90 -std=c++17 -I.../include/cccl foreign_cccl.cu
#include <cub/block/block_histogram.cuh>
#include <cub/block/block_radix_sort.cuh>
#include <cub/block/block_reduce.cuh>
#include <cub/block/block_scan.cuh>
#include <cub/warp/warp_merge_sort.cuh>
#include <cub/warp/warp_scan.cuh>
#include <cuda/annotated_ptr>
#include <cuda/barrier>
#include <cuda/pipeline>
#include <cuda/std/complex>
#include <cooperative_groups.h>
#include <cuda_fp8.h>

struct maximum {
  __device__ int operator()(int a, int b) const { return a > b ? a : b; }
};

extern "C" {

// Keys of four a thread sorted with their places, and the sums up to each.
__global__ void sort(int *keys, int *places, int *sums, const int *x) {
  using Sort = cub::BlockRadixSort<int, 128, 4, int>;
  using Scan = cub::BlockScan<int, 128, cub::BLOCK_SCAN_WARP_SCANS>;
  __shared__ union { Sort::TempStorage sort; Scan::TempStorage scan; } temp;
  int k[4], p[4], s[4];
  for (int i = 0; i < 4; i++) k[i] = x[p[i] = threadIdx.x * 4 + i];
  Sort(temp.sort).Sort(k, p);
  __syncthreads();
  Scan(temp.scan).InclusiveSum(k, s);
  for (int i = 0; i < 4; i++) keys[threadIdx.x * 4 + i] = k[i], places[threadIdx.x * 4 + i] = p[i], sums[threadIdx.x * 4 + i] = s[i];
}

// Sum, greatest, a histogram of the low three bits, keys of each warp sorted
// downwards, prefix maxima of each warp.
__global__ void reduce(int *out, int *sorted, int *maxima, const int *x) {
  using Sum = cub::BlockReduce<int, 128>;
  using Max = cub::BlockReduce<int, 128, cub::BLOCK_REDUCE_RAKING>;
  using Histogram = cub::BlockHistogram<unsigned char, 128, 1, 8, cub::BLOCK_HISTO_ATOMIC>;
  using Merge = cub::WarpMergeSort<int, 1, 32>;
  using Scan = cub::WarpScan<int>;
  __shared__ Sum::TempStorage sum;
  __shared__ Max::TempStorage max;
  __shared__ Histogram::TempStorage histogram;
  __shared__ Merge::TempStorage merge[4];
  __shared__ Scan::TempStorage scan[4];
  __shared__ int bins[8];
  const int t = threadIdx.x, v = x[t];
  const int s = Sum(sum).Sum(v), m = Max(max).Reduce(v, maximum());
  if (t == 0) out[0] = s, out[1] = m;
  unsigned char b[1] = {(unsigned char)(v & 7)};
  Histogram(histogram).Histogram(b, bins);
  __syncthreads();
  if (t < 8) out[2 + t] = bins[t];
  int key[1] = {v};
  Merge(merge[t / 32]).Sort(key, [](int a, int c) { return a > c; });
  sorted[t] = key[0];
  Scan(scan[t / 32]).InclusiveScan(v, maxima[t], maximum());
}

// Rows of 128 come through a pipeline of three stages; each thread sums what is
// opposite to it.
__global__ void pipeline(int *out, const int *x, int rows) {
  constexpr int stages = 3;
  alignas(16) __shared__ int buffer[stages][128];
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, stages> state;
  auto block = cooperative_groups::this_thread_block();
  auto pipe = cuda::make_pipeline(block, &state);
  int sum = 0;
  for (int use = 0, load = 0; use < rows; use++) {
    for (; load < rows && load < use + stages; load++) {
      pipe.producer_acquire();
      cuda::memcpy_async(block, buffer[load % stages], x + load * 128, cuda::aligned_size_t<16>(512), pipe);
      pipe.producer_commit();
    }
    pipe.consumer_wait();
    sum += buffer[use % stages][127 - threadIdx.x];
    pipe.consumer_release();
  }
  out[threadIdx.x] = sum;
}

// The first two warps fill, the others add up, handing over by barriers.
__global__ void barriers(int *out, const int *x, int rows) {
  using barrier = cuda::barrier<cuda::thread_scope_block>;
#pragma nv_diag_suppress static_var_with_dynamic_init
  __shared__ barrier ready[2], filled[2];
  __shared__ int buffer[2][64];
  const int t = threadIdx.x;
  if (t < 4) init((t < 2 ? ready : filled) + t % 2, 128);
  __syncthreads();
  int sum = 0;
  if (t < 64)
    for (int i = 0; i < rows; i++) {
      ready[i % 2].arrive_and_wait();
      buffer[i % 2][t] = x[i * 64 + t];
      (void)filled[i % 2].arrive();
    }
  else {
    (void)ready[0].arrive(), (void)ready[1].arrive();
    for (int i = 0; i < rows; i++) {
      filled[i % 2].arrive_and_wait();
      sum += buffer[i % 2][127 - t];
      (void)ready[i % 2].arrive();
    }
    out[t - 64] = sum;
  }
}

// Accesses with cache policies, atomics on vectors, the stack.
__global__ void accesses(float4 *sums, int *y, int *x) {
  cuda::annotated_ptr<int, cuda::access_property::persisting> p{x};
  cuda::annotated_ptr<int, cuda::access_property> q{y, cuda::access_property(cuda::access_property::streaming{}, 0.5)};
  const int t = threadIdx.x;
  const int v = p[t];
  int *a = (int *)alloca((t % 7 + 1) * sizeof(int));
  for (int i = 0; i <= t % 7; i++) a[i] = v + i;
  q[t] = a[v & (t % 7)] * 2;
  atomicAdd(sums, make_float4(1, t, v, -1));
}

// Complex numbers, 128-bit products, eight-bit floats.
__global__ void numbers(float2 *z, unsigned long long *wide, unsigned char *e, const float *x) {
  const int t = threadIdx.x;
  cuda::std::complex<float> c(x[t], x[t + 1]);
  c = c * c / cuda::std::complex<float>(2, 1);
  z[t] = make_float2(c.real(), c.imag());
  const unsigned __int128 w = (unsigned __int128)(0x9e3779b97f4a7c15ull * (t + 1)) * (0xbf58476d1ce4e5b9ull + t);
  wide[2 * t] = (unsigned long long)(w % 1000003), wide[2 * t + 1] = (unsigned long long)(w >> 64);
  e[2 * t] = __nv_fp8_e4m3(x[t] * 16).__x, e[2 * t + 1] = __nv_fp8_e5m2(x[t] * 16).__x;
}

// Every block of the grid adds up what the others left, twice.
__global__ void grid(int *sums, int *places) {
  auto all = cooperative_groups::this_grid();
  for (int round = 1; round <= 2; round++) {
    if (threadIdx.x == 0) places[blockIdx.x] = round * ((int)all.block_rank() + 1);
    all.sync();
    int sum = 0;
    for (int i = 0; i < (int)all.num_blocks(); i++) sum += places[i];
    sums[all.thread_rank()] = sum + (all.is_valid() ? 0 : 1000);
    all.sync();
  }
}
}
