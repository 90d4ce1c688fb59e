// The loss over rows of logits, and their gradient in place. A block has a row. Thread t
// takes elements 4t to 4t+3 of every 1,024 and keeps their maximum and the sum of
// exponentials relative to it. These pairs (maximum, sum) are joined lane by lane, then
// warp by warp. So a row's bits depend on the row alone.
#include "device.cuh"

constexpr int threads = 256;

// Partial holds the statistics of a part of a row.
struct Partial {
  float top, sum; // the largest logit, the sum of exp(logit - top)
  int best;       // the lowest index of the largest logit
};

// NaN is never the largest; it makes the sum NaN.
DEVICE void take(Partial &p, float4 x, int i, int n) {
  const float v[4] = {x.x, x.y, x.z, x.w};
  float top = p.top;
#pragma unroll
  for (int e = 0; e < 4; e++)
    if (i + e < n && v[e] > top) {
      top = v[e];
      p.best = i + e;
    }
  if (top > p.top) {
    p.sum = p.sum * exponential(p.top - top);
    p.top = top;
  }
#pragma unroll
  for (int e = 0; e < 4; e++)
    if (i + e < n) p.sum = p.sum + exponential(v[e] - p.top);
}

DEVICE Partial join(Partial a, Partial b) {
  const float top = a.top > b.top ? a.top : b.top;
  const int best = a.top == b.top ? min(a.best, b.best) : a.top > b.top ? a.best : b.best;
  return {top, a.sum * exponential(a.top - top) + b.sum * exponential(b.top - top), best};
}

// loss_rows writes (top, sum) and best of each row. Rows are ld apart, which must be a
// multiple of 4.
KERNEL __launch_bounds__(threads) loss_rows(float2 *stats, int *best, const float *logits, int n, int ld) {
  __shared__ Partial parts[threads / 32];
  const float *row = logits + (i64)ctaX() * ld;
  Partial p = {-0x1.fffffep127f, 0.0f, 0x7fffffff};
  for (int i = tidX() * 4; i < n; i += threads * 4) {
    float4 x = {0, 0, 0, 0};
    if (i + 4 <= n) {
      x = load4(row, i);
    } else {
      x.x = row[i];
      if (i + 1 < n) x.y = row[i + 1];
      if (i + 2 < n) x.z = row[i + 2];
    }
    take(p, x, i, n);
  }
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) p = join(p, {shuffleXor(p.top, mask), shuffleXor(p.sum, mask), shuffleXor(p.best, mask)});
  if (tidX() % 32 == 0) parts[tidX() / 32] = p;
  barrier();
  if (tidX() != 0) return;
  for (int w = 1; w < threads / 32; w++) p = join(p, parts[w]);
  stats[ctaX()] = {p.top, p.sum};
  best[ctaX()] = p.best < n ? p.best : 0;
}

// loss_pick copies the logit of each target from row rows[i] - first or, if rows is null,
// from row i.
KERNEL loss_pick(float *dst, const float *logits, const int *rows, const int *targets, int count, int first, int ld) {
  for (int i = ctaX() * dimX() + tidX(); i < count; i += gridX() * dimX()) {
    const int row = rows ? rows[i] - first : i;
    dst[i] = logits[(i64)row * ld + targets[i]];
  }
}

// loss_grad overwrites each row of logits x by (exp(x - top)/sum - [target]) * coef. In
// bf16, element i overwrites half of float i/2, which has been read already: each step
// reads 1,024 elements before it writes any of them.
KERNEL __launch_bounds__(threads) loss_grad(float *logits, const float2 *stats, const int *targets, const float *coef, int n, int ld, int half) {
  float *row = logits + (i64)ctaX() * ld;
  const float2 s = stats[ctaX()];
  const float c = coef[ctaX()];
  const int target = targets[ctaX()];
  for (int base = 0; base < n; base += threads * 4) {
    const int i = base + tidX() * 4;
    float v[4];
#pragma unroll
    for (int e = 0; e < 4; e++) v[e] = i + e < n ? row[i + e] : 0.0f;
#pragma unroll
    for (int e = 0; e < 4; e++) {
      const float p = exponential(v[e] - s.x) / s.y;
      v[e] = (i + e == target ? p - 1.0f : p) * c;
    }
    if (half) barrier();
#pragma unroll
    for (int e = 0; e < 4; e++) {
      if (i + e >= n) break;
      if (half)
        store((bf16 *)row, i + e, v[e]);
      else
        row[i + e] = v[e];
    }
  }
}
