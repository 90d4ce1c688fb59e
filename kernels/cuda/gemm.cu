// Matrix products: c [m, n] = a [m, k] · b [k, n], in three layouts, named after how a
// and b lie in memory: nt is a [m, k] and b [n, k] (forward), nn is a [m, k] and b [k, n]
// (gradient of the input), tn is a [k, m] and b [k, n] (gradient of the weights).
//
// In bf16 an element is one chain of mma over k, 16 at a time, ascending from +0 in
// float32. The bits do not depend on the tile, and so not on the kernel. Only depth, the
// k of one split, cuts the chain: splits write partial sums, which product_sum adds in
// order. In f32 an element is one chain of fma over k.
#include "gemm.cuh"

// finish adds bias and residual to four neighbours of c from [row, col], and stores those
// inside the matrix.
DEVICE void finish(void *c, const float *bias, const float *residual, int half, int row, int col, int m, int n, i64 ldc, float4 v) {
  if (row >= m || col >= n) return;
  const i64 at = row * ldc + col;
  if (ldc % 4 == 0 && col + 4 <= n) {
    if (bias) v = v + load4(bias, col);
    if (residual) v = v + load4(residual, at);
    if (half)
      store4((bf16 *)c, at, v);
    else
      store4((float *)c, at, v);
    return;
  }
#pragma unroll 1
  for (int e = 0; e < min(4, n - col); e++) {
    float x = e == 0 ? v.x : e == 1 ? v.y : e == 2 ? v.z : v.w;
    if (bias) x = x + bias[col + e];
    if (residual) x = x + residual[at + e];
    if (half)
      store((bf16 *)c, at + e, x);
    else
      ((float *)c)[at + e] = x;
  }
}

template <int BM, int BN, int BK, int WM, int WN, int STAGES, bool A_K, bool B_K, bool FAST>
DEVICE void product(void *c, const bf16 *a, const bf16 *b, const float *bias, const float *residual, int m, int n, int k, int lda, int ldb, int ldc,
                    int depth, int half) {
  using C = Chains<BM, BN, BK, WM, WN, STAGES, A_K, B_K>;
  alignas(128) __shared__ unsigned char buffer[C::bytes];
  const int m0 = ctaX() * BM, n0 = ctaY() * BN;
  const int k0 = ctaZ() * depth, end = min(k, k0 + depth);
  C chains;
  const bool inside = m0 + chains.wm < m && n0 + chains.wn < n;
  chains.run(buffer, (end - k0 + BK - 1) / BK, inside, [&](int step, u32 ta, u32 tb) {
    const int at = k0 + step * BK;
    if (A_K)
      C::TileA::template load<C::threads, FAST>(ta, a + (i64)m0 * lda + at, lda, m - m0, end - at);
    else
      C::TileA::template load<C::threads, FAST>(ta, a + (i64)at * lda + m0, lda, end - at, m - m0);
    if (B_K)
      C::TileB::template load<C::threads, FAST>(tb, b + (i64)n0 * ldb + at, ldb, n - n0, end - at);
    else
      C::TileB::template load<C::threads, FAST>(tb, b + (i64)at * ldb + n0, ldb, end - at, n - n0);
  });
  if (!inside) return;
  if (depth < k) c = (float *)c + (i64)ctaZ() * m * ldc;
  chains.eachStrip(buffer, [&](int i, const float *strip, int ld) {
    constexpr int part = WN / 4;
#pragma unroll 1
    for (int e = tidX() % 32; e < 16 * part; e += 32) {
      const int row = e / part, col = e % part * 4;
      finish(c, bias, residual, half, m0 + i + row, n0 + chains.wn + col, m, n, ldc, load4(strip, row * ld + col));
    }
  });
}

#define PRODUCT(NAME, THREADS, BLOCKS, ...)                                                                                                          \
  KERNEL __launch_bounds__(THREADS, BLOCKS)                                                                                                          \
      NAME(void *c, const bf16 *a, const bf16 *b, const float *bias, const float *residual, int m, int n, int k, int lda, int ldb, int ldc,           \
           int depth, int half) {                                                                                                                    \
    product<__VA_ARGS__>(c, a, b, bias, residual, m, n, k, lda, ldb, ldc, depth, half);                                                              \
  }

