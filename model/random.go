package model

import (
	"math"

	"xrun/kernels/num"
)

// Purposes of the Philox streams that this package uses. A stream is named by (seed,
// purpose, index).
const (
	// PurposeInit is for initial weights. The index has the number of the tensor in
	// transformers' order (embedding, layers, norm, head) in its upper 32 bits and the
	// row in its lower 32 bits. Element i of the row is draw i of normal.
	PurposeInit uint32 = 0x696e6974
	// PurposeSample is for sampled text. The index is the digest of the prompt.
	PurposeSample uint32 = 0x73616d70
)

// normal draws from the standard normal distribution: the quantile of u = (k +
// 1/2) / 2^53, where k is the upper 53 bits of the stream's next 64.
func normal(p *num.Philox) float64 {
	return normalQuantile((float64(p.Uint64()>>11) + 0.5) * 0x1p-53)
}

// normalQuantile is the inverse of the normal distribution function, by algorithm AS 241
// (PPND16), Wichura, Applied Statistics 37 (1988), 477-484. Its relative error is about
// 1e-16. u must be inside (0, 1).
func normalQuantile(u float64) float64 {
	q := u - 0.5
	if math.Abs(q) <= 0.425 {
		r := 0.180625 - float64(q*q)
		return q * polynomial(r, &quantileA) / polynomial(r, &quantileB)
	}
	r := u
	if q > 0 {
		r = 1 - u
	}
	r = math.Sqrt(-num.Log(r))
	var z float64
	if r <= 5 {
		r -= 1.6
		z = polynomial(r, &quantileC) / polynomial(r, &quantileD)
	} else {
		r -= 5
		z = polynomial(r, &quantileE) / polynomial(r, &quantileF)
	}
	if q < 0 {
		return -z
	}
	return z
}

// polynomial evaluates a polynomial by Horner's rule, without fused operations.
func polynomial(x float64, c *[8]float64) float64 {
	s := c[7]
	for i := 6; i >= 0; i-- {
		s = float64(s*x) + c[i]
	}
	return s
}

// Coefficients of AS 241, lowest power first.
var (
	quantileA = [8]float64{3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3}
	quantileB = [8]float64{1, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3}
	quantileC = [8]float64{1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4}
	quantileD = [8]float64{1, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9}
	quantileE = [8]float64{6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7}
	quantileF = [8]float64{1, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15}
)
