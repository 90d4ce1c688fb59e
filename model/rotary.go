package model

import (
	"xrun/kernels"
	"xrun/kernels/num"
)

// rotary is the table of rotary position embedding (Su et al. 2021): cos and
// sin [positions, headDim/2] of position * theta^(-2i/headDim), computed in
// float64 and rounded once. It grows to the positions that are asked for.
type rotary struct {
	cos, sin kernels.Tensor
}

// extendRotary makes the table cover positions 0..n-1.
func (m *Model) extendRotary(n int) {
	have := 0
	if m.rotary.cos != nil {
		have = m.rotary.cos.Rows()
	}
	if n <= have {
		return
	}
	n = max(n, min(2*have, have+4096), 64)
	half := m.Config.HeadDim / 2
	cos, sin := make([]float32, n*half), make([]float32, n*half)
	if have > 0 {
		m.e.Read(cos[:have*half], m.rotary.cos)
		m.e.Read(sin[:have*half], m.rotary.sin)
		m.e.Free(m.rotary.cos, m.rotary.sin)
	}
	for i := 0; i < half; i++ {
		frequency := 1 / num.Pow(m.Config.RopeTheta, float64(2*i)/float64(m.Config.HeadDim))
		for p := have; p < n; p++ {
			angle := float64(p) * frequency
			cos[p*half+i], sin[p*half+i] = float32(num.Cos(angle)), float32(num.Sin(angle))
		}
	}
	m.rotary.cos, m.rotary.sin = m.e.New(kernels.F32, n, half), m.e.New(kernels.F32, n, half)
	m.e.Write(m.rotary.cos, cos)
	m.e.Write(m.rotary.sin, sin)
}
