// What the attention kernels share: finding rows, keys and values in memory.
//
// The query heads of one key-value head are processed together, so that keys and values
// are read only once: packed row p of a sequence is query p / group of head p % group in
// the group. Query i sees the keys 0 to past+i.
#pragma once
#include "tensorcore.cuh"

constexpr int threads = 128;

// Task is the work of a block: the packed rows of one sequence from row on, whose keys are
// those of segments [segment, segment+segments) in order.
struct Task {
  int first, length, past, row, segment, segments;
};

// Segment holds keys and values [start, end) of a sequence. Lines of k and v hold all
// key-value heads.
template <typename T> struct Segment {
  const T *k, *v;
  int start, end;
};

struct Shape {
  int heads, kvHeads, size; // size of a head
  MEMBER int group() const { return heads / kvHeads; }
};

// Rows finds packed rows in memory.
struct Rows {
  Task t;
  Shape s;
  int group, head, count;
  u64 inverse; // 2^32/group rounded up: multiplied by it, p < 2^32/group is divided exactly
  MEMBER Rows(Task task, Shape shape, int kvHead)
      : t(task), s(shape), group(shape.group()), head(kvHead * shape.group()), count(task.length * shape.group()),
        inverse((u64)(0xffffffffu / (u32)shape.group()) + 1) {}
  MEMBER int query(int p) const { return (int)((u64)(u32)p * inverse >> 32); }
  // line returns the index of p among the [size] lines of a [T, heads*size] tensor.
  MEMBER i64 line(int p) const { return (i64)(t.first + query(p)) * s.heads + head + (p - query(p) * group); }
  // visible returns the number of keys that p sees.
  MEMBER int visible(int p) const { return t.past + min(query(p), t.length - 1) + 1; }
};

// Keys walks through the segments of a sequence. Keys must be looked up in ascending
// order.
template <typename T> struct Keys {
  const Segment<T> *next;
  Segment<T> at;
  i64 step;
  int head;
  MEMBER Keys(const Segment<T> *first, Shape s, int kvHead) : next(first + 1), at(*first), step((i64)s.kvHeads * s.size), head(kvHead * s.size) {}
  // find returns the offset of a key in at.k and at.v.
  MEMBER i64 find(int key) {
    while (key >= at.end) at = *next++;
    return (key - at.start) * step + head;
  }
};

// loadTile starts the copy of LINES lines of size elements. The rest of each line, and
// lines that are null, become zero. line(l) is called in ascending order. Unless fast is
// set, lines need not be aligned to 16 bytes and are copied synchronously.
template <typename TILE, int LINES, typename LINE> DEVICE void loadTile(u32 tile, int size, const bf16 *any, int fast, LINE line) {
  constexpr int copies = LINES * TILE::chunks / threads;
  if (fast) {
#pragma unroll
    for (int j = 0; j < copies; j++) {
      const int i = j * threads + tidX(), l = i / TILE::chunks, chunk = i % TILE::chunks;
      const bf16 *p = line(l);
      const int n = p ? max(0, min(8, size - chunk * 8)) : 0;
      copy16(tile + TILE::at(l, chunk), n > 0 ? p + chunk * 8 : any, n * 2);
    }
    return;
  }
#pragma unroll 1
  for (int j = 0; j < copies; j++) {
    const int i = j * threads + tidX(), l = i / TILE::chunks, chunk = i % TILE::chunks;
    const bf16 *p = line(l);
    const int n = p ? size - chunk * 8 : 0;
    u32 w[4] = {0, 0, 0, 0};
#pragma unroll
    for (int e = 0; e < 8; e++)
      if (e < n) w[e / 2] |= (u32)p[chunk * 8 + e].u << (e % 2 * 16);
    storeShared(tile + TILE::at(l, chunk), w[0], w[1], w[2], w[3]);
  }
}

// loadRows starts the copy of the packed rows of x from p on.
template <typename TILE, int LINES> DEVICE void loadRows(u32 tile, const bf16 *x, const Rows &rows, int p, int fast) {
  loadTile<TILE, LINES>(tile, rows.s.size, x, fast, [&](int l) { return p + l < rows.count ? x + rows.line(p + l) * rows.s.size : nullptr; });
}

DEVICE float infinity() { return __builtin_inff(); }
// larger returns b if a is NaN.
DEVICE float larger(float a, float b) { return a > b ? a : b; }

// expScore is e^x for the scores of bf16 attention, computed as a power of two. Its error
// of 2^-21.7 is small beside the 2^-9 to which p is rounded, and it takes a fifth of the
// instructions of exponential, which were more than the tensor cores leave time for.
DEVICE float expScore(float x) { return powerOf2(x * 0x1.715476p+0f); }

// store2 stores elements [col, col+1] of a line of size elements.
DEVICE void store2(void *dst, int half, i64 line, int col, int size, float a, float b) {
  const i64 i = line * size + col;
  if (col + 1 < size && size % 2 == 0) {
    if (half)
      *(u32 *)((bf16 *)dst + i) = packBF16(a, b);
    else
      *(float2 *)((float *)dst + i) = {a, b};
    return;
  }
  if (col < size) half ? store((bf16 *)dst, i, a) : store((float *)dst, i, a);
  if (col + 1 < size) half ? store((bf16 *)dst, i + 1, b) : store((float *)dst, i + 1, b);
}
