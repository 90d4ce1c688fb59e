// Matrix products: c [m, n] = a [m, k] · b [k, n], in three layouts named after
// how a and b lie in memory: nt is a [m, k] and b [n, k] (forward), nn is a [m,
// k] and b [k, n] (gradient of the input), tn is a [k, m] and b [k, n]
// (gradient of the weights).
//
// In bf16 an element is one chain of mma over k in sixteens, ascending from +0
// in float32. The tile shows in nothing, whichever kernel computes an element;
// what cuts the chain is depth, the k of one split: splits go to partial sums,
// which sum adds in order. In f32 an element is one chain of fma over k.
#include "tensorcore.cuh"

DEVICE float4 operator+(float4 a, float4 b) { return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w}; }

// finish adds bias and residual to four neighbours of c from [row, col], and
// stores those inside.
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

// product computes a tile [BM, BN] of c with warps of [WM, WN]. Tiles of BK
// along k come through STAGES buffers. A_K and B_K say that an operand's lines
// run along k.
template <int BM, int BN, int BK, int WM, int WN, int STAGES, bool A_K, bool B_K, bool FAST>
DEVICE void product(void *c, const bf16 *a, const bf16 *b, const float *bias, const float *residual, int m, int n, int k, int lda, int ldb, int ldc,
                    int depth, int half) {
  constexpr int threads = (BM / WM) * (BN / WN) * 32;
  constexpr int MI = WM / 16, NI = WN / 8;
  using TileA = Tile<A_K ? BM : BK, A_K ? BK : BM>;
  using TileB = Tile<B_K ? BN : BK, B_K ? BK : BN>;
  constexpr int stageBytes = TileA::bytes + TileB::bytes;
  static_assert(stageBytes * STAGES <= 48 << 10, "static shared memory");
  alignas(128) __shared__ unsigned char buffer[stageBytes * STAGES];
  const u32 tiles = sharedAddress(buffer);

  const int m0 = ctaX() * BM, n0 = ctaY() * BN;
  const int k0 = ctaZ() * depth, end = min(k, k0 + depth);
  const int steps = (end - k0 + BK - 1) / BK;
  const int warp = tidX() / 32, wm = warp % (BM / WM) * WM, wn = warp / (BM / WM) * WN;
  const bool inside = m0 + wm < m && n0 + wn < n;

  auto load = [&](int step) {
    const int at = k0 + step * BK;
    const u32 to = tiles + step % STAGES * stageBytes;
    if (A_K)
      TileA::template load<threads, FAST>(to, a + (i64)m0 * lda + at, lda, m - m0, end - at);
    else
      TileA::template load<threads, FAST>(to, a + (i64)at * lda + m0, lda, end - at, m - m0);
    if (B_K)
      TileB::template load<threads, FAST>(to + TileA::bytes, b + (i64)n0 * ldb + at, ldb, n - n0, end - at);
    else
      TileB::template load<threads, FAST>(to + TileA::bytes, b + (i64)at * ldb + n0, ldb, end - at, n - n0);
  };

  float acc[MI][NI][4];
#pragma unroll
  for (int i = 0; i < MI; i++)
#pragma unroll
    for (int j = 0; j < NI; j++) acc[i][j][0] = acc[i][j][1] = acc[i][j][2] = acc[i][j][3] = 0.0f;

#pragma unroll 1
  for (int s = 0; s < STAGES - 1; s++) {
    if (s < steps) load(s);
    commitCopies();
  }
#pragma unroll 1
  for (int step = 0; step < steps; step++) {
    waitCopies<STAGES - 2>();
    barrier();
    // The buffer of the step before is free now.
    if (step + STAGES - 1 < steps) load(step + STAGES - 1);
    commitCopies();
    if (!inside) continue;
    const u32 ta = tiles + step % STAGES * stageBytes, tb = ta + TileA::bytes;
#pragma unroll
    for (int ks = 0; ks < BK / 16; ks++) {
      u32 fa[MI][4], fb[NI / 2][4];
#pragma unroll
      for (int i = 0; i < MI; i++) {
        if (A_K)
          TileA::rowFragment(fa[i], ta, wm + i * 16, ks * 2);
        else
          TileA::rowFragmentT(fa[i], ta, (wm + i * 16) / 8, ks * 16);
      }
#pragma unroll
      for (int j = 0; j < NI / 2; j++) {
        if (B_K)
          TileB::colFragments(fb[j], tb, wn + j * 16, ks * 2);
        else
          TileB::colFragmentsT(fb[j], tb, (wn + j * 16) / 8, ks * 16);
      }
#pragma unroll
      for (int i = 0; i < MI; i++)
#pragma unroll
        for (int j = 0; j < NI; j++) multiply(acc[i][j], fa[i], fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]);
    }
  }
  waitCopies<0>();
  barrier();
  if (!inside) return;
  if (depth < k) c = (float *)c + (i64)ctaZ() * m * ldc;
  // Sixteen rows at a time go through shared memory, so that lines of c are
  // read and written whole.
  constexpr int ld = WN + 8, part = WN / 4;
  static_assert(threads / 32 * 16 * ld * 4 <= stageBytes * STAGES, "room for a strip of each warp");
  float *strip = (float *)buffer + warp * 16 * ld;
  const int lane = tidX() % 32;
