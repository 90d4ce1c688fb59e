// Attention forward, softmax(q·kᵀ/sqrt(size))·v, over tiles of keys, with the running
// maximum and sum of Milakov & Gimelshein 2018 (Dao et al. 2022). Tiles begin at
// multiples of their width, counted from the sequence's first key. A row's bits depend
// only on its query and its keys: a tile of which it sees nothing multiplies by 1 and
// adds 0.
#include "attention.cuh"

DEVICE bool anyNonFinite(u32 w) { return (w & 0x7f80) == 0x7f80 || (w & 0x7f800000) == 0x7f800000; }

// isolate prepares a tile of values of which some rows see only part. For keys that a
// row does not see, 0 times a value that is not finite would give NaN. If the tile holds
// such values, isolate replaces them by zeros, sets first[col] to the first line of one,
// and returns true.
template <typename TILE, int LINES, int SIZE> DEVICE bool isolate(u32 tile, unsigned char *base, int *flags, int *first) {
  int bad = 0;
#pragma unroll 1
  for (int i = tidX(); i < LINES * TILE::chunks; i += threads) {
    const uint4 w = *(const uint4 *)(base + TILE::at(i / TILE::chunks, i % TILE::chunks));
    bad |= anyNonFinite(w.x) || anyNonFinite(w.y) || anyNonFinite(w.z) || anyNonFinite(w.w);
  }
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) bad |= shuffleXor(bad, mask);
  if (tidX() % 32 == 0) flags[tidX() / 32] = bad;
  barrier();
  bad = 0;
#pragma unroll
  for (int w = 0; w < threads / 32; w++) bad |= flags[w];
  if (!bad) return false;
  for (int col = tidX(); col < SIZE; col += threads) {
    int seen = LINES;
#pragma unroll 1
    for (int l = LINES - 1; l >= 0; l--) {
      u16 *p = (u16 *)(base + TILE::at(l, col / 8)) + col % 8;
      if ((*p & 0x7f80) == 0x7f80) {
        *p = 0;
        seen = l;
      }
    }
    first[col] = seen;
  }
  barrier();
  return true;
}

