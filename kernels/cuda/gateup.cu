// The first half of a gated MLP: g = x·wgᵀ + bg, u = x·wuᵀ + bu and dst = silu(g)·u
// [m, n] in one kernel, for operands and results of one type. A tile has as many columns
// of g as of u, so that a thread's fragments hold both elements of a pair. g and u are
// written to memory only if the gradient needs them. The bits are those of gemm.cu's
// products, rounded, and elementwise.cu's swiglu.
#include "gemm.cuh"

DEVICE float4 rounded(const float *, float4 v) { return v; }
DEVICE float4 rounded(const bf16 *, float4 v) {
  const u32 lo = packBF16(v.x, v.y), hi = packBF16(v.z, v.w);
  return {fromBits(lo << 16), fromBits(lo & 0xffff0000), fromBits(hi << 16), fromBits(hi & 0xffff0000)};
}

// finish adds the biases to four neighbours of g and u from [row, col], and stores the
// results that are wanted and inside the matrix.
template <typename T>
DEVICE void finish(T *dst, T *gate, T *up, const float *biasG, const float *biasU, int row, int col, int m, int n, float4 g, float4 u) {
  if (row >= m || col >= n) return;
  const i64 at = row * (i64)n + col;
  if (n % 4 == 0) {
    if (biasG) g = g + load4(biasG, col);
    if (biasU) u = u + load4(biasU, col);
    g = rounded(gate, g);
    u = rounded(up, u);
    if (gate) {
      store4(gate, at, g);
      store4(up, at, u);
    }
    store4(dst, at, {gated(g.x, u.x), gated(g.y, u.y), gated(g.z, u.z), gated(g.w, u.w)});
    return;
  }
#pragma unroll 1
  for (int e = 0; e < min(4, n - col); e++) {
    float4 p = {e == 0 ? g.x : e == 1 ? g.y : e == 2 ? g.z : g.w, e == 0 ? u.x : e == 1 ? u.y : e == 2 ? u.z : u.w, 0, 0};
    if (biasG) p.x = p.x + biasG[col + e];
    if (biasU) p.y = p.y + biasU[col + e];
    p = rounded(gate, p);
    if (gate) {
      store(gate, at + e, p.x);
      store(up, at + e, p.y);
    }
    store(dst, at + e, gated(p.x, p.y));
  }
}

template <int BM, int BN, int BK, int WM, int WN, int STAGES, bool FAST>
DEVICE void gateUp(bf16 *dst, bf16 *gate, bf16 *up, const bf16 *x, const bf16 *wg, const bf16 *wu, const float *biasG, const float *biasU, int m, int n,
                   int k) {
  using C = Chains<BM, BN, BK, WM, WN, STAGES, true, true>;
  constexpr int half = WN / 2;
  alignas(128) __shared__ unsigned char buffer[C::bytes];
  const int m0 = ctaX() * BM, n0 = ctaY() * (BN / 2);
  C chains;
  const int col0 = n0 + chains.wn / 2;
  const bool inside = m0 + chains.wm < m && col0 < n;
  chains.run(buffer, (k + BK - 1) / BK, inside, [&](int step, u32 ta, u32 tb) {
    const int at = step * BK;
    C::TileA::template load<C::threads, FAST>(ta, x + (i64)m0 * k + at, k, m - m0, k - at);
    C::TileB::template loadPair<C::threads, FAST, half>(tb, wg + (i64)n0 * k + at, wu + (i64)n0 * k + at, k, n - n0, k - at);
  });
  if (!inside) return;
  chains.eachStrip(buffer, [&](int i, const float *strip, int ld) {
    constexpr int part = half / 4;
#pragma unroll 1
    for (int e = tidX() % 32; e < 16 * part; e += 32) {
      const int row = e / part, col = e % part * 4;
      finish(dst, gate, up, biasG, biasU, m0 + i + row, col0 + col, m, n, load4(strip, row * ld + col), load4(strip, row * ld + half + col));
    }
  });
}

#define GATEUP(NAME, THREADS, BLOCKS, ...)                                                                                                           \
  KERNEL __launch_bounds__(THREADS, BLOCKS)                                                                                                          \
      NAME(bf16 *dst, bf16 *gate, bf16 *up, const bf16 *x, const bf16 *wg, const bf16 *wu, const float *biasG, const float *biasU, int m, int n,     \
           int k) {                                                                                                                                  \
    gateUp<__VA_ARGS__>(dst, gate, up, x, wg, wu, biasG, biasU, m, n, k);                                                                            \
  }

// The tiles are those of the forward product in gemm.cu.
GATEUP(gateup_large, 128, 2, 128, 128, 32, 64, 64, 3, true)
GATEUP(gateup_small, 128, 3, 64, 64, 64, 32, 32, 3, true)
GATEUP(gateup_narrow, 128, 3, 32, 32, 128, 16, 16, 3, true)
GATEUP(gateup_any, 128, 3, 64, 64, 32, 32, 32, 2, false)
GATEUP(gateup_thin, 64, 2, 16, 32, 64, 16, 16, 6, true)

KERNEL __launch_bounds__(128, 2) gateup_f32(float *dst, float *gate, float *up, const float *x, const float *wg, const float *wu, const float *biasG,
                                            const float *biasU, int m, int n, int k) {
  using C = ChainsF;
  alignas(128) __shared__ unsigned char buffer[C::bytes];
  const int m0 = ctaX() * C::BM, n0 = ctaY() * (C::BN / 2);
  C chains;
#pragma unroll
  for (int i = 0; i < 8; i++)
#pragma unroll
    for (int j = 0; j < 8; j++) chains.acc[i][j] = 0.0f;
  const bool inside = m0 + tidX() / 32 * 32 < m;
  chains.run(buffer, (k + C::BK - 1) / C::BK, inside, [&](int step, u32 ta, u32 tb) {
    const int at = step * C::BK;
    C::TileA::load<C::threads, true>(ta, x + (i64)m0 * k + at, k, m - m0, k - at);
    C::TileB::loadPair<C::threads>(tb, wg + (i64)n0 * k + at, wu + (i64)n0 * k + at, k, n - n0, k - at);
  });
  if (!inside) return;
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const float(&g)[8] = chains.acc[i];
    finish(dst, gate, up, biasG, biasU, m0 + C::row(i), n0 + C::s(), m, n, {g[0], g[1], g[2], g[3]}, {g[4], g[5], g[6], g[7]});
  }
}
