// RMSNorm (Zhang & Sennrich 2019) and sums over tokens, with the bits of the CPU engine: a
// row is summed in the 16 lanes of kernels.Lanes, and a sum over tokens is one chain. With
// few rows these kernels are bound by memory latency, so a block issues all its loads at
// once.
#include "device.cuh"

constexpr int threads = 256;

// ---- Rows: a block has a row.

constexpr int held = 8;              // columns that a thread holds at once, 256 apart
constexpr int part = threads * held; // columns that a block does

// each calls f(k, c) for each column c, the k-th that the thread holds, in the part of a
// row that begins at column first.
template <typename F> DEVICE void each(int first, int cols, F f) {
#pragma unroll
  for (int k = 0; k < held; k++) {
    const int c = first + k * threads + tidX();
    if (c < cols) f(k, c);
  }
}

// RowSum adds a row up, part by part: all threads give values, which the first
// warp adds, each half alike.
struct RowSum {
  float *values; // [part+1] in shared memory: of a part, and the sum
  float sum = 0;

  MEMBER RowSum(float *shared) : values(shared) {}

  // add adds value(k) of the columns of a part.
  template <typename V> MEMBER void add(int first, int cols, V value) {
    constexpr int steps = threads / lanes;
    const int n = min(part, cols - first);
    if (first > 0) barrier(); // the previous part has been read
#pragma unroll
    for (int k = 0; k < held; k++) // -0 pads the last steps and changes no sum
      if (k * threads < n) values[k * threads + tidX()] = k * threads + tidX() < n ? value(k) : -0.0f;
    barrier();
    if (tidX() >= 32) return;
#pragma unroll 2
    for (int c = tidX() % lanes; c < n; c += threads) {
      float v[steps];
#pragma unroll
      for (int i = 0; i < steps; i++) v[i] = values[c + i * lanes];
#pragma unroll
      for (int i = 0; i < steps; i++) sum = sum + v[i];
    }
  }

  // total returns the sum in all threads.
  MEMBER float total() {
    if (tidX() < 32) sum = tree(sum);
    if (tidX() == 0) values[part] = sum;
    barrier();
    return values[part];
  }
};

DEVICE float inverseRMS(float squares, int cols, float eps) { return 1.0f / sqrt(squares / (float)cols + eps); }

template <typename D> DEVICE void norm(D *dst, const float *x, const float *weight, int cols, float eps) {
  __shared__ float shared[part + 1];
  const i64 row = (i64)ctaX() * cols;
  float v[held] = {}, w[held];
  auto fetch = [&](int first) {
    each(first, cols, [&](int k, int c) { v[k] = x[row + c], w[k] = weight[c]; });
  };
  RowSum squares(shared);
  for (int first = 0; first < cols; first += part) {
    fetch(first);
    squares.add(first, cols, [&](int k) { return v[k] * v[k]; });
  }
  const float inv = inverseRMS(squares.total(), cols, eps);
  for (int first = (cols - 1) / part * part; first >= 0; first -= part) { // the last part is still in registers
    each(first, cols, [&](int k, int c) { store(dst, row + c, v[k] * inv * w[k]); });
    if (first > 0) fetch(first - part);
  }
}

// dst[t] = (x[t] * inverseRMS) * weight
KERNEL __launch_bounds__(threads) rmsnorm_f32(float *dst, const float *x, const float *weight, int cols, float eps) {
  norm(dst, x, weight, cols, eps);
}
KERNEL __launch_bounds__(threads) rmsnorm_bf16(bf16 *dst, const float *x, const float *weight, int cols, float eps) {
  norm(dst, x, weight, cols, eps);
}

template <typename D> DEVICE void normGrad(float *dx, float *inv, const D *dy, const float *x, const float *weight, int cols, float eps) {
  __shared__ float shared[part + 1];
  const i64 row = (i64)ctaX() * cols;
  float v[held] = {}, w[held] = {}, d[held];
  D y[held] = {}; // not widened yet, because that would wait for the load
  auto fetch = [&](int first) {
    each(first, cols, [&](int k, int c) { v[k] = x[row + c], y[k] = dy[row + c], w[k] = weight[c], d[k] = dx[row + c]; });
  };
  auto gradient = [&](int k) { return load(y, k) * w[k]; };
  fetch(0);
  RowSum squares(shared), products(shared);
  for (int first = 0; first < cols; first += part) {
    if (first > 0) each(first, cols, [&](int k, int c) { v[k] = x[row + c]; });
    squares.add(first, cols, [&](int k) { return v[k] * v[k]; });
  }
  const float i = inverseRMS(squares.total(), cols, eps);
  for (int first = 0; first < cols; first += part) {
    if (cols > part) fetch(first);
    products.add(first, cols, [&](int k) { return gradient(k) * (v[k] * i); });
  }
  const float mean = products.total() / (float)cols;
  for (int first = (cols - 1) / part * part; first >= 0; first -= part) {
    each(first, cols, [&](int k, int c) { dx[row + c] = fma(fma(v[k] * i, -mean, gradient(k)), i, d[k]); });
    if (first > 0) fetch(first - part);
  }
  if (tidX() == 0) inv[ctaX()] = i;
}