#pragma unroll
  for (int i = 0; i < MI; i++) {
    warpBarrier();
#pragma unroll
    for (int j = 0; j < NI; j++) {
      float *to = strip + lane / 4 * ld + j * 8 + lane % 4 * 2;
      *(float2 *)to = {acc[i][j][0], acc[i][j][1]};
      *(float2 *)(to + 8 * ld) = {acc[i][j][2], acc[i][j][3]};
    }
    warpBarrier();
#pragma unroll 1
    for (int e = lane; e < 16 * part; e += 32) {
      const int row = e / part, col = e % part * 4;
      finish(c, bias, residual, half, m0 + wm + i * 16 + row, n0 + wn + col, m, n, ldc, load4(strip, row * ld + col));
    }
  }
}

#define PRODUCT(NAME, THREADS, BLOCKS, ...)                                                                                                          \
  KERNEL __launch_bounds__(THREADS, BLOCKS)                                                                                                          \
      NAME(void *c, const bf16 *a, const bf16 *b, const float *bias, const float *residual, int m, int n, int k, int lda, int ldb, int ldc,           \
           int depth, int half) {                                                                                                                    \
    product<__VA_ARGS__>(c, a, b, bias, residual, m, n, k, lda, ldb, ldc, depth, half);                                                              \
  }

// The large tiles do most of training's work; the small ones fill the device
// where the large would be few; any takes operands that are not aligned; thin
// streams the weights for up to sixteen rows.
PRODUCT(product_nt_large, 128, 2, 128, 128, 32, 64, 64, 3, true, true, true)
PRODUCT(product_nn_large, 128, 2, 128, 128, 32, 64, 64, 3, true, false, true)
PRODUCT(product_tn_large, 128, 2, 128, 128, 32, 64, 64, 3, false, false, true)
PRODUCT(product_nt_small, 128, 3, 64, 64, 32, 32, 32, 4, true, true, true)
PRODUCT(product_nn_small, 128, 3, 64, 64, 32, 32, 32, 4, true, false, true)
PRODUCT(product_tn_small, 128, 3, 64, 64, 32, 32, 32, 4, false, false, true)
PRODUCT(product_nt_any, 128, 3, 64, 64, 32, 32, 32, 2, true, true, false)
PRODUCT(product_nn_any, 128, 3, 64, 64, 32, 32, 32, 2, true, false, false)
PRODUCT(product_tn_any, 128, 3, 64, 64, 32, 32, 32, 2, false, false, false)
PRODUCT(product_nt_thin, 64, 2, 16, 32, 64, 16, 16, 6, true, true, true)

// product_sum adds the partial sums of splits in order, then residual.
KERNEL product_sum(float *c, const float *partial, const float *residual, i64 n, int splits) {
  for (i64 i = (i64)ctaX() * dimX() + tidX(); i < n; i += (i64)gridX() * dimX()) {
    float v = partial[i];
    for (int s = 1; s < splits; s++) v = v + partial[s * n + i];
    if (residual) v = v + residual[i];
    c[i] = v;
  }
}

// ---- float32

