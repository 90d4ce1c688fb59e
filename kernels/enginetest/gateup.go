package enginetest

import "xrun/kernels"

// checkGateUp compares the fused operation with an oracle, and its bits with those of the
// three operations that it replaces.
func checkGateUp(h *harness) {
	for _, s := range products {
		t, k, n := s[0], s[1], s[2]
		for _, dt := range types {
			x, wg, wu := h.uniform(dt, t, k, 1), h.uniform(kernels.F32, n, k, 1), h.uniform(kernels.F32, n, k, 1)
			bg, bu := h.uniform(kernels.F32, 1, n, 1), h.uniform(kernels.F32, 1, n, 1)
			for _, biased := range []bool{false, true} {
				h.in("%v %v biased %v", s, dt, biased)
				var biasG, biasU kernels.Tensor
				if biased {
					biasG, biasU = bg.t, bu.t
				}
				g, u, y := h.dirty(dt, t, n), h.dirty(dt, t, n), h.dirty(dt, t, n)
				h.Linear(g, x.t, wg.t, biasG, nil)
				h.Linear(u, x.t, wu.t, biasU, nil)
				h.SwiGLU(y, g, u)
				want := swiglu(h.read(g), h.read(u))

				gate, up, dst := h.dirty(dt, t, n), h.dirty(dt, t, n), h.dirty(dt, t, n)
				h.GateUp(dst, gate, up, x.t, wg.t, wu.t, biasG, biasU)
				h.near("dst", dst, want, h.tol.Element)
				h.same("gate", gate, h.read(g))
				h.same("up", up, h.read(u))
				h.same("dst", dst, h.read(y))

				only := h.dirty(dt, t, n)
				h.GateUp(only, nil, up, x.t, wg.t, wu.t, biasG, biasU)
				h.same("dst alone", only, h.read(y))
			}
		}
	}
}