// With g = dy*weight and h = x*inv: dx = fma(fma(h, -mean(g*h), g), inv, dx).
// inv[t] is stored for rmsnorm_grad_weight.
KERNEL __launch_bounds__(threads, 4) rmsnorm_grad_f32(float *dx, float *inv, const float *dy, const float *x, const float *weight, int cols, float eps) {
  normGrad(dx, inv, dy, x, weight, cols, eps);
}
KERNEL __launch_bounds__(threads, 4) rmsnorm_grad_bf16(float *dx, float *inv, const bf16 *dy, const float *x, const float *weight, int cols, float eps) {
  normGrad(dx, inv, dy, x, weight, cols, eps);
}

// ---- Sums down the columns. A block has 16 columns. Its threads load tiles of 256 rows,
// one after another, and the first 16 threads add them in the order of rows, a chain for
// each column. The next tile is loaded meanwhile, so a row costs the latency of the chain,
// about 4 cycles, and not that of memory.

constexpr int tileRows = 256;
constexpr int tileCols = 16;
constexpr int apart = threads / tileCols; // distance between the rows of a thread
constexpr int rowsEach = tileRows / apart;
constexpr int tileLine = tileRows + 4; // stride of columns, which puts neighbours in different banks
constexpr int fours = 8;               // groups of four rows that the chain loads at once

template <bool Norm, typename D>
DEVICE void columnSums(float *sums, const D *from, const float *x, const float *inv, int rows, int cols, int carry) {
  alignas(16) __shared__ float dy[tileCols][tileLine];
  alignas(16) __shared__ float h[Norm ? tileCols : 1][tileLine];
  const int own = tidX() / tileCols, col = ctaX() * tileCols + tidX() % tileCols;
  D y[rowsEach]; // not widened yet, because that would wait for the load
  float v[rowsEach], i[rowsEach];
  auto fetch = [&](int first) {
    i64 at = (i64)(first + own) * cols + col;
#pragma unroll
    for (int k = 0; k < rowsEach; k++, at += apart * (i64)cols) {
      const int r = first + own + k * apart;
      store(y, k, -0.0f); // beyond the end: -0, or -0 times 0, changes no sum
      v[k] = i[k] = 0.0f;
      if (r >= rows || col >= cols) continue;
      y[k] = from[at];
      if (Norm) v[k] = x[at], i[k] = inv[r];
    }
  };
  const bool adds = tidX() < tileCols;
  float sum = 0;
  if (adds && col < cols && carry) sum = sums[col];
  fetch(0);
  for (int first = 0; first < rows; first += tileRows) {
    barrier(); // the previous tile has been added
#pragma unroll
    for (int k = 0; k < rowsEach; k++) {
      dy[tidX() % tileCols][own + k * apart] = load(y, k);
      if (Norm) h[tidX() % tileCols][own + k * apart] = v[k] * i[k];
    }
    barrier();
    fetch(first + tileRows);
    if (!adds) continue;
    const int n = min(tileRows, rows - first);
#pragma unroll 1
    for (int r = 0; r < n; r += 4 * fours) {
      float4 a[fours], b[fours];
#pragma unroll
      for (int j = 0; j < fours; j++) {
        a[j] = load4(dy[tidX()], r + 4 * j);
        if (Norm) b[j] = load4(h[tidX()], r + 4 * j);
      }
#pragma unroll
      for (int j = 0; j < fours; j++) {
        if (Norm) sum = fma(a[j].w, b[j].w, fma(a[j].z, b[j].z, fma(a[j].y, b[j].y, fma(a[j].x, b[j].x, sum))));
        else sum = sum + a[j].x + a[j].y + a[j].z + a[j].w;
      }
    }
  }
  if (adds && col < cols) sums[col] = sum;
}

// dw = fma(dy, x*inv, dw) over tokens, from +0 or, with carry, from dw.
KERNEL __launch_bounds__(threads) rmsnorm_grad_weight_f32(float *dw, const float *dy, const float *x, const float *inv, int rows, int cols, int carry) {
  columnSums<true>(dw, dy, x, inv, rows, cols, carry);
}
KERNEL __launch_bounds__(threads) rmsnorm_grad_weight_bf16(float *dw, const bf16 *dy, const float *x, const float *inv, int rows, int cols, int carry) {
  columnSums<true>(dw, dy, x, inv, rows, cols, carry);
}

// db = db + dy over tokens.
KERNEL __launch_bounds__(threads) bias_grad_f32(float *db, const float *dy, int rows, int cols, int carry) {
  columnSums<false>(db, dy, nullptr, nullptr, rows, cols, carry);
}
KERNEL __launch_bounds__(threads) bias_grad_bf16(float *db, const bf16 *dy, int rows, int cols, int carry) {
  columnSums<false>(db, dy, nullptr, nullptr, rows, cols, carry);
}
