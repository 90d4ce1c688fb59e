package num_test

import (
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"xrun/kernels/num"
)

// References in 400-bit arithmetic, by plain series.

const prec = 400

func bf(x float64) *big.Float { return new(big.Float).SetPrec(prec).SetFloat64(x) }

func newBF() *big.Float { return new(big.Float).SetPrec(prec) }

func bigExp(x *big.Float) *big.Float {
	// x / 2^k, series, k squarings.
	k := max(0, x.MantExp(nil)+20)
	r := newBF().SetMantExp(newBF().Set(x), -k)
	sum, term := bf(1), bf(1)
	for n := 1; n < 40; n++ {
		term.Mul(term, r)
		term.Quo(term, bf(float64(n)))
		sum.Add(sum, term)
	}
	for range k {
		sum.Mul(sum, sum)
	}
	return sum
}

func bigLog(x *big.Float) *big.Float {
	e := x.MantExp(nil)
	f, _ := newBF().SetMantExp(newBF().Set(x), -e).Float64()
	y := bf(math.Log(f) + float64(e)*math.Ln2)
	if d := newBF().Sub(x, bf(1)); d.MantExp(nil) < -20 && d.Sign() != 0 {
		y = d // a better start near 1
	}
	for range 6 { // y += x·exp(-y) - 1, doubling the digits
		d := newBF().Mul(x, bigExp(newBF().Neg(y)))
		d.Sub(d, bf(1))
		y.Add(y, d)
	}
	return y
}

var bigPi = func() *big.Float {
	p, _, err := big.ParseFloat("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798214808651328230664709384460955058223172535940812848111745028410270193852110555964462294895493038196", 10, 640, big.ToNearestEven)
	if err != nil {
		panic(err)
	}
	return p
}()

// bigSinCos reduces by whole turns and sums the series.
func bigSinCos(x float64) (sin, cos *big.Float) {
	turn := new(big.Float).SetPrec(640).Mul(bigPi, bf(2))
	z := new(big.Float).SetPrec(640).SetFloat64(x)
	n, _ := new(big.Float).SetPrec(640).Quo(z, turn).Int(nil)
	z.Sub(z, new(big.Float).SetPrec(640).Mul(new(big.Float).SetPrec(640).SetInt(n), turn))
	sin, cos = newBF(), newBF()
	term := bf(1)
	for i := 0; i < 100; i++ {
		sum := cos
		if i%2 == 1 {
			sum = sin
		}
		if i&2 == 0 {
			sum.Add(sum, term)
		} else {
			sum.Sub(sum, term)
		}
		term.Mul(term, z)
		term.Quo(term, bf(float64(i+1)))
	}
	return sin, cos
}

func check(t *testing.T, name string, want *big.Float, got float64, args ...float64) {
	t.Helper()
	if w, _ := want.Float64(); math.Float64bits(w) != math.Float64bits(got) {
		t.Fatalf("%s(%x) = %x, want %x", name, args, got, w)
	}
}

func TestExpIsCorrectlyRounded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 4000 {
		x := r.NormFloat64() * math.Pow(10, float64(i%5)-2)
		if i%7 == 0 {
			x = -700 - 46*r.Float64() // into the denormal range
		}
		x = max(min(x, 709.7), -745.1)
		check(t, "Exp", bigExp(bf(x)), num.Exp(x), x)
	}
}

func TestLogIsCorrectlyRounded(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for i := range 1500 {
		x := math.Exp(r.NormFloat64() * math.Pow(10, float64(i%4)-2))
		switch i % 5 {
		case 1:
			x = 1 + math.Ldexp(r.NormFloat64(), -r.IntN(50)-2)
		case 2:
			x = math.Float64frombits(r.Uint64() >> 1)
			if x-x != 0 {
				continue
			}
		}
		if x != 1 {
			check(t, "Log", bigLog(bf(x)), num.Log(x), x)
		}
	}
}

