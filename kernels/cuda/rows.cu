// Copying and adding rows, with the bits of the CPU engine. A block has one row of the
// destination. A tensor is a pointer and a type (0: f32, 1: bf16). wide means that cols is
// a multiple of 4 and all tensors are aligned to four elements, which are then processed
// at once.
#include "device.cuh"

#define FOR_COLUMNS(W, c, cols) for (int c = W * tidX(); c < (cols); c += W * dimX())

template <int W>
DEVICE void gatherBy(void *dst, int dstType, const void *src, int srcType, const int *rows, int cols, int roundTo) {
  const i64 to = (i64)ctaX() * cols, from = (i64)rows[ctaX()] * cols;
  FOR_COLUMNS(W, c, cols) {
    Values<W> x = {};
    if (from >= 0) x = get<W>(src, srcType, from + c);
    if (roundTo) {
      for (int k = 0; k < W; k++) x.v[k] = fromBits((u32)roundBF16(x.v[k]) << 16);
    }
    put<W>(dst, dstType, to + c, x);
  }
}

// dst[i] = src[rows[i]], or zeros if rows[i] is negative. If roundTo is set, values are
// rounded to bf16 whatever the type of dst.
KERNEL gather(void *dst, int dstType, const void *src, int srcType, const int *rows, int cols, int roundTo, int wide) {
  if (wide) gatherBy<4>(dst, dstType, src, srcType, rows, cols, roundTo);
  else gatherBy<1>(dst, dstType, src, srcType, rows, cols, roundTo);
}

template <int W> DEVICE void addRowsBy(float *dst, const float *rows, const int *ids, int cols) {
  const i64 to = (i64)ids[ctaX()] * cols, from = (i64)ctaX() * cols;
  FOR_COLUMNS(W, c, cols) {
    Values<W> a = get<W>(dst, 0, to + c), b = get<W>(rows, 0, from + c);
    for (int k = 0; k < W; k++) a.v[k] = a.v[k] + b.v[k];
    put<W>(dst, 0, to + c, a);
  }
}

// dst[ids[i]] += rows[i]; ids are distinct.
KERNEL add_rows(float *dst, const float *rows, const int *ids, int cols, int wide) {
  if (wide) addRowsBy<4>(dst, rows, ids, cols);
  else addRowsBy<1>(dst, rows, ids, cols);
}

template <int W>
DEVICE void embedGradBy(float *rows, const float *d, const int *slots, const int *starts, const int *tokens, int cols, int carry) {
  const i64 to = (i64)slots[ctaX()] * cols;
  const int lo = starts[ctaX()], hi = starts[ctaX() + 1];
  FOR_COLUMNS(W, c, cols) {
    Values<W> sum = {};
    if (carry) sum = get<W>(rows, 0, to + c);
    for (int t = lo; t < hi; t++) {
      const Values<W> x = get<W>(d, 0, (i64)tokens[t] * cols + c);
      for (int k = 0; k < W; k++) sum.v[k] = sum.v[k] + x.v[k];
    }
    put<W>(rows, 0, to + c, sum);
  }
}

// Row slots[i] of the gradient becomes or, with carry, is increased by the sum of d over
// tokens[starts[i]] to tokens[starts[i+1]-1], which ascend. It is one chain of additions,
// so the order of threads does not matter.
KERNEL embed_grad(float *rows, const float *d, const int *slots, const int *starts, const int *tokens, int cols, int carry, int wide) {
  if (wide) embedGradBy<4>(rows, d, slots, starts, tokens, cols, carry);
  else embedGradBy<1>(rows, d, slots, starts, tokens, cols, carry);
}

template <int W>
DEVICE void rotaryBy(void *dst, int dstType, const void *src, int srcType, const float *cos, const float *sin,
                     const int *positions, int cols, int half, float sign) {
  const i64 row = (i64)ctaX() * cols, angle = (i64)positions[ctaX()] * half;
  const int groups = half / W;
  for (int g = tidX(); g < cols / 2 / W; g += dimX()) {
    const int head = g / groups, j = W * (g % groups);
    const i64 at = row + (i64)head * 2 * half + j;
    Values<W> a = get<W>(src, srcType, at), b = get<W>(src, srcType, at + half);
    const Values<W> c = get<W>(cos, 0, angle + j), s = get<W>(sin, 0, angle + j);
    for (int k = 0; k < W; k++) {
      const float x = a.v[k], y = b.v[k], t = sign * s.v[k];
      a.v[k] = x * c.v[k] - y * t;
      b.v[k] = y * c.v[k] + x * t;
    }
    put<W>(dst, dstType, at, a);
    put<W>(dst, dstType, at + half, b);
  }
}

// Rotates each head of 2*half columns by the angles of its row's position; sign -1
// rotates back. dst may be src. With wide, half is a multiple of 4 too.
KERNEL rotary(void *dst, int dstType, const void *src, int srcType, const float *cos, const float *sin,
              const int *positions, int cols, int half, float sign, int wide) {
  if (wide) rotaryBy<4>(dst, dstType, src, srcType, cos, sin, positions, cols, half, sign);
  else rotaryBy<1>(dst, dstType, src, srcType, cos, sin, positions, cols, half, sign);
}
