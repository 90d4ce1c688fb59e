// Attention backward (Dao 2023). The scores are recomputed from the statistics of the
// forward pass: once for dq, by blocks of rows, and once for dk and dv, by blocks of keys
// for each query head. attention_heads then adds dk and dv over the heads of a group. So
// no two blocks add to the same element, and each sum has a fixed order: keys ascending,
// or queries ascending and then heads.
//
//	p  = exp(qk*scale - top) * (1/sum)       ds = ((dout·v - delta) * p) * scale
//
// with delta = dout·out. In bf16, p and ds are rounded when used as operands.
#include "attention.cuh"

alignas(128) extern __shared__ unsigned char dynamic[];

// Row holds what the backward pass needs of a packed row.
struct alignas(16) Row {
  float top, inverse, delta, unused;
};

// attention_rows writes the Row of each of n lines. Half a warp computes a line.
template <typename D, typename O> DEVICE void attentionRows(Row *rows, const float2 *stats, const D *dout, const O *out, int n, int size) {
  const int line = ctaX() * (threads / lanes) + tidX() / lanes;
  float sum = 0.0f;
  if (line < n)
    for (int c = tidX() % lanes; c < size; c += lanes) sum = sum + load(dout, (i64)line * size + c) * load(out, (i64)line * size + c);
  sum = tree(sum);
  if (line >= n || tidX() % lanes != 0) return;
  const float2 s = stats[line];
  rows[line] = {s.x, 1.0f / s.y, sum, 0.0f};
}
#define ATTENTION_ROWS(D, O)                                                                                                                         \
  KERNEL attention_rows_##D##_##O(Row *rows, const float2 *stats, const D *dout, const O *out, int n, int size) {                                    \
    attentionRows(rows, stats, dout, out, n, size);                                                                                                  \
  }
typedef float f32;
ATTENTION_ROWS(f32, f32)
ATTENTION_ROWS(f32, bf16)
ATTENTION_ROWS(bf16, f32)
ATTENTION_ROWS(bf16, bf16)

// accumulate sets acc [16, SIZE] += a [16, 16] · lines [16, SIZE] of a tile.
template <typename TILE, int SIZE> DEVICE void accumulate(float (&acc)[SIZE / 8][4], const u32 (&a)[4], u32 tile, int line) {
#pragma unroll
  for (int j = 0; j < SIZE / 16; j++) {
    u32 b[4];
    TILE::colFragmentsT(b, tile, j * 2, line);
    multiply(acc[2 * j], a, b[0], b[1]);
    multiply(acc[2 * j + 1], a, b[2], b[3]);
  }
}

// scores sets x [16, N] = lines from a of tile ta · lines of tile tb, over SIZE.
template <typename TA, typename TB, int N, int SIZE> DEVICE void scores(float (&x)[N / 8][4], u32 ta, int a, u32 tb) {
#pragma unroll
  for (int j = 0; j < N / 8; j++) x[j][0] = x[j][1] = x[j][2] = x[j][3] = 0.0f;
#pragma unroll 4
  for (int i = 0; i < SIZE / 16; i++) {
    u32 f[4];
    TA::rowFragment(f, ta, a, i * 2);
#pragma unroll
    for (int j = 0; j < N / 16; j++) {
      u32 b[4];
      TB::colFragments(b, tb, j * 16, i * 2);
      multiply(x[2 * j], f, b[0], b[1]);
      multiply(x[2 * j + 1], f, b[2], b[3]);
    }
  }
}

// rowOperand rounds the i-th [16, 16] block of x to an operand.
template <int N> DEVICE void rowOperand(u32 (&a)[4], const float (&x)[N][4], int i) {
  a[0] = packBF16(x[2 * i][0], x[2 * i][1]);
  a[1] = packBF16(x[2 * i][2], x[2 * i][3]);
  a[2] = packBF16(x[2 * i + 1][0], x[2 * i + 1][1]);
  a[3] = packBF16(x[2 * i + 1][2], x[2 * i + 1][3]);
}