func TestPowIsCorrectlyRounded(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for i := range 1500 {
		x, y := math.Exp(r.NormFloat64()), r.NormFloat64()*10
		switch i % 5 {
		case 0: // Adam's bias corrections
			x, y = []float64{0.9, 0.999, 0.95, 0.99}[i%4], float64(r.IntN(20000)+1)
		case 1: // whole powers, ties among them
			x, y = float64(r.IntN(1<<r.IntN(30))+2), float64(r.IntN(8)+1)
		case 2: // into the denormal range
			x, y = 0.5+r.Float64()/4, 1022+60*r.Float64()
		case 3: // rotary frequencies
			x, y = []float64{10000, 1e6, 100000}[i%3], -float64(r.IntN(64))/64
			if y == 0 {
				continue
			}
		}
		var want *big.Float
		if y == math.Floor(y) && y < 10 && y > 0 {
			want = new(big.Float).SetPrec(2000).SetInt64(1)
			for range int(y) {
				want.Mul(want, bf(x))
			}
		} else {
			want = bigExp(newBF().Mul(bf(y), bigLog(bf(x))))
		}
		check(t, "Pow", want, num.Pow(x, y), x, y)
	}
}

func TestCosAndSinAreCorrectlyRounded(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for i := range 6000 {
		x := r.NormFloat64() * math.Pow(10, float64(i%12)-3)
		switch i % 4 {
		case 1:
			x = math.Pi * r.Float64() // schedules
		case 2:
			x = math.Floor(r.Float64()*2000) * (math.Pi / 2) // near zeros of one of them
		case 3:
			if i%3 == 0 {
				x = math.Ldexp(r.NormFloat64(), 40+r.IntN(60))
			}
		}
		sin, cos := bigSinCos(x)
		if x != 0 {
			check(t, "Sin", sin, num.Sin(x), x)
		}
		check(t, "Cos", cos, num.Cos(x), x)
	}
	// The argument nearest to a multiple of π/2 (Muller, "Elementary Functions",
	// 2016, section 11.2), and the largest number: values as published.
	if got := num.Cos(0x1.6ac5b262ca1ffp+849); got != -4.6871659242546276e-19 {
		t.Errorf("Cos(0x1.6ac5b262ca1ffp+849) = %v", got)
	}
	if got := num.Sin(1e22); got != -0.8522008497671888 {
		t.Errorf("Sin(1e22) = %v", got)
	}
}

