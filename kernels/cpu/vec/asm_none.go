//go:build !amd64 || noasm

package vec

// blocks returns 0: without assembly, Go computes every element.
func blocks(n, size int) int { return 0 }

// The functions of asm_amd64.go, so that every build has them. They are never called.
func expSumAVX2(x *float32, n int, m float32, l *[16]float32)      { panic("vec: no assembly") }
func expSumRoundAVX2(x *float32, n int, m float32, l *[16]float32) { panic("vec: no assembly") }
func scoreGradAVX2(p *float32, ds *float32, n int, m float32, sum float32, d float32, scale float32) {
	panic("vec: no assembly")
}
func scoreGradRoundAVX2(p *float32, ds *float32, n int, m float32, sum float32, d float32, scale float32) {
	panic("vec: no assembly")
}
func swigluAVX2(dst *float32, gate *float32, up *float32, n int) { panic("vec: no assembly") }
func swigluGradAVX2(dgate *float32, dup *float32, dy *float32, gate *float32, up *float32, n int) {
	panic("vec: no assembly")
}
func softmaxAVX2(x *float32, n int, scale float32, to *[2]float32)      { panic("vec: no assembly") }
func softmaxRoundAVX2(x *float32, n int, scale float32, to *[2]float32) { panic("vec: no assembly") }
func divideRoundAVX2(dst *uint16, x *float32, n int, s float32)         { panic("vec: no assembly") }
func swigluBF16AVX2(dst *uint16, gate *uint16, up *uint16, n int)       { panic("vec: no assembly") }
func swigluGradBF16AVX2(dgate *uint16, dup *uint16, dy *float32, gate *uint16, up *uint16, n int) {
	panic("vec: no assembly")
}
func roundAVX2(dst *uint16, x *float32, n int)                       { panic("vec: no assembly") }
func widenAVX2(dst *float32, x *uint16, stride int, rows int, n int) { panic("vec: no assembly") }
func roundToAVX2(dst *float32, x *float32, n int)                    { panic("vec: no assembly") }
func softmaxGradAVX2(x *float32, n int, sum float32, coef float32)   { panic("vec: no assembly") }
func maxAVX2(x *float32, n int, l *[16]float32)                      { panic("vec: no assembly") }
func scaleMaxAVX2(x *float32, n int, scale float32, l *[16]float32)  { panic("vec: no assembly") }
func xorAVX2(x *float32, n int, l *[16]float32)                      { panic("vec: no assembly") }
func sumSquares32AVX2(x *float32, n int, l *[16]float32)             { panic("vec: no assembly") }
func dotAVX2(a *float32, b *float32, n int, l *[16]float32)          { panic("vec: no assembly") }
func normDotAVX2(dy *float32, x *float32, w *float32, n int, inv float32, l *[16]float32) {
	panic("vec: no assembly")
}
func sumSquaresAVX2(x *float32, n int, l *[16]float64)                  { panic("vec: no assembly") }
func addAVX2(dst *float32, x *float32, n int)                           { panic("vec: no assembly") }
func divideAVX2(dst *float32, x *float32, n int, s float32)             { panic("vec: no assembly") }
func normAVX2(dst *float32, x *float32, w *float32, n int, inv float32) { panic("vec: no assembly") }
func normGradAVX2(dx *float32, dy *float32, x *float32, w *float32, n int, inv float32, c float32) {
	panic("vec: no assembly")
}
func normGradWeightAVX2(dw *float32, dy *float32, x *float32, n int, inv float32) {
	panic("vec: no assembly")
}
func rotateAVX2(da *float32, db *float32, a *float32, b *float32, c *float32, s *float32, n int, sign float32) {
	panic("vec: no assembly")
}
func adamwAVX2(h *[8]float32, p *float32, grad *float32, m *float32, v *float32, n int) {
	panic("vec: no assembly")
}
func transposeAVX2(dst *float32, ldd int, src *float32, lds int, n int) { panic("vec: no assembly") }
func dotWholeAVX2(a *float32, b *float32, n int) float32                { panic("vec: no assembly") }