// SIZE is the head size, padded with zeros; KEYS the width of a tile of keys.
template <int SIZE, int KEYS>
DEVICE void attention(void *dst, float2 *stats, const bf16 *q, const Task *tasks, const Segment<bf16> *segments, Shape s, float scale, int fast,
                      int half) {
  constexpr int ROWS = 64;
  using TileQ = Tile<ROWS, SIZE>;
  using TileK = Tile<KEYS, SIZE>;
  alignas(128) __shared__ unsigned char buffer[TileQ::bytes + 4 * TileK::bytes];
  const u32 tq = sharedAddress(buffer), stages = tq + TileQ::bytes;
  const Task t = tasks[ctaX()];
  const int kvHead = ctaY();
  const Rows rows(t, s, kvHead);
  const int lane = tidX() % 32, first = t.row + tidX() / 32 * 16, row = first + lane / 4; // the thread has rows row and row+8
  const int keys = rows.visible(t.row + ROWS - 1), steps = ceilDiv(keys, KEYS);

  Keys<bf16> walk(segments + t.segment, s, kvHead);
  auto load = [&](int step) {
    const u32 to = stages + step % 2 * 2 * TileK::bytes;
    const int key = step * KEYS, count = keys - key;
    const i64 at = walk.find(key);
    if (min(key + KEYS, keys) <= walk.at.end) { // all in one segment, the common case
      loadTile<TileK, KEYS>(to, s.size, q, fast, [&](int l) { return l < count ? walk.at.k + at + l * walk.step : nullptr; });
      loadTile<TileK, KEYS>(to + TileK::bytes, s.size, q, fast, [&](int l) { return l < count ? walk.at.v + at + l * walk.step : nullptr; });
    } else {
      Keys<bf16> forK = walk, forV = walk;
      loadTile<TileK, KEYS>(to, s.size, q, fast, [&](int l) -> const bf16 * {
        if (l >= count) return nullptr;
        const i64 i = forK.find(key + l);
        return forK.at.k + i;
      });
      loadTile<TileK, KEYS>(to + TileK::bytes, s.size, q, fast, [&](int l) -> const bf16 * {
        if (l >= count) return nullptr;
        const i64 i = forV.find(key + l);
        return forV.at.v + i;
      });
    }
    commitCopies();
  };
  loadRows<TileQ, ROWS>(tq, q, rows, t.row, fast);

  u32 fq[SIZE / 16][4];
  float acc[SIZE / 8][4];
#pragma unroll
  for (int j = 0; j < SIZE / 8; j++) acc[j][0] = acc[j][1] = acc[j][2] = acc[j][3] = 0.0f;
  float top[2] = {-infinity(), -infinity()}, sum[2] = {0.0f, 0.0f};
  const int visible[2] = {rows.visible(row), rows.visible(row + 8)};

#pragma unroll 1
  for (int step = -1; step < steps; step++) {
    waitCopies<0>();
    barrier();
    // The buffer of the previous step is free now.
    if (step + 1 < steps) load(step + 1);
    if (step < 0) continue;
    if (step == 0) {
#pragma unroll
      for (int i = 0; i < SIZE / 16; i++) TileQ::rowFragment(fq[i], tq, tidX() / 32 * 16, i * 2);
      barrier(); // isolate uses this memory
    }
    const int key = step * KEYS;
    const u32 tk = stages + step % 2 * 2 * TileK::bytes, tv = tk + TileK::bytes;
    const bool partial = key + KEYS > rows.visible(t.row);
    int *flags = (int *)buffer, *poison = flags + 4;
    bool poisoned = false;
    if (partial) poisoned = isolate<TileK, KEYS, SIZE>(tv, buffer + (tv - tq), flags, poison);
    if (first >= rows.count || key >= rows.visible(first + 15)) continue;

    float p[KEYS / 8][4];
#pragma unroll
    for (int j = 0; j < KEYS / 8; j++) p[j][0] = p[j][1] = p[j][2] = p[j][3] = 0.0f;
#pragma unroll
    for (int i = 0; i < SIZE / 16; i++)
#pragma unroll
      for (int j = 0; j < KEYS / 16; j++) {
        u32 b[4];
        TileK::colFragments(b, tk, j * 16, i * 2);
        multiply(p[2 * j], fq[i], b[0], b[1]);
        multiply(p[2 * j + 1], fq[i], b[2], b[3]);
      }
    if (partial) {
#pragma unroll
      for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (key + j * 8 + lane % 4 * 2 + e % 2 >= visible[e / 2]) p[j][e] = -infinity();
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
      float most = -infinity();
#pragma unroll
      for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
        for (int e = 0; e < 2; e++) {
          float &x = p[j][2 * r + e];
          x = x * scale;
          most = larger(x, most);
        }
      most = larger(shuffleXor(most, 1), most);
      most = larger(shuffleXor(most, 2), most);
      most = larger(most, top[r]);
      const float shrink = expScore(top[r] - most);
      top[r] = most;
      sum[r] = sum[r] * shrink;
#pragma unroll
      for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
        for (int e = 0; e < 2; e++) {
          float &x = p[j][2 * r + e];
          x = expScore(x - most);
          sum[r] = sum[r] + x;
        }
#pragma unroll
      for (int j = 0; j < SIZE / 8; j++) {
        acc[j][2 * r] = acc[j][2 * r] * shrink;
        acc[j][2 * r + 1] = acc[j][2 * r + 1] * shrink;
      }
    }
#pragma unroll
    for (int i = 0; i < KEYS / 16; i++) {
      const u32 a[4] = {packBF16(p[2 * i][0], p[2 * i][1]), packBF16(p[2 * i][2], p[2 * i][3]), packBF16(p[2 * i + 1][0], p[2 * i + 1][1]),
                        packBF16(p[2 * i + 1][2], p[2 * i + 1][3])};
#pragma unroll
      for (int j = 0; j < SIZE / 16; j++) {
        u32 b[4];
        TileK::colFragmentsT(b, tv, j * 2, i * 16);
        multiply(acc[2 * j], a, b[0], b[1]);
        multiply(acc[2 * j + 1], a, b[2], b[3]);
      }
    }
    if (poisoned) {
#pragma unroll
      for (int j = 0; j < SIZE / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (key + poison[j * 8 + lane % 4 * 2 + e % 2] < visible[e / 2]) acc[j][e] = __builtin_nanf("");
    }
  }

  if (first >= rows.count) return;
#pragma unroll
  for (int r = 0; r < 2; r++) {
    const int at = row + r * 8;
    float all = sum[r];
    all = all + shuffleXor(all, 1);
    all = all + shuffleXor(all, 2);
    if (at >= rows.count) continue;
    const i64 line = rows.line(at);
    if (stats && lane % 4 == 0) stats[line] = {top[r], all};
    const float inverse = 1.0f / all;
#pragma unroll
    for (int j = 0; j < SIZE / 8; j++)
      store2(dst, half, line, j * 8 + lane % 4 * 2, s.size, acc[j][2 * r] * inverse, acc[j][2 * r + 1] * inverse);
  }
}

#define ATTENTION(SIZE, KEYS)                                                                                                                        \
  KERNEL __launch_bounds__(threads, 2) attention_bf16_##SIZE(void *dst, float2 *stats, const bf16 *q, const Task *tasks,                             \
                                                             const Segment<bf16> *segments, int heads, int kvHeads, int size, float scale, int fast,  \
                                                             int half) {                                                                             \
    attention<SIZE, KEYS>(dst, stats, q, tasks, segments, {heads, kvHeads, size}, scale, fast, half);                                                \
  }
ATTENTION(32, 64)
ATTENTION(64, 64)
ATTENTION(128, 32)