// storeStrip stores the [16, SIZE] of a warp. Its line l goes to line(l), unless that is
// negative.
template <int SIZE, typename LINE> DEVICE void storeStrip(float *dst, const float (&acc)[SIZE / 8][4], int size, LINE line) {
#pragma unroll
  for (int r = 0; r < 2; r++) {
    const i64 l = line(tidX() % 32 / 4 + r * 8);
    if (l < 0) continue;
#pragma unroll
    for (int j = 0; j < SIZE / 8; j++) store2(dst, 0, l, j * 8 + tidX() % 4 * 2, size, acc[j][2 * r], acc[j][2 * r + 1]);
  }
}

// Queries finds the rows of one query head, for blocks of keys: head ctaY in the group of
// key-value head ctaZ, which has gridY heads.
struct Queries {
  i64 first;
  int heads;
  MEMBER Queries(const Task &t, const Shape &s) : first((i64)t.first * s.heads + ctaZ() * gridY() + ctaY()), heads(s.heads) {}
  MEMBER i64 line(int p) const { return first + (i64)p * heads; }
};

constexpr int strip = 64; // rows or keys of a block, 16 per warp
constexpr int step = 32;  // keys or rows that these are multiplied with at once

// attention_dq: a block has 64 packed rows and loops over their keys.
template <int SIZE>
DEVICE void gradQueries(float *dq, const bf16 *q, const bf16 *k, const bf16 *v, const bf16 *dout, const Row *info, const Task *tasks, Shape s,
                        float scale, int fast) {
  using TileQ = Tile<strip, SIZE>;
  using TileK = Tile<step, SIZE>;
  const u32 tq = sharedAddress(dynamic), td = tq + TileQ::bytes, stages = td + TileQ::bytes;
  const Task t = tasks[ctaX()];
  const int kvHead = ctaY();
  const Rows rows(t, s, kvHead);
  const int lane = tidX() % 32, strip0 = tidX() / 32 * 16, first = t.row + strip0, row = first + lane / 4;
  const int keys = rows.visible(t.row + strip - 1), steps = ceilDiv(keys, step);

  loadRows<TileQ, strip>(tq, q, rows, t.row, fast);
  loadRows<TileQ, strip>(td, dout, rows, t.row, fast);
  auto load = [&](int i) {
    const u32 to = stages + i % 2 * 2 * TileK::bytes;
    const int count = keys - i * step;
    const i64 at = ((i64)(t.first + i * step) * s.kvHeads + kvHead) * s.size, ld = (i64)s.kvHeads * s.size;
    loadTile<TileK, step>(to, s.size, k, fast, [&](int l) { return l < count ? k + at + l * ld : nullptr; });
    loadTile<TileK, step>(to + TileK::bytes, s.size, v, fast, [&](int l) { return l < count ? v + at + l * ld : nullptr; });
    commitCopies();
  };
  float acc[SIZE / 8][4];
#pragma unroll
  for (int j = 0; j < SIZE / 8; j++) acc[j][0] = acc[j][1] = acc[j][2] = acc[j][3] = 0.0f;
  Row of[2];
  int visible[2];
#pragma unroll
  for (int r = 0; r < 2; r++) {
    const bool in = row + r * 8 < rows.count;
    of[r] = {0, 0, 0, 0};
    if (in) of[r] = info[rows.line(row + r * 8)];
    visible[r] = in ? rows.visible(row + r * 8) : 0;
  }
#pragma unroll 1
  for (int i = -1; i < steps; i++) {
    waitCopies<0>();
    barrier();
    if (i + 1 < steps) load(i + 1);
    const int key = i * step;
    if (i < 0 || first >= rows.count || key >= rows.visible(first + 15)) continue;
    const u32 tk = stages + i % 2 * 2 * TileK::bytes, tv = tk + TileK::bytes;
    float p[step / 8][4], ds[step / 8][4];
    scores<TileQ, TileK, step, SIZE>(p, tq, strip0, tk);
    scores<TileQ, TileK, step, SIZE>(ds, td, strip0, tv);
#pragma unroll
    for (int j = 0; j < step / 8; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const Row &o = of[e / 2];
        const float x = expScore(p[j][e] * scale - o.top) * o.inverse;
        const float d = ((ds[j][e] - o.delta) * x) * scale;
        ds[j][e] = key + j * 8 + lane % 4 * 2 + e % 2 < visible[e / 2] ? d : 0.0f;
      }
#pragma unroll
    for (int j = 0; j < step / 16; j++) {
      u32 a[4];
      rowOperand(a, ds, j);
      accumulate<TileK, SIZE>(acc, a, tk, j * 16);
    }
  }
  storeStrip<SIZE>(dq, acc, s.size, [&](int l) { return first + l < rows.count ? rows.line(first + l) : -1; });
}

