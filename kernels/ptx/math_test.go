package ptx

import (
	"bytes"
	"compress/gzip"
	"io"
	"math"
	"os"
	"strings"
	"testing"
)

// readPTX reads a file of testdata, compressed or not.
func readPTX(t testing.TB, name string) []byte {
	t.Helper()
	src, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(src))
		if err != nil {
			t.Fatal(err)
		}
		if src, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return src
}

// image parses a file of testdata and loads it on a device.
func image(t testing.TB, d *Device, name string) *Image {
	t.Helper()
	m, err := Parse(name, readPTX(t, name))
	if err != nil {
		t.Fatal(err)
	}
	img, err := d.Load(m)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

var math1 = map[string]func(a float64) float64{
	"exp": math.Exp, "exp2": math.Exp2, "log": func(a float64) float64 { return math.Log(math.Abs(a) + 1e-3) },
	"log2": func(a float64) float64 { return math.Log2(math.Abs(a) + 1e-3) }, "log1p": func(a float64) float64 { return math.Log1p(math.Abs(a)) },
	"expm1": math.Expm1, "sin": math.Sin, "cos": math.Cos, "tan": math.Tan, "tanh": math.Tanh, "sinh": math.Sinh, "cosh": math.Cosh,
	"asin": func(a float64) float64 { return math.Asin(a / 16) }, "acos": func(a float64) float64 { return math.Acos(a / 16) }, "atan": math.Atan,
	"erf": math.Erf, "erfc": math.Erfc, "sqrt": func(a float64) float64 { return math.Sqrt(math.Abs(a)) },
	"rsqrt": func(a float64) float64 { return 1 / math.Sqrt(math.Abs(a)+0.1) }, "cbrt": math.Cbrt,
	"tgamma": func(a float64) float64 { return math.Gamma(math.Abs(a) + 0.5) },
	"lgamma": func(a float64) float64 { g, _ := math.Lgamma(math.Abs(a) + 0.5); return g },
	"rint":   math.RoundToEven, "floor": math.Floor, "ceil": math.Ceil, "trunc": math.Trunc, "round": math.Round, "fabs": math.Abs,
	"j0": math.J0, "normcdf": func(a float64) float64 { return math.Erfc(-a/math.Sqrt2) / 2 }, "logb": math.Logb,
}

var math2 = map[string]func(a, b float64) float64{
	"pow": func(a, b float64) float64 { return math.Pow(math.Abs(a)+0.01, b) }, "div": func(a, b float64) float64 { return a / b },
	"fmod": math.Mod, "atan2": math.Atan2, "hypot": math.Hypot, "fmax": math.Max, "fmin": math.Min, "copysign": math.Copysign,
	"remainder": math.Remainder, "fdim": math.Dim, "ldexp": func(a, b float64) float64 { return math.Ldexp(a, int(b)) },
}

// TestMathLibrary compares the CUDA mathematical functions, about eight thousand lines of PTX
// compiled by nvcc, with float64. Their documented errors are at most 2 to 9 units in the last
// place.
func TestMathLibrary(t *testing.T) {
	d := NewDevice(Config{Seed: 3})
	img := image(t, d, "math.nvcc13.ptx.gz")
	const n = 700
	a, b := make([]float32, n), make([]float32, n)
	for i := range a {
		a[i] = float32(i-n/2) / 37
		b[i] = float32((i*7919)%n-n/2)/83 + 0.01
	}
	x, z := upload(t, d, a), upload(t, d, b)
	y, _ := d.Alloc(8 * n)
	launch := Launch{Grid: Dim{X: 6}, Block: Dim{X: 128}}
	check := func(name string, got []float64, want func(i int) float64, eps, abs float64) {
		t.Helper()
		for i, g := range got {
			w := want(i)
			if math.IsNaN(w) && math.IsNaN(g) || g == w {
				continue
			}
			if e := math.Abs(g - w); !(e <= eps*math.Abs(w)+abs) {
				t.Errorf("%s: operands %v, %v: got %v, want %v", name, a[i], b[i], g, w)
				return
			}
		}
	}
	wide := func(v []float32) []float64 {
		out := make([]float64, len(v))
		for i := range v {
			out[i] = float64(v[i])
		}
		return out
	}
	for name, f := range math1 {
		k, err := img.Kernel("k_" + name)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := d.Launch(k, launch, y, x, int32(n)); err != nil {
			t.Error(err)
			continue
		}
		eps := 0x1p-20
		if name == "tgamma" {
			eps = 0x1p-18 // its operand, rounded, moves it as much
		}
		check(name, wide(download(t, d, y, n)), func(i int) float64 { return f(float64(a[i])) }, eps, 2e-7)
	}
	for name, f := range math2 {
		k, err := img.Kernel("k2_" + name)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := d.Launch(k, launch, y, x, z, int32(n)); err != nil {
			t.Error(err)
			continue
		}
		check(name, wide(download(t, d, y, n)), func(i int) float64 { return f(float64(a[i]), float64(b[i])) }, 0x1p-20, 2e-7)
	}
	da, db := upload64(t, d, wide(a)), upload64(t, d, wide(b))
	for name, f := range math1 {
		k, err := img.Kernel("d_" + name)
		if err != nil {
			continue
		}
		if err := d.Launch(k, launch, y, da, int32(n)); err != nil {
			t.Error(err)
			continue
		}
		check("double "+name, download64(t, d, y, n), func(i int) float64 { return f(float64(a[i])) }, 0x1p-48, 1e-16)
	}
	for name, f := range math2 {
		k, err := img.Kernel("d2_" + name)
		if err != nil {
			continue
		}
		if err := d.Launch(k, launch, y, da, db, int32(n)); err != nil {
			t.Error(err)
			continue
		}
		check("double "+name, download64(t, d, y, n), func(i int) float64 { return f(float64(a[i]), float64(b[i])) }, 0x1p-48, 1e-16)
	}
}
