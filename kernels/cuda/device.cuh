// The device functions that the kernels use, without NVIDIA's headers. Debian's clang-19
// compiles them without a toolkit, and nvcc compiles the same sources with its own names
// for the same instructions.
//
// Arithmetic is written with plain operators. -ffp-contract=off (nvcc: -fmad=false) makes
// each of them round once, to nearest even (.rn in PTX, which the assembler may not fuse);
// a test rejects committed PTX without it. A fused multiply-add is always fma().
#pragma once

#ifdef __clang__
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#else
// nvcc includes its own headers, which define other things under these names.
#define fma xrunFma
#define sqrt xrunSqrt
#define min xrunMin
#define max xrunMax
#define float2 xrunFloat2
#define float4 xrunFloat4
#define uint2 xrunUint2
#define uint4 xrunUint4
#endif

#define KERNEL extern "C" __global__ void
#define DEVICE static __device__ __attribute__((always_inline)) inline
#define MEMBER __device__ __attribute__((always_inline)) inline // of a struct

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;
static_assert(sizeof(i64) == 8 && sizeof(void *) == 8, "the ABI is 64-bit");

// ---- Indices, barriers, shuffles

#ifdef __clang__
DEVICE int tidX() { return __nvvm_read_ptx_sreg_tid_x(); }
DEVICE int tidY() { return __nvvm_read_ptx_sreg_tid_y(); }
DEVICE int ctaX() { return __nvvm_read_ptx_sreg_ctaid_x(); }
DEVICE int ctaY() { return __nvvm_read_ptx_sreg_ctaid_y(); }
DEVICE int ctaZ() { return __nvvm_read_ptx_sreg_ctaid_z(); }
DEVICE int dimX() { return __nvvm_read_ptx_sreg_ntid_x(); }
DEVICE int gridX() { return __nvvm_read_ptx_sreg_nctaid_x(); }
DEVICE int gridY() { return __nvvm_read_ptx_sreg_nctaid_y(); }
DEVICE void barrier() { __nvvm_bar_sync(0); }
DEVICE void warpBarrier() { __nvvm_bar_warp_sync(0xffffffff); }
DEVICE int shuffleXor(int v, int mask) { return __nvvm_shfl_sync_bfly_i32(0xffffffff, v, mask, 31); }
DEVICE float shuffleXor(float v, int mask) { return __nvvm_shfl_sync_bfly_f32(0xffffffff, v, mask, 31); }
DEVICE int shuffle(int v, int lane) { return __nvvm_shfl_sync_idx_i32(0xffffffff, v, lane, 31); }
DEVICE float shuffle(float v, int lane) { return __nvvm_shfl_sync_idx_f32(0xffffffff, v, lane, 31); }
#else
DEVICE int tidX() { return threadIdx.x; }
DEVICE int tidY() { return threadIdx.y; }
DEVICE int ctaX() { return blockIdx.x; }
DEVICE int ctaY() { return blockIdx.y; }
DEVICE int ctaZ() { return blockIdx.z; }
DEVICE int dimX() { return blockDim.x; }
DEVICE int gridX() { return gridDim.x; }
DEVICE int gridY() { return gridDim.y; }
DEVICE void barrier() { __syncthreads(); }
DEVICE void warpBarrier() { __syncwarp(); }
DEVICE int shuffleXor(int v, int mask) { return __shfl_xor_sync(0xffffffff, v, mask); }
DEVICE float shuffleXor(float v, int mask) { return __shfl_xor_sync(0xffffffff, v, mask); }
DEVICE int shuffle(int v, int lane) { return __shfl_sync(0xffffffff, v, lane); }
DEVICE float shuffle(float v, int lane) { return __shfl_sync(0xffffffff, v, lane); }
#endif

DEVICE double shuffleXor(double v, int mask) {
  int w[2];
  __builtin_memcpy(w, &v, 8);
  w[0] = shuffleXor(w[0], mask);
  w[1] = shuffleXor(w[1], mask);
  __builtin_memcpy(&v, w, 8);
  return v;
}

// ---- Arithmetic

template <typename T> DEVICE T min(T a, T b) { return a < b ? a : b; }
template <typename T> DEVICE T max(T a, T b) { return a > b ? a : b; }
DEVICE int ceilDiv(int a, int b) { return (a + b - 1) / b; }

DEVICE u32 bits(float x) { u32 u; __builtin_memcpy(&u, &x, 4); return u; }
DEVICE float fromBits(u32 u) { float x; __builtin_memcpy(&x, &u, 4); return x; }

#ifdef __clang__
DEVICE float fma(float a, float b, float c) { return __nvvm_fma_rn_f(a, b, c); }
DEVICE double fma(double a, double b, double c) { return __nvvm_fma_rn_d(a, b, c); }
DEVICE float sqrt(float x) { return __nvvm_sqrt_rn_f(x); }
#else
DEVICE float fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
DEVICE double fma(double a, double b, double c) { return __fma_rn(a, b, c); }
DEVICE float sqrt(float x) { return __fsqrt_rn(x); }
#endif