func TestSpecialValues(t *testing.T) {
	inf, nan, negZero := math.Inf(1), math.NaN(), math.Copysign(0, -1)
	check := func(name string, got, want float64) {
		t.Helper()
		if math.Float64bits(got) != math.Float64bits(want) && !(got != got && want != want) {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	check("Exp(NaN)", num.Exp(nan), nan)
	check("Exp(+Inf)", num.Exp(inf), inf)
	check("Exp(-Inf)", num.Exp(-inf), 0)
	check("Exp(0)", num.Exp(0), 1)
	check("Exp(710)", num.Exp(710), inf)
	check("Exp(709.79)", num.Exp(709.79), inf)
	check("Exp(-745.14)", num.Exp(-745.14), 0)
	check("Exp(-745.13)", num.Exp(-745.13), 5e-324)
	check("Log(0)", num.Log(0), -inf)
	check("Log(-1)", num.Log(-1), nan)
	check("Log(Inf)", num.Log(inf), inf)
	check("Log(1)", num.Log(1), 0)
	check("Cos(Inf)", num.Cos(inf), nan)
	check("Sin(-0)", num.Sin(negZero), negZero)
	check("Sin(denormal)", num.Sin(5e-324), 5e-324)
	check("Cos(0)", num.Cos(0), 1)
	values := []float64{0, negZero, 1, -1, 2, -2, 3, -3, 0.5, -0.5, inf, -inf, nan, 1e300, -1e300, 1e-300, 5e-324, 0x1p53, 0x1p53 + 2, -0x1p52 - 1}
	for _, x := range values {
		for _, y := range values {
			want := math.Pow(x, y)
			got := num.Pow(x, y)
			if math.Float64bits(got) != math.Float64bits(want) && !(got != got && want != want) && math.Abs(got-want) > 1e-15*math.Abs(want) {
				t.Errorf("Pow(%v, %v) = %v, math.Pow gives %v", x, y, got, want)
			}
		}
	}
}

// Compares every 1,009th float32, and those near the borders, with the correctly rounded exp: the
// error is at most one unit in the last place, and exp is monotone at the borders.
func TestExp32IsWithinOneUlp(t *testing.T) {
	worst := 0.0
	one := func(x float32) {
		y := num.Exp32(x)
		want := num.Exp(float64(x))
		if x < -87.3 {
			if y != 0 {
				t.Fatalf("Exp32(%x) = %x, want 0", x, y)
			}
			return
		}
		if float32(want) == float32(math.Inf(1)) || y == float32(math.Inf(1)) {
			if float32(want) != y {
				t.Fatalf("Exp32(%x) = %g, want %g", x, y, want)
			}
			return
		}
		_, e := math.Frexp(want)
		if err := math.Abs(float64(y)-want) / math.Ldexp(1, e-24); err > worst {
			if worst = err; err > 1 {
				t.Fatalf("Exp32(%x) = %x is %.3f units off", x, y, err)
			}
		}
	}
	for u := uint32(0); u < 0x42c00000; u += 10007 {
		one(math.Float32frombits(u))
		one(math.Float32frombits(u | 1<<31))
	}
	for _, border := range []float32{0x1.62e42ep+6, -87.3, 1, -1, 0.34657359, -0.34657359, 88.37626} {
		u := math.Float32bits(border)
		for d := range uint32(2000) {
			one(math.Float32frombits(u + d - 1000))
		}
	}
	t.Logf("worst error %.3f units in the last place", worst)
	inf := float32(math.Inf(1))
	if num.Exp32(inf) != inf || num.Exp32(-inf) != 0 || num.Exp32(0) != 1 {
		t.Error("Exp32 of an infinity or zero is wrong")
	}
	if y := num.Exp32(math.Float32frombits(0x7fc12345)); y == y {
		t.Error("Exp32(NaN) is not NaN")
	}
}

// The cosine and polynomial curves of transformers, whose cos and pow are the
// C library's, to the last bit.
func TestSchedulesOfTransformers(t *testing.T) {
	data, err := os.ReadFile("../../../shared/reference/schedules.json")
	if err != nil {
		t.Skipf("THE REFERENCE CURVES ARE NOT HERE, SKIPPING: %v", err)
	}
	var curves map[string]struct {
		LR []float64 `json:"lr"`
	}
	if err := json.Unmarshal(data, &curves); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for name, c := range curves {
		kind, _, _ := strings.Cut(name, "/")
		warmup := 0.0
		if strings.HasSuffix(name, "=13") {
			warmup = 13
		}
		const peak, steps = 5e-5, 101.0
		for i, want := range c.LR {
			s := float64(i)
			if s < warmup || s >= steps {
				continue
			}
			progress := (s - warmup) / (steps - warmup)
			var got float64
			switch kind {
			case "cosine":
				got = peak * max(0, 0.5*(1+num.Cos(math.Pi*0.5*2*progress)))
			case "cosine_with_restarts":
				x := float64(3 * progress)
				got = peak * max(0, 0.5*(1+num.Cos(math.Pi*(x-math.Floor(x)))))
			case "polynomial":
				lr := 5e-5 - 1e-7
				got = peak * ((float64(lr*num.Pow(1-(s-warmup)/(steps-warmup), 2)) + 1e-7) / peak)
			default:
				continue
			}
			seen++
			if got != want {
				t.Fatalf("%s step %d: %x, want %x", name, i, got, want)
			}
		}
	}
	if seen < 500 {
		t.Fatalf("only %d values compared", seen)
	}
}

func BenchmarkCos(b *testing.B) {
	x := 0.1
	for b.Loop() {
		num.Cos(x)
	}
}

func BenchmarkExp(b *testing.B) {
	for b.Loop() {
		num.Exp(1.3)
	}
}

func BenchmarkExp32(b *testing.B) {
	for b.Loop() {
		num.Exp32(1.3)
	}
}
