package model

import (
	"math"

	"xrun/kernels"
	"xrun/kernels/num"
)

// rotary is the table of rotary position embedding (Su et al. 2021): cos and sin
// [positions, headDim/2] of position * frequency, computed in float64 and rounded once. It
// grows to the largest position used.
type rotary struct {
	cos, sin kernels.Tensor
}

// RotaryFrequency returns the angle by which value pair i of a head is rotated from one
// position to the next: theta^(-2i/headDim). Llama 3's scaling depends on the number of
// turns over the original training length. It divides frequencies with fewer than LowFreq
// turns by Factor, leaves those with more than HighFreq turns unchanged, and interpolates
// linearly in the number of turns between them (transformers' modeling_rope_utils).
func (c Config) RotaryFrequency(i int) float64 {
	f := 1 / num.Pow(c.RopeTheta, float64(2*i)/float64(c.HeadDim))
	s := c.RopeScaling
	if s == nil {
		return f
	}
	turns := float64(s.TrainedLength) * f / (2 * math.Pi)
	keep := min(max((turns-s.LowFreq)/(s.HighFreq-s.LowFreq), 0), 1)
	return float64((1-keep)*f)/s.Factor + float64(keep*f)
}

// extendRotary extends the table to positions 0..n-1.
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
		frequency := m.Config.RotaryFrequency(i)
		for p := have; p < n; p++ {
			angle := float64(p) * frequency
			cos[p*half+i], sin[p*half+i] = float32(num.Cos(angle)), float32(num.Sin(angle))
		}
	}
	m.rotary.cos, m.rotary.sin = m.e.New(kernels.F32, n, half), m.e.New(kernels.F32, n, half)
	m.e.Write(m.rotary.cos, cos)
	m.e.Write(m.rotary.sin, sin)
}