// exponential is num.Exp32, operation for operation, so that it has the CPU
// engine's bits: within 1 unit in the last place, 0 below -87.3.
DEVICE float exponential(float x) {
  const float t = fma(x, 0x1.715476p+0f, 0x1.8p+23f);
  const float n = t - 0x1.8p+23f;
  float r = fma(n, -0x1.62e43p-1f, x);
  r = fma(n, 0x1.05c61p-29f, r);
  float p = fma(0x1.6a23cep-10f, r, 0x1.123a2p-7f);
  p = fma(p, r, 0x1.5558f2p-5f);
  p = fma(p, r, 0x1.555492p-3f);
  p = fma(p, r, 0x1.fffffcp-2f);
  p = fma(p, r, 1.0f);
  p = fma(p, r, 1.0f);
  float y = fromBits(bits(p) + (bits(t) << 23));
  if (x > 0x1.62e42ep+6f) y = __builtin_inff();
  if (x < -87.3f) y = 0.0f;
  return x != x ? x : y;
}

// sigmoid sets s = 1/(1+exp(-x)) and t = 1 - s, both without cancellation.
DEVICE void sigmoid(float x, float &s, float &t) {
  const float e = exponential(-__builtin_fabsf(x)), r = 1.0f / (1.0f + e), q = e * r;
  s = x < 0 ? q : r;
  t = x < 0 ? r : q;
}

// gated is SwiGLU of one element: silu(gate) * up.
DEVICE float gated(float gate, float up) {
  float s, t;
  sigmoid(gate, s, t);
  return gate * s * up;
}

// powerOf2 is the hardware's approximation of 2^x: within 2 units in the last place of
// the rounded value, and 0 if that is denormal.
DEVICE float powerOf2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// ---- Element types

// bf16 is the upper half of a float32.
struct bf16 {
  u16 u;
};

// packBF16 rounds two values to nearest even, with lo in the lower half of the word.
#ifdef __clang__
DEVICE u32 packBF16(float lo, float hi) { return __builtin_bit_cast(u32, __nvvm_ff2bf16x2_rn(hi, lo)); }
DEVICE u16 roundBF16(float x) { return __builtin_bit_cast(u16, __nvvm_f2bf16_rn(x)); }
#else
DEVICE u32 packBF16(float lo, float hi) {
  u32 u;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(u) : "f"(hi), "f"(lo));
  return u;
}
DEVICE u16 roundBF16(float x) {
  u16 u;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(u) : "f"(x));
  return u;
}
#endif

DEVICE float load(const float *p, i64 i) { return p[i]; }
DEVICE float load(const bf16 *p, i64 i) { return fromBits((u32)p[i].u << 16); }
DEVICE void store(float *p, i64 i, float x) { p[i] = x; }
DEVICE void store(bf16 *p, i64 i, float x) { p[i].u = roundBF16(x); }

// Vectors that are read and written at once.
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) uint4 {
  u32 x, y, z, w;
};
struct alignas(8) uint2 {
  u32 x, y;
};

// Four neighbours at once; p + i must be aligned to four elements.
DEVICE float4 load4(const float *p, i64 i) { return *(const float4 *)(p + i); }
DEVICE float4 load4(const bf16 *p, i64 i) {
  const uint2 u = *(const uint2 *)(p + i);
  return {fromBits(u.x << 16), fromBits(u.x & 0xffff0000), fromBits(u.y << 16), fromBits(u.y & 0xffff0000)};
}
DEVICE void store4(float *p, i64 i, float4 v) { *(float4 *)(p + i) = v; }
DEVICE void store4(bf16 *p, i64 i, float4 v) { *(uint2 *)(p + i) = {packBF16(v.x, v.y), packBF16(v.z, v.w)}; }

// W neighbours as float32, where W is 1 or 4.
template <int W> struct Values {
  float v[W];
};

// get reads elements i to i+W-1 of float32 or, if type is 1, bf16. The type is a kernel
// parameter in operations that are bound by memory, where a branch that all threads take
// alike costs nothing. Four elements are read at once, so p + i must be aligned to four.
template <int W> DEVICE Values<W> get(const void *p, int type, i64 i) {
  if constexpr (W == 1) {
    return {type ? load((const bf16 *)p, i) : load((const float *)p, i)};
  } else {
    const float4 f = type ? load4((const bf16 *)p, i) : load4((const float *)p, i);
    return {f.x, f.y, f.z, f.w};
  }
}

// put rounds if needed and writes elements i to i+W-1, like get.
template <int W> DEVICE void put(void *p, int type, i64 i, Values<W> x) {
  if constexpr (W == 1) {
    if (type) store((bf16 *)p, i, x.v[0]);
    else store((float *)p, i, x.v[0]);
  } else {
    const float4 f = {x.v[0], x.v[1], x.v[2], x.v[3]};
    if (type) store4((bf16 *)p, i, f);
    else store4((float *)p, i, f);
  }
}

// ---- The reduction tree of package kernels

// lanes is kernels.Lanes: element i of a row belongs to lane i mod 16. Each thread of a
// half warp holds one lane.
constexpr int lanes = 16;

// tree adds the 16 lanes of a half warp pairwise as (l, l+8), (l, l+4), (l, l+2),
// (l, l+1). All threads of a half get its sum.
template <typename T> DEVICE T tree(T lane) {
  lane = lane + shuffleXor(lane, 8);
  lane = lane + shuffleXor(lane, 4);
  lane = lane + shuffleXor(lane, 2);
  return lane + shuffleXor(lane, 1);
}