// ---- float32: four threads share a row. Scores are chains over the head size. Results
// are chains over keys; each thread has every fourth group of four columns.

template <int SIZE>
DEVICE void attentionF(void *dst, float2 *stats, const float *q, const Task *tasks, const Segment<float> *segments, Shape s, float scale, int half) {
  constexpr int ROWS = 32, KEYS = 16, LD = SIZE + 4;
  alignas(16) __shared__ float tq[ROWS * LD], tk[KEYS * LD], tv[KEYS * SIZE], tp[ROWS * (KEYS + 1)];
  const Task t = tasks[ctaX()];
  const Rows rows(t, s, ctaY());
  const int r = tidX() / 4, part = tidX() % 4, row = t.row + r;
  const int keys = rows.visible(t.row + ROWS - 1), visible = rows.visible(row);

#pragma unroll 1
  for (int i = tidX(); i < ROWS * SIZE; i += threads) {
    const int l = i / SIZE, c = i % SIZE;
    tq[l * LD + c] = t.row + l < rows.count && c < s.size ? q[rows.line(t.row + l) * s.size + c] : 0.0f;
  }
  float acc[SIZE / 4];
#pragma unroll
  for (int c = 0; c < SIZE / 4; c++) acc[c] = 0.0f;
  float top = -infinity(), sum = 0.0f;
  Keys<float> walk(segments + t.segment, s, ctaY());
#pragma unroll 1
  for (int key = 0; key < keys; key += KEYS) {
    barrier();
#pragma unroll 1
    for (int i = tidX(); i < KEYS * SIZE; i += threads) {
      const int l = i / SIZE, c = i % SIZE;
      const bool in = key + l < keys && c < s.size;
      const i64 at = in ? walk.find(key + l) + c : 0;
      tk[l * LD + c] = in ? walk.at.k[at] : 0.0f;
      tv[l * SIZE + c] = in ? walk.at.v[at] : 0.0f;
    }
    barrier();
    float x[KEYS / 4] = {}, most = -infinity();
#pragma unroll 4
    for (int c = 0; c < SIZE; c += 4) {
      const float4 a = load4(tq, r * LD + c);
#pragma unroll
      for (int j = 0; j < KEYS / 4; j++) {
        const float4 b = load4(tk, (j * 4 + part) * LD + c);
        x[j] = fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, x[j]))));
      }
    }
#pragma unroll
    for (int j = 0; j < KEYS / 4; j++) {
      x[j] = key + j * 4 + part < visible ? x[j] * scale : -infinity();
      most = larger(x[j], most);
    }
    most = larger(shuffleXor(most, 1), most);
    most = larger(shuffleXor(most, 2), most);
    most = larger(most, top);
    const float shrink = exponential(top - most);
    top = most;
    sum = sum * shrink;
#pragma unroll
    for (int j = 0; j < KEYS / 4; j++) {
      const float e = exponential(x[j] - most);
      tp[r * (KEYS + 1) + j * 4 + part] = e;
      sum = sum + e;
    }
#pragma unroll
    for (int c = 0; c < SIZE / 4; c++) acc[c] = acc[c] * shrink;
    warpBarrier(); // a row's threads are in one warp
    const int seen = min(KEYS, visible - key);
#pragma unroll 1
    for (int j = 0; j < seen; j++) {
      const float e = tp[r * (KEYS + 1) + j];
#pragma unroll
      for (int c = 0; c < SIZE / 4; c += 4) {
        const float4 b = load4(tv, j * SIZE + c * 4 + part * 4);
        acc[c] = fma(e, b.x, acc[c]);
        acc[c + 1] = fma(e, b.y, acc[c + 1]);
        acc[c + 2] = fma(e, b.z, acc[c + 2]);
        acc[c + 3] = fma(e, b.w, acc[c + 3]);
      }
    }
  }
  sum = sum + shuffleXor(sum, 1);
  sum = sum + shuffleXor(sum, 2);
  if (row >= rows.count) return;
  const i64 line = rows.line(row);
  if (stats && part == 0) stats[line] = {top, sum};
#pragma unroll
  for (int c = 0; c < SIZE / 4; c += 2) store2(dst, half, line, c / 4 * 16 + part * 4 + c % 4, s.size, acc[c] / sum, acc[c + 1] / sum);
}

#define ATTENTION_F32(SIZE)                                                                                                                          \
  KERNEL __launch_bounds__(threads, 2) attention_f32_##SIZE(void *dst, float2 *stats, const float *q, const Task *tasks,                                \
                                                         const Segment<float> *segments, int heads, int kvHeads, int size, float scale, int fast,     \
                                                         int half) {                                                                                 \
    attentionF<SIZE>(dst, stats, q, tasks, segments, {heads, kvHeads, size}, scale, half);                                                           \
  }
ATTENTION_F32(32)
ATTENTION_F32(64)
ATTENTION_F32(128)
