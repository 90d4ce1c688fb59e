// Elementwise operations, with the arithmetic and so the bits of the CPU engine. A tensor
// is a pointer and a type (0: f32, 1: bf16). wide means that n is a multiple of 4 and all
// tensors are aligned to four elements, which are then processed at once.
#include "device.cuh"

// A grid-stride loop over groups of W elements.
#define FOR_GROUPS(W, i, n) \
  for (i64 i = W * ((i64)ctaX() * dimX() + tidX()); i < (n); i += W * ((i64)gridX() * dimX()))

template <int W> DEVICE void convertBy(void *dst, int dstType, const void *src, int srcType, i64 n) {
  FOR_GROUPS(W, i, n) put<W>(dst, dstType, i, get<W>(src, srcType, i));
}

KERNEL convert(void *dst, int dstType, const void *src, int srcType, i64 n, int wide) {
  if (wide) convertBy<4>(dst, dstType, src, srcType, n);
  else convertBy<1>(dst, dstType, src, srcType, n);
}

template <int W> DEVICE void addBy(void *dst, int dstType, const void *src, int srcType, i64 n) {
  FOR_GROUPS(W, i, n) {
    Values<W> a = get<W>(dst, dstType, i), b = get<W>(src, srcType, i);
    for (int k = 0; k < W; k++) a.v[k] = a.v[k] + b.v[k];
    put<W>(dst, dstType, i, a);
  }
}

// dst = dst + src
KERNEL add(void *dst, int dstType, const void *src, int srcType, i64 n, int wide) {
  if (wide) addBy<4>(dst, dstType, src, srcType, n);
  else addBy<1>(dst, dstType, src, srcType, n);
}

template <int W>
DEVICE void swigluBy(void *dst, int dstType, const void *gate, int gateType, const void *up, int upType, i64 n) {
  FOR_GROUPS(W, i, n) {
    Values<W> g = get<W>(gate, gateType, i), u = get<W>(up, upType, i);
    for (int k = 0; k < W; k++) g.v[k] = gated(g.v[k], u.v[k]);
    put<W>(dst, dstType, i, g);
  }
}

// dst = silu(gate) * up
KERNEL swiglu(void *dst, int dstType, const void *gate, int gateType, const void *up, int upType, i64 n, int wide) {
  if (wide) swigluBy<4>(dst, dstType, gate, gateType, up, upType, n);
  else swigluBy<1>(dst, dstType, gate, gateType, up, upType, n);
}

template <int W>
DEVICE void swigluGradBy(void *dgate, int dgateType, void *dup, int dupType, const void *dy, int dyType,
                         const void *gate, int gateType, const void *up, int upType, i64 n) {
  FOR_GROUPS(W, i, n) {
    Values<W> d = get<W>(dy, dyType, i), g = get<W>(gate, gateType, i), u = get<W>(up, upType, i);
    for (int k = 0; k < W; k++) {
      float s, t;
      sigmoid(g.v[k], s, t);
      const float a = d.v[k] * u.v[k], b = s * fma(g.v[k], t, 1.0f);
      u.v[k] = d.v[k] * (g.v[k] * s);
      g.v[k] = a * b;
    }
    put<W>(dgate, dgateType, i, g);
    put<W>(dup, dupType, i, u);
  }
}

// The gradient of swiglu; dgate may be gate and dup may be up.
KERNEL swiglu_grad(void *dgate, int dgateType, void *dup, int dupType, const void *dy, int dyType,
                   const void *gate, int gateType, const void *up, int upType, i64 n, int wide) {
  if (wide) swigluGradBy<4>(dgate, dgateType, dup, dupType, dy, dyType, gate, gateType, up, upType, n);
  else swigluGradBy<1>(dgate, dgateType, dup, dupType, dy, dyType, gate, gateType, up, upType, n);
}