// TileF is BK lines of WIDTH floats in shared memory, k by k.
template <int BK, int WIDTH> struct TileF {
  static constexpr int ld = WIDTH + 4; // aligned to 16 bytes, and spread over the banks
  static constexpr int bytes = BK * ld * 4;

  // load starts the copy of width columns and depth k of an operand whose lines
  // run along k (K) or are k.
  template <int THREADS, bool K> DEVICE void load(u32 tile, const float *src, i64 lds, int width, int depth) {
#pragma unroll 4
    for (int j = 0; j < BK * WIDTH / THREADS; j++) {
      const int i = j * THREADS + tidX(), q = K ? i % BK : i / WIDTH, w = K ? i / BK : i % WIDTH;
      const bool in = q < depth && w < width;
      copy4(tile + (q * ld + w) * 4, in ? src + (K ? w * lds + q : q * lds + w) : src, in ? 4 : 0);
    }
  }
};

template <bool A_K, bool B_K>
DEVICE void productF(void *c, const float *a, const float *b, const float *bias, const float *residual, int m, int n, int k, int lda, int ldb, int ldc,
                     int carry, int half) {
  constexpr int BM = 128, BN = 64, BK = 16, STAGES = 3, threads = 128;
  using TileA = TileF<BK, BM>;
  using TileB = TileF<BK, BN>;
  constexpr int stageBytes = TileA::bytes + TileB::bytes;
  alignas(128) __shared__ unsigned char buffer[stageBytes * STAGES];
  const u32 tiles = sharedAddress(buffer);
  const int m0 = ctaX() * BM, n0 = ctaY() * BN, steps = (k + BK - 1) / BK;
  // A warp has 32 rows; a thread rows r and r+16, columns s and s+32, and the
  // three after each.
  const int warp = tidX() / 32, r = warp * 32 + tidX() % 32 / 8 * 4, s = tidX() % 8 * 4;
  const bool inside = m0 + warp * 32 < m;

  auto load = [&](int step) {
    const int at = step * BK;
    const u32 to = tiles + step % STAGES * stageBytes;
    TileA::template load<threads, A_K>(to, a + (A_K ? (i64)m0 * lda + at : (i64)at * lda + m0), lda, m - m0, k - at);
    TileB::template load<threads, B_K>(to + TileA::bytes, b + (B_K ? (i64)n0 * ldb + at : (i64)at * ldb + n0), ldb, n - n0, k - at);
  };
  auto rowOf = [&](int i) { return m0 + r + i / 4 * 16 + i % 4; };
  auto colOf = [&](int j) { return n0 + s + j / 4 * 32 + j % 4; };

  float acc[8][8];
#pragma unroll
  for (int i = 0; i < 8; i++)
#pragma unroll
    for (int j = 0; j < 8; j++) {
      acc[i][j] = 0.0f;
      if (carry && rowOf(i) < m && colOf(j) < n) acc[i][j] = ((const float *)c)[rowOf(i) * (i64)ldc + colOf(j)];
    }
#pragma unroll 1
  for (int q = 0; q < STAGES - 1; q++) {
    if (q < steps) load(q);
    commitCopies();
  }
#pragma unroll 1
  for (int step = 0; step < steps; step++) {
    waitCopies<STAGES - 2>();
    barrier();
    if (step + STAGES - 1 < steps) load(step + STAGES - 1);
    commitCopies();
    if (!inside) continue;
    const float *ta = (const float *)(buffer + step % STAGES * stageBytes), *tb = (const float *)((const unsigned char *)ta + TileA::bytes);
#pragma unroll 4
    for (int q = 0; q < BK; q++) {
      float x[8], y[8];
      *(float4 *)x = load4(ta, q * TileA::ld + r);
      *(float4 *)(x + 4) = load4(ta, q * TileA::ld + r + 16);
      *(float4 *)y = load4(tb, q * TileB::ld + s);
      *(float4 *)(y + 4) = load4(tb, q * TileB::ld + s + 32);
#pragma unroll
      for (int i = 0; i < 8; i++)
#pragma unroll
        for (int j = 0; j < 8; j++) acc[i][j] = fma(x[i], y[j], acc[i][j]);
    }
  }
  waitCopies<0>();
  if (!inside) return;
#pragma unroll
  for (int i = 0; i < 8; i++)
#pragma unroll
    for (int j = 0; j < 8; j += 4)
      finish(c, bias, residual, half, rowOf(i), colOf(j), m, n, ldc, {acc[i][j], acc[i][j + 1], acc[i][j + 2], acc[i][j + 3]});
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
