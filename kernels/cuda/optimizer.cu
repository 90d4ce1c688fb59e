// AdamW and the global gradient norm, with the bits of the CPU engine.
#include "device.cuh"

// sumBlock is the number of elements of a block of SumSquares, a constant of
// the numeric contract.
constexpr int sumBlock = 65536;

// sums[b] = the 16-lane tree of the squares of elements [b*sumBlock,
// (b+1)*sumBlock), in float64: there squares are exact, so that fma adds them
// as they are. A warp has two blocks.
KERNEL __launch_bounds__(32) sum_squares(double *sums, const float *x, i64 n) {
  const i64 block = 2 * (i64)ctaX() + tidX() / lanes;
  const i64 end = min(n, (block + 1) * sumBlock);
  double sum = 0;
#pragma unroll 8
  for (i64 i = block * sumBlock + tidX() % lanes; i < end; i += lanes) sum = fma((double)x[i], (double)x[i], sum);
  sum = tree(sum);
  if (tidX() % lanes == 0 && block * sumBlock < n) sums[block] = sum;
}

struct Step {
  float scale, lrDecay, oneMinusBeta1, beta2, oneMinusBeta2, stepSize, sqrtBC2, eps;
};

template <int W> DEVICE void adamwBy(float *p, const float *g, float *m, float *v, i64 n, const Step &h) {
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
  }
}

// kernels.AdamW; wide as in elementwise.cu.
KERNEL adamw(float *p, const float *g, float *m, float *v, i64 n, float scale, float lrDecay, float oneMinusBeta1, float beta2,
             float oneMinusBeta2, float stepSize, float sqrtBC2, float eps, int wide) {
  const Step h = {scale, lrDecay, oneMinusBeta1, beta2, oneMinusBeta2, stepSize, sqrtBC2, eps};
  if (wide) adamwBy<4>(p, g, m, v, n, h);
  else adamwBy<1>(p, g, m, v, n, h);
}
