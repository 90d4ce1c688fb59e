// AdamW and the global gradient norm, with the bits of the CPU engine.
#include "device.cuh"

struct Block {
  const float *x;
  i64 n;
};

// sums[b] = the 16-lane tree of the squares of a block of at most 65,536 elements, in
// float64, where squares are exact, so that fma adds nothing but their exact values. Half
// a warp has a block. One launch covers all blocks of all tensors, because the chain of a
// block is long and a few blocks would leave the device idle.
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

// Update is a part of a parameter, n elements. rounded, unless it is null, becomes their
// copy in bf16, which the next step's products read. wide is as in elementwise.cu.
struct Update {
  float *p;
  const float *g;
  float *m, *v;
  bf16 *rounded;
  int n, wide;
};

template <int W> DEVICE void adamwBy(const Update &u, const Step &h) {
  for (int i = W * tidX(); i < u.n; i += W * dimX()) {
    Values<W> a = get<W>(u.p, 0, i), b = get<W>(u.m, 0, i), c = get<W>(u.v, 0, i);
    const Values<W> d = get<W>(u.g, 0, i);
    for (int k = 0; k < W; k++) {
      const float gi = d.v[k] * h.scale, x = fma(-h.lrDecay, a.v[k], a.v[k]);
      b.v[k] = fma(h.oneMinusBeta1, gi - b.v[k], b.v[k]);
      c.v[k] = fma(h.oneMinusBeta2, gi * gi, h.beta2 * c.v[k]);
      a.v[k] = fma(-h.stepSize, b.v[k] / (sqrt(c.v[k]) / h.sqrtBC2 + h.eps), x);
    }
    put<W>(u.p, 0, i, a);
    put<W>(u.m, 0, i, b);
    put<W>(u.v, 0, i, c);
    if (u.rounded) put<W>(u.rounded, 1, i, a);
  }
}

// kernels.AdamW. A block has a part of a parameter.
KERNEL adamw(const Update *updates, float scale, float lrDecay, float oneMinusBeta1, float beta2, float oneMinusBeta2, float stepSize, float sqrtBC2,
             float eps) {
  const Step h = {scale, lrDecay, oneMinusBeta1, beta2, oneMinusBeta2, stepSize, sqrtBC2, eps};
  const Update u = updates[ctaX()];
  if (u.wide) adamwBy<4>(u, h);
  else adamwBy<1>(u, h);
}
