// The main loops of matrix products, c [m, n] = a [m, k] · b [k, n]. gemm.cu and gateup.cu
// load the operands and store c.
#pragma once
#include "tensorcore.cuh"

DEVICE float4 operator+(float4 a, float4 b) { return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w}; }

// pipeline runs steps with STAGES buffers in shared memory. load(step, stage) starts the
// copies of a step to a buffer. Once all threads of the block see them, use(stage) uses
// the buffer, while copies of the next STAGES - 1 steps are in flight.
template <int STAGES, typename LOAD, typename USE> DEVICE void pipeline(int steps, LOAD load, USE use) {
#pragma unroll 1
  for (int s = 0; s < STAGES - 1; s++) {
    if (s < steps) load(s, s % STAGES);
    commitCopies();
  }
#pragma unroll 1
  for (int step = 0; step < steps; step++) {
    waitCopies<STAGES - 2>();
    barrier();
    // The buffer of the previous step is free now.
    const int next = step + STAGES - 1;
    if (next < steps) load(next, next % STAGES);
    commitCopies();
    use(step % STAGES);
  }
  waitCopies<0>();
}

// Chains computes a tile [BM, BN] of c in bf16, with warps of [WM, WN]. Each element is one
// chain of mma over k, 16 at a time, ascending from +0 in float32. Tiles of BK along k are
// loaded through STAGES buffers. A_K and B_K mean that an operand's lines run along k.
template <int BM, int BN, int BK, int WM, int WN, int STAGES, bool A_K, bool B_K> struct Chains {
  static constexpr int threads = (BM / WM) * (BN / WN) * 32;
  static constexpr int MI = WM / 16, NI = WN / 8;
  using TileA = Tile<A_K ? BM : BK, A_K ? BK : BM>;
  using TileB = Tile<B_K ? BN : BK, B_K ? BK : BN>;
  static constexpr int stageBytes = TileA::bytes + TileB::bytes, bytes = stageBytes * STAGES;
  static_assert(bytes <= 48 << 10, "static shared memory");

  float acc[MI][NI][4];
  int wm, wn; // this warp's corner of the tile

  MEMBER Chains() {
    const int warp = tidX() / 32;
    wm = warp % (BM / WM) * WM, wn = warp / (BM / WM) * WN;
#pragma unroll
    for (int i = 0; i < MI; i++)
#pragma unroll
      for (int j = 0; j < NI; j++) acc[i][j][0] = acc[i][j][1] = acc[i][j][2] = acc[i][j][3] = 0.0f;
  }

  // run processes the given number of tiles along k. load(step, a, b) starts the copies
  // of a step's tiles to shared memory at a and b. Warps that are not inside c only copy.
  template <typename LOAD> MEMBER void run(unsigned char *buffer, int steps, bool inside, LOAD load) {
    const u32 tiles = sharedAddress(buffer);
    const auto copy = [&](int step, int stage) {
      const u32 to = tiles + stage * stageBytes;
      load(step, to, to + TileA::bytes);
    };
    pipeline<STAGES>(steps, copy, [&](int stage) {
      if (!inside) return;
      const u32 ta = tiles + stage * stageBytes, tb = ta + TileA::bytes;
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
    });
    barrier();
  }

  // eachStrip passes the warp's results, 16 rows at a time, to use(row, strip, ld): strip
  // holds the rows of the tile from row on, as lines of ld floats in shared memory, so
  // that lines of c are read and written whole. All threads of the warp must call it,
  // after run.
  template <typename USE> MEMBER void eachStrip(unsigned char *buffer, USE use) {
    constexpr int ld = WN + 8;
    static_assert(threads / 32 * 16 * ld * 4 <= bytes, "room for a strip of each warp");
    float *strip = (float *)buffer + tidX() / 32 * 16 * ld;
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
      use(wm + i * 16, (const float *)strip, ld);
    }
  }
};

// ---- float32

// TileF is BK lines of WIDTH floats in shared memory, one for each k.
template <int BK, int WIDTH> struct TileF {
  static constexpr int ld = WIDTH + 4; // keeps lines aligned to 16 bytes and spreads them over the banks
  static constexpr int bytes = BK * ld * 4;

  // load starts the copy of width columns and depth k of an operand, whose lines run
  // along k if K is set, and otherwise across it.
  template <int THREADS, bool K> DEVICE void load(u32 tile, const float *src, i64 lds, int width, int depth) {
#pragma unroll 4
    for (int j = 0; j < BK * WIDTH / THREADS; j++) {
      const int i = j * THREADS + tidX(), q = K ? i % BK : i / WIDTH, w = K ? i / BK : i % WIDTH;
      const bool in = q < depth && w < width;
      copy4(tile + (q * ld + w) * 4, in ? src + (K ? w * lds + q : q * lds + w) : src, in ? 4 : 0);
    }
  }

  // loadPair is load of two operands whose lines run along k, with width columns each.
  // The first half of the tile comes from x, the second from y.
  template <int THREADS> DEVICE void loadPair(u32 tile, const float *x, const float *y, i64 lds, int width, int depth) {
#pragma unroll 4
    for (int j = 0; j < BK * WIDTH / THREADS; j++) {
      const int i = j * THREADS + tidX(), q = i % BK, w = i / BK % (WIDTH / 2);
      const float *src = i / BK < WIDTH / 2 ? x : y;
      const bool in = q < depth && w < width;
      copy4(tile + (q * ld + i / BK) * 4, in ? src + w * lds + q : src, in ? 4 : 0);
    }
  }
};

// ChainsF computes a tile [128, 64] of c in float32, each element by one chain
// of fma over k.
struct ChainsF {
  static constexpr int BM = 128, BN = 64, BK = 16, STAGES = 3, threads = 128;
  using TileA = TileF<BK, BM>;
  using TileB = TileF<BK, BN>;
  static constexpr int stageBytes = TileA::bytes + TileB::bytes, bytes = stageBytes * STAGES;

  float acc[8][8];

  // A warp has 32 rows. A thread has rows r and r+16, columns s and s+32, and the three
  // after each.
  DEVICE int r() { return tidX() / 32 * 32 + tidX() % 32 / 8 * 4; }
  DEVICE int s() { return tidX() % 8 * 4; }
  DEVICE int row(int i) { return r() + i / 4 * 16 + i % 4; }
  DEVICE int col(int j) { return s() + j / 4 * 32 + j % 4; }

  // run is as in Chains, but continues the chains from the values in acc.
  template <typename LOAD> MEMBER void run(unsigned char *buffer, int steps, bool inside, LOAD load) {
    const u32 tiles = sharedAddress(buffer);
    const auto copy = [&](int step, int stage) {
      const u32 to = tiles + stage * stageBytes;
      load(step, to, to + TileA::bytes);
    };
    pipeline<STAGES>(steps, copy, [&](int stage) {
      if (!inside) return;
      const float *ta = (const float *)(buffer + stage * stageBytes), *tb = (const float *)((const unsigned char *)ta + TileA::bytes);
#pragma unroll 4
      for (int q = 0; q < BK; q++) {
        float x[8], y[8];
        *(float4 *)x = load4(ta, q * TileA::ld + r());
        *(float4 *)(x + 4) = load4(ta, q * TileA::ld + r() + 16);
        *(float4 *)y = load4(tb, q * TileB::ld + s());
        *(float4 *)(y + 4) = load4(tb, q * TileB::ld + s() + 32);
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
          for (int j = 0; j < 8; j++) acc[i][j] = fma(x[i], y[j], acc[i][j]);
      }
    });
  }
};
