// AdamW and the global gradient norm, with the bits of the CPU engine.
#include "device.cuh"

struct Block {
  const float *x;
  i64 n;
};

// sums[b] = the 16-lane tree of the squares of a block of at most 65,536
// elements, in float64: there squares are exact, so that fma adds them as they
// are. Half a warp has a block. All blocks of all tensors are one launch,
// because the chain of a block is long and few would leave the device idle.
KERNEL __launch_bounds__(32) sum_squares(double *sums, const Block *blocks, int count) {
  const int b = 2 * ctaX() + tidX() / lanes;
  const Block in = blocks[min(b, count - 1)];
  double sum = 0;
#pragma unroll 8
  for (i64 i = tidX() % lanes; i < in.n; i += lanes) sum = fma((double)in.x[i], (double)in.x[i], sum);
  sum = tree(sum);
  if (tidX() % lanes == 0 && b < count) sums[b] = sum;
}

struct Step {
  float scale, lrDecay, oneMinusBeta1, beta2, oneMinusBeta2, stepSize, sqrtBC2, eps;
};

template <int W> DEVICE void adamwBy(float *p, const float *g, float *m, float *v, bf16 *rounded, i64 n, const Step &h) {
  for (i64 i = W * ((i64)ctaX() * dimX() + tidX()); i < n; i += W * ((i64)gridX() * dimX())) {
    Values<W> a = get<W>(p, 0, i), b = get<W>(m, 0, i), c = get<W>(v, 0, i);
    const Values<W> d = get<W>(g, 0, i);
    for (int k = 0; k < W; k++) {
      const float gi = d.v[k] * h.scale, x = fma(-h.lrDecay, a.v[k], a.v[k]);
      b.v[k] = fma(h.oneMinusBeta1, gi - b.v[k], b.v[k]);
      c.v[k] = fma(h.oneMinusBeta2, gi * gi, h.beta2 * c.v[k]);
      a.v[k] = fma(-h.stepSize, b.v[k] / (sqrt(c.v[k]) / h.sqrtBC2 + h.eps), x);
    }
    put<W>(p, 0, i, a);
    put<W>(m, 0, i, b);
    put<W>(v, 0, i, c);
    if (rounded) put<W>(rounded, 1, i, a);
  }
}

// kernels.AdamW; wide as in elementwise.cu. rounded, unless it is null, becomes
// p in bf16, which the next step's products read.
KERNEL adamw(float *p, const float *g, float *m, float *v, bf16 *rounded, i64 n, float scale, float lrDecay, float oneMinusBeta1, float beta2,
             float oneMinusBeta2, float stepSize, float sqrtBC2, float eps, int wide) {
  const Step h = {scale, lrDecay, oneMinusBeta1, beta2, oneMinusBeta2, stepSize, sqrtBC2, eps};
  if (wide) adamwBy<4>(p, g, m, v, rounded, n, h);
  else adamwBy<1>(p, g, m, v, rounded, n, h);
}