// attention_dkv: a block has 64 keys, from t.row, and loops over the queries of one head
// that see them. Its sums go to that head's lines of [T, heads*size].
template <int SIZE>
DEVICE void gradKeys(float *dk, float *dv, const bf16 *q, const bf16 *k, const bf16 *v, const bf16 *dout, const Row *info, const Task *tasks, Shape s,
                     float scale, int fast) {
  using TileK = Tile<strip, SIZE>;
  using TileQ = Tile<step, SIZE>;
  constexpr int stageBytes = 2 * TileQ::bytes + step * sizeof(Row);
  const u32 tk = sharedAddress(dynamic), tv = tk + TileK::bytes, stages = tv + TileK::bytes;
  const Task t = tasks[ctaX()];
  const Queries queries(t, s);
  const int lane = tidX() % 32, strip0 = tidX() / 32 * 16, key = t.row + strip0 + lane / 4; // the thread has key and key+8
  const i64 keyLine = (i64)(t.first + t.row) * s.kvHeads + ctaZ(), ld = (i64)s.kvHeads * s.size;
  const int count = t.length - t.row; // number of keys
  const int from = t.row / step, to = ceilDiv(t.length, step);

  loadTile<TileK, strip>(tk, s.size, k, fast, [&](int l) { return l < count ? k + keyLine * s.size + l * ld : nullptr; });
  loadTile<TileK, strip>(tv, s.size, v, fast, [&](int l) { return l < count ? v + keyLine * s.size + l * ld : nullptr; });
  auto load = [&](int i) {
    const u32 at = stages + i % 2 * stageBytes;
    const int left = t.length - i * step;
    const i64 line = queries.line(i * step);
    loadTile<TileQ, step>(at, s.size, q, fast, [&](int l) { return l < left ? q + (line + l * s.heads) * s.size : nullptr; });
    loadTile<TileQ, step>(at + TileQ::bytes, s.size, dout, fast, [&](int l) { return l < left ? dout + (line + l * s.heads) * s.size : nullptr; });
    if (tidX() < step)
      copy16(at + 2 * TileQ::bytes + tidX() * sizeof(Row), tidX() < left ? info + line + tidX() * s.heads : info, tidX() < left ? 16 : 0);
    commitCopies();
  };
  float gk[SIZE / 8][4], gv[SIZE / 8][4];
#pragma unroll
  for (int j = 0; j < SIZE / 8; j++)
#pragma unroll
    for (int e = 0; e < 4; e++) gk[j][e] = gv[j][e] = 0.0f;
#pragma unroll 1
  for (int i = from - 1; i < to; i++) {
    waitCopies<0>();
    barrier();
    if (i + 1 < to) load(i + 1);
    if (i < from || strip0 >= count || i * step + step <= t.row + strip0) continue;
    const u32 stage = i % 2 * stageBytes, tq = stages + stage, td = tq + TileQ::bytes;
    const Row *of = (const Row *)(dynamic + 2 * TileK::bytes + stage + 2 * TileQ::bytes);
    float p[step / 8][4], ds[step / 8][4];
    scores<TileK, TileQ, step, SIZE>(p, tk, strip0, tq);
    scores<TileK, TileQ, step, SIZE>(ds, tv, strip0, td);
#pragma unroll
    for (int j = 0; j < step / 8; j++)
#pragma unroll
      for (int c = 0; c < 2; c++) {
        const int l = j * 8 + lane % 4 * 2 + c, at = i * step + l;
        const Row o = of[l];
#pragma unroll
        for (int e = c; e < 4; e += 2) {
          const bool seen = at < t.length && key + e / 2 * 8 <= at;
          const float x = expScore(p[j][e] * scale - o.top) * o.inverse;
          const float d = ((ds[j][e] - o.delta) * x) * scale;
          p[j][e] = seen ? x : 0.0f;
          ds[j][e] = seen ? d : 0.0f;
        }
      }
#pragma unroll
    for (int j = 0; j < step / 16; j++) {
      u32 a[4];
      rowOperand(a, p, j);
      accumulate<TileQ, SIZE>(gv, a, td, j * 16);
      rowOperand(a, ds, j);
      accumulate<TileQ, SIZE>(gk, a, tq, j * 16);
    }
  }
  auto line = [&](int l) { return strip0 + l < count ? queries.line(t.row + strip0 + l) : -1; };
  storeStrip<SIZE>(dk, gk, s.size, line);
  storeStrip<SIZE>(dv, gv, s.size, line);
}

