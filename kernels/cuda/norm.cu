// RMSNorm (Zhang & Sennrich 2019) and sums over tokens, with the bits of the
// CPU engine: a row is summed in the 16 lanes of kernels.Lanes, which are half
// a warp, and a sum over tokens is one chain.
#include "device.cuh"

constexpr int threads = 256;
constexpr int rowsPerBlock = threads / lanes;

// inverseRMS returns 1/sqrt(mean(x²) + eps) of a row, in all threads of its
// half warp.
DEVICE float inverseRMS(const float *x, int cols, float eps) {
  float sum = 0;
#pragma unroll 4
  for (int c = tidX() % lanes; c < cols; c += lanes) sum = sum + x[c] * x[c];
  const float mean = tree(sum) / (float)cols;
  return 1.0f / sqrt(mean + eps);
}

template <typename D>
DEVICE void norm(D *dst, const float *x, const float *weight, int rows, int cols, float eps) {
  // Rows beyond the end take part in shuffles, with the last row's values.
  const int r = ctaX() * rowsPerBlock + tidX() / lanes;
  const i64 row = (i64)min(r, rows - 1) * cols;
  const float inv = inverseRMS(x + row, cols, eps);
  if (r >= rows) return;
#pragma unroll 4
  for (int c = tidX() % lanes; c < cols; c += lanes) store(dst, row + c, x[row + c] * inv * weight[c]);
}

// dst[t] = (x[t] * inverseRMS) * weight
KERNEL __launch_bounds__(threads) rmsnorm_f32(float *dst, const float *x, const float *weight, int rows, int cols, float eps) {
  norm(dst, x, weight, rows, cols, eps);
}
KERNEL __launch_bounds__(threads) rmsnorm_bf16(bf16 *dst, const float *x, const float *weight, int rows, int cols, float eps) {
  norm(dst, x, weight, rows, cols, eps);
}

template <typename D>
DEVICE void normGrad(float *dx, float *inv, const D *dy, const float *x, const float *weight, int rows, int cols, float eps) {
  const int r = ctaX() * rowsPerBlock + tidX() / lanes, lane = tidX() % lanes;
  const i64 row = (i64)min(r, rows - 1) * cols;
  const float i = inverseRMS(x + row, cols, eps);
  float sum = 0;
#pragma unroll 4
  for (int c = lane; c < cols; c += lanes) sum = sum + load(dy, row + c) * weight[c] * (x[row + c] * i);
  const float mean = tree(sum) / (float)cols;
  if (r >= rows) return;
#pragma unroll 4
  for (int c = lane; c < cols; c += lanes) {
    const float g = load(dy, row + c) * weight[c];
    dx[row + c] = fma(fma(x[row + c] * i, -mean, g), i, dx[row + c]);
  }
  if (lane == 0) inv[r] = i;
}

// With g = dy*weight and h = x*inv: dx = fma(fma(h, -mean(g*h), g), inv, dx).
// inv[t] is left for rmsnorm_grad_weight.
KERNEL __launch_bounds__(threads) rmsnorm_grad_f32(float *dx, float *inv, const float *dy, const float *x, const float *weight, int rows, int cols, float eps) {
  normGrad(dx, inv, dy, x, weight, rows, cols, eps);
}
KERNEL __launch_bounds__(threads) rmsnorm_grad_bf16(float *dx, float *inv, const bf16 *dy, const float *x, const float *weight, int rows, int cols, float eps) {
  normGrad(dx, inv, dy, x, weight, rows, cols, eps);
}

// Sums down the columns. A block has 32 columns: its warps fetch tiles of 64
// rows in turn, and the first warp adds them up in the order of rows, a chain
// for each column. The next tile is on its way meanwhile, so that the chain's
// latency, some 4 cycles a row, and not that of memory, is what a row costs.
constexpr int tileRows = 64;
constexpr int tileCols = 32;
constexpr int warps = threads / 32;
constexpr int rowsPerWarp = tileRows / warps;

template <bool Norm> struct Tile {
  float dy[rowsPerWarp], h[rowsPerWarp];

  __device__ void fetch(const void *from, int type, const float *x, const float *inv, int first, int rows, int cols) {
    const int col = ctaX() * tileCols + tidX() % 32;
#pragma unroll
    for (int k = 0; k < rowsPerWarp; k++) {
      const int r = first + tidX() / 32 + k * warps;
      dy[k] = h[k] = 0;
      if (r < rows && col < cols) {
        const i64 at = (i64)r * cols + col;
        dy[k] = get<1>(from, type, at).v[0];
        if (Norm) h[k] = x[at] * inv[r];
      }
    }
  }
};

template <bool Norm>
DEVICE void columnSums(float *sums, const void *from, int type, const float *x, const float *inv, int rows, int cols, int carry) {
  __shared__ float dy[2][tileRows][tileCols];
  __shared__ float h[Norm ? 2 : 1][Norm ? tileRows : 1][tileCols];
  const int warp = tidX() / 32, lane = tidX() % 32, col = ctaX() * tileCols + lane;
  float sum = 0;
  if (warp == 0 && col < cols && carry) sum = sums[col];
  Tile<Norm> next;
  next.fetch(from, type, x, inv, 0, rows, cols);
  for (int first = 0, buffer = 0; first < rows; first += tileRows, buffer ^= 1) {
    // The other buffer may still be read; this one was, before the last barrier.
#pragma unroll
    for (int k = 0; k < rowsPerWarp; k++) {
      dy[buffer][warp + k * warps][lane] = next.dy[k];
      if (Norm) h[buffer][warp + k * warps][lane] = next.h[k];
    }
    barrier();
    next.fetch(from, type, x, inv, first + tileRows, rows, cols);
    if (warp == 0) {
      const int n = min(tileRows, rows - first);
#pragma unroll 8
      for (int r = 0; r < n; r++) {
        if (Norm) sum = fma(dy[buffer][r][lane], h[buffer][r][lane], sum);
        else sum = sum + dy[buffer][r][lane];
      }
    }
  }
  if (warp == 0 && col < cols) sums[col] = sum;
}

// dw = fma(dy, x*inv, dw) over tokens, from +0 or, with carry, from dw.
KERNEL __launch_bounds__(threads) rmsnorm_grad_weight(float *dw, const void *dy, int dyType, const float *x, const float *inv, int rows, int cols, int carry) {
  columnSums<true>(dw, dy, dyType, x, inv, rows, cols, carry);
}

// db = db + dy over tokens.
KERNEL __launch_bounds__(threads) bias_grad(float *db, const void *dy, int dyType, int rows, int cols, int carry) {
  columnSums<false>(db, dy, dyType, nullptr, nullptr, rows, cols, carry);
}