// Large tiles do most of the work of long batches. Small tiles are used where large ones
// would be too few, or unevenly distributed, to fill the device, and narrow ones where
// that holds for the small. "any" takes unaligned operands; "thin" streams the weights
// for up to sixteen rows.
PRODUCT(product_nt_large, 128, 2, 128, 128, 32, 64, 64, 3, true, true, true)
PRODUCT(product_nn_large, 128, 2, 128, 128, 32, 64, 64, 3, true, false, true)
PRODUCT(product_tn_large, 128, 2, 128, 128, 32, 64, 64, 3, false, false, true)
PRODUCT(product_nt_small, 128, 3, 64, 64, 64, 32, 32, 3, true, true, true)
PRODUCT(product_nn_small, 128, 3, 64, 64, 64, 32, 32, 3, true, false, true)
PRODUCT(product_tn_small, 128, 3, 64, 64, 64, 32, 32, 3, false, false, true)
PRODUCT(product_nt_narrow, 128, 3, 32, 32, 128, 16, 16, 3, true, true, true)
PRODUCT(product_nn_narrow, 128, 3, 32, 32, 128, 16, 16, 3, true, false, true)
PRODUCT(product_tn_narrow, 128, 3, 32, 32, 128, 16, 16, 3, false, false, true)
PRODUCT(product_nt_any, 128, 3, 64, 64, 32, 32, 32, 2, true, true, false)
PRODUCT(product_nn_any, 128, 3, 64, 64, 32, 32, 32, 2, true, false, false)
PRODUCT(product_tn_any, 128, 3, 64, 64, 32, 32, 32, 2, false, false, false)
PRODUCT(product_nt_thin, 64, 2, 16, 32, 64, 16, 16, 6, true, true, true)

// sums adds the partial sums of the splits in order, then bias and residual, for W
// neighbours of c at a time.
template <int W>
DEVICE void sums(void *c, const float *partial, const float *bias, const float *residual, i64 size, int n, int splits, int half) {
  for (i64 i = W * ((i64)ctaX() * dimX() + tidX()); i < size; i += W * ((i64)gridX() * dimX())) {
    Values<W> v = get<W>(partial, 0, i);
    const auto add = [&](const float *p, i64 at) {
      const Values<W> x = get<W>(p, 0, at);
#pragma unroll
      for (int e = 0; e < W; e++) v.v[e] = v.v[e] + x.v[e];
    };
    for (int s = 1; s < splits; s++) add(partial, s * size + i);
    if (bias) add(bias, i % n);
    if (residual) add(residual, i);
    put<W>(c, half, i, v);
  }
}

// product_sum finishes a product [size/n, n] from the partial sums of its splits. wide
// means that n is a multiple of 4.
KERNEL product_sum(void *c, const float *partial, const float *bias, const float *residual, i64 size, int n, int splits, int half, int wide) {
  if (wide)
    sums<4>(c, partial, bias, residual, size, n, splits, half);
  else
    sums<1>(c, partial, bias, residual, size, n, splits, half);
}

template <bool A_K, bool B_K>
DEVICE void productF(void *c, const float *a, const float *b, const float *bias, const float *residual, int m, int n, int k, int lda, int ldb, int ldc,
                     int carry, int half) {
  using C = ChainsF;
  alignas(128) __shared__ unsigned char buffer[C::bytes];
  const int m0 = ctaX() * C::BM, n0 = ctaY() * C::BN;
  C chains;
#pragma unroll
  for (int i = 0; i < 8; i++)
#pragma unroll
    for (int j = 0; j < 8; j++) {
      const int row = m0 + C::row(i), col = n0 + C::col(j);
      chains.acc[i][j] = 0.0f;
      if (carry && row < m && col < n) chains.acc[i][j] = ((const float *)c)[row * (i64)ldc + col];
    }
  const bool inside = m0 + tidX() / 32 * 32 < m;
  chains.run(buffer, (k + C::BK - 1) / C::BK, inside, [&](int step, u32 ta, u32 tb) {
    const int at = step * C::BK;
    C::TileA::template load<C::threads, A_K>(ta, a + (A_K ? (i64)m0 * lda + at : (i64)at * lda + m0), lda, m - m0, k - at);
    C::TileB::template load<C::threads, B_K>(tb, b + (B_K ? (i64)n0 * ldb + at : (i64)at * ldb + n0), ldb, n - n0, k - at);
  });
  if (!inside) return;
#pragma unroll
  for (int i = 0; i < 8; i++)
#pragma unroll
    for (int j = 0; j < 8; j += 4)
      finish(c, bias, residual, half, m0 + C::row(i), n0 + C::col(j), m, n, ldc,
             {chains.acc[i][j], chains.acc[i][j + 1], chains.acc[i][j + 2], chains.acc[i][j + 3]});
}

#define PRODUCT_F32(NAME, A_K, B_K)                                                                                                                  \
  KERNEL __launch_bounds__(128, 2)                                                                                                                   \
      NAME(void *c, const float *a, const float *b, const float *bias, const float *residual, int m, int n, int k, int lda, int ldb, int ldc,         \
           int carry, int half) {                                                                                                                    \
    productF<A_K, B_K>(c, a, b, bias, residual, m, n, k, lda, ldb, ldc, carry, half);                                                                \
  }
PRODUCT_F32(product_nt_f32, true, true)
PRODUCT_F32(product_nn_f32, true, false)
PRODUCT_F32(product_tn_f32, false, false)