#define GRADS(SIZE)                                                                                                                                  \
  KERNEL __launch_bounds__(threads, 2) attention_dq_bf16_##SIZE(float *dq, const bf16 *q, const bf16 *k, const bf16 *v, const bf16 *dout,            \
                                                                const Row *info, const Task *tasks, int heads, int kvHeads, int size, float scale,    \
                                                                int fast) {                                                                          \
    gradQueries<SIZE>(dq, q, k, v, dout, info, tasks, {heads, kvHeads, size}, scale, fast);                                                          \
  }                                                                                                                                                  \
  KERNEL __launch_bounds__(threads, 2) attention_dkv_bf16_##SIZE(float *dk, float *dv, const bf16 *q, const bf16 *k, const bf16 *v, const bf16 *dout, \
                                                                 const Row *info, const Task *tasks, int heads, int kvHeads, int size, float scale,   \
                                                                 int fast) {                                                                         \
    gradKeys<SIZE>(dk, dv, q, k, v, dout, info, tasks, {heads, kvHeads, size}, scale, fast);                                                         \
  }
GRADS(32)
GRADS(64)
GRADS(128)

// ---- float32: four threads share a row or a key. A block has 32 of them, and multiplies
// them with 16 keys or rows at once.

constexpr int own = 32, met = 16;

// loadF copies lines of size floats, SIZE wide, to shared memory.
template <int LINES, int SIZE, typename LINE> DEVICE void loadF(float *tile, const float *src, int size, LINE line) {
#pragma unroll 1
  for (int i = tidX(); i < LINES * SIZE; i += threads) {
    const int l = i / SIZE, c = i % SIZE;
    const i64 at = line(l);
    tile[l * (SIZE + 4) + c] = at >= 0 && c < size ? src[at * size + c] : 0.0f;
  }
}

// dots sets x[j] to the chain over SIZE of line a of ta and line 4j+part of tb.
template <int SIZE> DEVICE void dots(float (&x)[met / 4], const float *ta, int a, const float *tb) {
  constexpr int LD = SIZE + 4;
#pragma unroll
  for (int j = 0; j < met / 4; j++) x[j] = 0.0f;
#pragma unroll 4
  for (int c = 0; c < SIZE; c += 4) {
    const float4 u = load4(ta, a * LD + c);
#pragma unroll
    for (int j = 0; j < met / 4; j++) {
      const float4 w = load4(tb, (j * 4 + tidX() % 4) * LD + c);
      x[j] = fma(u.w, w.w, fma(u.z, w.z, fma(u.y, w.y, fma(u.x, w.x, x[j]))));
    }
  }
}

// addLine adds a times a line of a tile to acc; a thread has every fourth group of four.
template <int SIZE> DEVICE void addLine(float (&acc)[SIZE / 4], float a, const float *tile, int line) {
#pragma unroll
  for (int c = 0; c < SIZE / 4; c += 4) {
    const float4 w = load4(tile, line * (SIZE + 4) + c * 4 + tidX() % 4 * 4);
    acc[c] = fma(a, w.x, acc[c]);
    acc[c + 1] = fma(a, w.y, acc[c + 1]);
    acc[c + 2] = fma(a, w.z, acc[c + 2]);
    acc[c + 3] = fma(a, w.w, acc[c + 3]);
  }
}

template <int SIZE> DEVICE void storeLine(float *dst, const float (&acc)[SIZE / 4], i64 line, int size) {
#pragma unroll
  for (int c = 0; c < SIZE / 4; c += 2) store2(dst, 0, line, c / 4 * 16 + tidX() % 4 * 4 + c % 4, size, acc[c], acc[c + 1]);
}

template <int SIZE>
DEVICE void gradQueriesF(float *dq, const float *q, const float *k, const float *v, const float *dout, const Row *info, const Task *tasks, Shape s,
                         float scale) {
  constexpr int LD = SIZE + 4;
  float *tq = (float *)dynamic, *td = tq + own * LD, *tk = td + own * LD, *tv = tk + met * LD, *grads = tv + met * LD;
  const Task t = tasks[ctaX()];
  const int kvHead = ctaY();
  const Rows rows(t, s, kvHead);
  const int r = tidX() / 4, row = t.row + r;
  const int keys = rows.visible(t.row + own - 1), visible = rows.visible(row);
  auto rowLine = [&](int l) -> i64 { return t.row + l < rows.count ? rows.line(t.row + l) : -1; };
  loadF<own, SIZE>(tq, q, s.size, rowLine);
  loadF<own, SIZE>(td, dout, s.size, rowLine);
  Row o = {0, 0, 0, 0};
  if (row < rows.count) o = info[rows.line(row)];
  float acc[SIZE / 4] = {};
#pragma unroll 1
  for (int key = 0; key < keys; key += met) {
    barrier();
    auto keyLine = [&](int l) -> i64 { return key + l < keys ? (i64)(t.first + key + l) * s.kvHeads + kvHead : -1; };
    loadF<met, SIZE>(tk, k, s.size, keyLine);
    loadF<met, SIZE>(tv, v, s.size, keyLine);
    barrier();
    float x[met / 4], d[met / 4];
    dots<SIZE>(x, tq, r, tk);
    dots<SIZE>(d, td, r, tv);
#pragma unroll
    for (int j = 0; j < met / 4; j++) {
      const float p = exponential(x[j] * scale - o.top) * o.inverse;
      grads[r * (met + 1) + j * 4 + tidX() % 4] = ((d[j] - o.delta) * p) * scale;
    }
    warpBarrier(); // a row's threads are in one warp
#pragma unroll 1
    for (int j = 0; j < min(met, visible - key); j++) addLine<SIZE>(acc, grads[r * (met + 1) + j], tk, j);
  }
  if (row < rows.count) storeLine<SIZE>(dq, acc, rows.line(row), s.size);
}

template <int SIZE>
DEVICE void gradKeysF(float *dk, float *dv, const float *q, const float *k, const float *v, const float *dout, const Row *info, const Task *tasks,
                      Shape s, float scale) {
  constexpr int LD = SIZE + 4;
  float *tk = (float *)dynamic, *tv = tk + own * LD, *tq = tv + own * LD, *td = tq + met * LD, *grads = td + met * LD, *probs = grads + own * (met + 1);
  const Task t = tasks[ctaX()];
  const Queries queries(t, s);
  const int r = tidX() / 4, key = t.row + r;
  auto keyLine = [&](int l) -> i64 { return t.row + l < t.length ? (i64)(t.first + t.row + l) * s.kvHeads + ctaZ() : -1; };
  loadF<own, SIZE>(tk, k, s.size, keyLine);
  loadF<own, SIZE>(tv, v, s.size, keyLine);
  float gk[SIZE / 4] = {}, gv[SIZE / 4] = {};
#pragma unroll 1
  for (int first = t.row / met * met; first < t.length; first += met) {
    barrier();
    auto rowLine = [&](int l) -> i64 { return first + l < t.length ? queries.line(first + l) : -1; };
    loadF<met, SIZE>(tq, q, s.size, rowLine);
    loadF<met, SIZE>(td, dout, s.size, rowLine);
    barrier();
    float x[met / 4], d[met / 4];
    dots<SIZE>(x, tk, r, tq);
    dots<SIZE>(d, tv, r, td);
#pragma unroll
    for (int j = 0; j < met / 4; j++) {
      const int l = j * 4 + tidX() % 4;
      Row o = {0, 0, 0, 0};
      if (first + l < t.length) o = info[queries.line(first + l)];
      const float p = exponential(x[j] * scale - o.top) * o.inverse;
      probs[r * (met + 1) + l] = p;
      grads[r * (met + 1) + l] = ((d[j] - o.delta) * p) * scale;
    }
    warpBarrier();
#pragma unroll 1
    for (int j = max(0, key - first); j < min(met, t.length - first); j++) {
      addLine<SIZE>(gv, probs[r * (met + 1) + j], td, j);
      addLine<SIZE>(gk, grads[r * (met + 1) + j], tq, j);
    }
  }
  if (key >= t.length) return;
  storeLine<SIZE>(dk, gk, queries.line(key), s.size);
  storeLine<SIZE>(dv, gv, queries.line(key), s.size);
}

#define GRADS_F32(SIZE)                                                                                                                              \
  KERNEL __launch_bounds__(threads, 2) attention_dq_f32_##SIZE(float *dq, const float *q, const float *k, const float *v, const float *dout,          \
                                                               const Row *info, const Task *tasks, int heads, int kvHeads, int size, float scale,     \
                                                               int fast) {                                                                           \
    gradQueriesF<SIZE>(dq, q, k, v, dout, info, tasks, {heads, kvHeads, size}, scale);                                                               \
  }                                                                                                                                                  \
  KERNEL __launch_bounds__(threads, 2) attention_dkv_f32_##SIZE(float *dk, float *dv, const float *q, const float *k, const float *v,                 \
                                                                const float *dout, const Row *info, const Task *tasks, int heads, int kvHeads,        \
                                                                int size, float scale, int fast) {                                                   \
    gradKeysF<SIZE>(dk, dv, q, k, v, dout, info, tasks, {heads, kvHeads, size}, scale);                                                              \
  }
GRADS_F32(32)
GRADS_F32(64)
GRADS_F32(128)

// ---- Sums over the heads of a group

template <int W> DEVICE void addHeads(float *sums, const float *parts, const Task &t, Shape s, int keys) {
  constexpr int many = 8; // heads loaded at once
  const int group = s.group(), n = min(keys, t.length - t.row) * s.size;
  for (int i = W * tidX(); i < n; i += W * dimX()) {
    const int c = i % s.size;
    const i64 line = (i64)(t.first + t.row + i / s.size) * s.kvHeads + ctaY(); // parts has group lines for each
    Values<W> none, x[many];
#pragma unroll
    for (int k = 0; k < W; k++) none.v[k] = -0.0f; // changes no sum
    Values<W> sum = none;
    for (int h = 0; h < group; h += many) {
#pragma unroll
      for (int j = 0; j < many; j++) {
        x[j] = none;
        if (h + j < group) x[j] = get<W>(parts, 0, (line * group + h + j) * s.size + c);
      }
#pragma unroll
      for (int j = 0; j < many; j++)
#pragma unroll
        for (int k = 0; k < W; k++) sum.v[k] = sum.v[k] + x[j].v[k];
    }
    put<W>(sums, 0, line * s.size + c, sum);
  }
}

// attention_heads adds the results of attention_dkv over the query heads of a group, in
// the order of heads: for the keys of task ctaX and key-value head ctaY, to dk or, if
// ctaZ is 1, to dv. wide is as in elementwise.cu.
KERNEL attention_heads(float *dk, float *dv, const float *partsK, const float *partsV, const Task *tasks, int heads, int kvHeads, int size, int keys,
                       int wide) {
  float *sums = ctaZ() ? dv : dk;
  const float *parts = ctaZ() ? partsV : partsK;
  if (wide) addHeads<4>(sums, parts, tasks[ctaX()], {heads, kvHeads, size}, keys);
  else addHeads<1>(sums, parts, tasks[ctaX()], {heads, kvHeads, size}, keys);
}
