package cuda_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"xrun/kernels/cpu"
	"xrun/kernels/cuda"
)

// mutation is a deliberate fault in the PTX of a kernel: the nth match of old
// becomes new.
type mutation struct {
	name           string
	module, kernel string
	old            string // regular expression
	nth            int
	new            string
	op             string // of equal, which must notice
	rows, cols     int
}

// mutations are faults of every kind that a kernel can have: each must end in
// a fault that the interpreter reports or in bits that are not the CPU
// engine's.
var mutations = []mutation{
	{"a dropped barrier", "norm", "bias_grad", `bar\.sync\s+0;`, 0, "", "BiasGrad", 131, 36},
	{"a dropped barrier before a weight's chain", "norm", "rmsnorm_grad_weight", `bar\.sync\s+0;`, 0, "", "RMSNormGrad", 131, 36},
	{"one buffer instead of two", "norm", "bias_grad", `xor\.b32(\s+%r\d+, %r\d+), 1;`, 0, "xor.b32$1, 0;", "BiasGrad", 131, 36},
	{"a barrier that one warp skips", "norm", "bias_grad", `bar\.sync\s+0;`, 0, "{ .reg .pred q; .reg .u32 t; mov.u32 t, %tid.x; setp.ge.u32 q, t, 32; @q bar.sync 0; }", "BiasGrad", 131, 36},
	{"a tree that adds a lane twice", "norm", "rmsnorm_f32", `(shfl\.sync\.bfly\.b32\s+%f\d+, %f\d+), 8,`, 0, "$1, 4,", "RMSNorm", 17, 65},
	{"a shuffle that names lanes which left", "norm", "rmsnorm_bf16", `(shfl\.sync\.bfly\.b32\s+%f\d+, %f\d+, 1, 31), -1;`, 0, "{ .reg .pred q; .reg .u32 t; mov.u32 t, %laneid; setp.lt.u32 q, t, 16; @q $1, -1; }", "RMSNorm", 17, 65},
	{"rows without their bound", "norm", "rmsnorm_f32", `min\.s32(\s+%r\d+, %r\d+), %r\d+;`, 0, "min.s32$1, 1000000;", "RMSNorm", 17, 65},
	{"a row too many stored", "norm", "rmsnorm_grad_f32", `setp\.ge\.s32(\s+%p\d+, %r2,)`, 0, "setp.gt.s32$1", "RMSNormGrad", 17, 65},
	{"a column too many summed", "norm", "rmsnorm_f32", `setp\.lt\.s32(\s+%p\d+, %r\d+, %r\d+);`, 0, "setp.le.s32$1;", "RMSNorm", 17, 65},
	{"an approximate root", "norm", "rmsnorm_f32", `sqrt\.rn\.f32`, 0, "sqrt.approx.f32", "RMSNorm", 70, 33},
	{"an approximate division", "optimizer", "adamw", `div\.rn\.f32`, 0, "div.full.f32", "AdamW", 131, 36},
	{"a product rounded to zero", "optimizer", "adamw", `fma\.rn\.f32`, 0, "fma.rz.f32", "AdamW", 131, 36},
	{"decay of the wrong sign", "optimizer", "adamw", `neg\.f32(\s+%f1,)`, 0, "mov.f32$1", "AdamW", 5, 132},
	{"swapped elements of a vector", "optimizer", "adamw", `(st\.global\.v4\.f32\s+\[%rd\d+(?:\+-?\d+)?\]), \{(%f\d+), (%f\d+),`, 1, "$1, {$3, $2,", "AdamW", 5, 132},
	{"a sum in another order", "optimizer", "sum_squares", `add\.s64(\s+%rd54, %rd54), 64;`, 0, "add.s64$1, 60;", "SumSquares", 17, 65},
	{"sums rounded down", "optimizer", "sum_squares", `add\.rn\.f64`, 1, "add.rm.f64", "SumSquares", 131, 36},
	{"a block's descriptor of another size", "optimizer", "sum_squares", `mul\.wide\.s32(\s+%rd\d+, %r\d+), 16;`, 0, "mul.wide.s32$1, 8;", "SumSquares", 17, 65},
	{"additions rounded to zero", "rows", "embed_grad", `add\.rn\.f32`, 0, "add.rz.f32", "EmbedGrad", 131, 36},
	{"tokens beyond a slot's", "rows", "embed_grad", `(ld\.global\.u32\s+%r2, \[%rd38)\+4\]`, 0, "$1+8]", "EmbedGrad", 17, 65},
	{"a stride of half the row", "rows", "gather", `mul\.wide\.s32(\s+%rd\d+, %r15, %r11);`, 0, "mul.wide.s32$1; shr.s64 %rd5, %rd5, 1;", "Embed", 5, 132},
	{"a missing bound of columns", "rows", "gather", `@%p2 bra\s+\$L__BB0_25;`, 0, "", "Embed", 5, 132},
	{"rotated the wrong way", "rows", "rotary", `sub\.rn\.f32`, 0, "add.rn.f32", "Rotary", 17, 65},
	{"bf16 rounded to zero", "elementwise", "convert", `cvt\.rn\.bf16x2\.f32`, 0, "cvt.rz.bf16x2.f32", "Write, Read and Convert", 5, 132},
	{"halves of a word swapped", "elementwise", "convert", `(cvt\.rn\.bf16x2\.f32\s+%r\d+), (%f\d+), (%f\d+);`, 0, "$1, $3, $2;", "Write, Read and Convert", 5, 132},
	{"a wide access where lines are odd", "elementwise", "add", `setp\.eq\.s32(\s+%p1, %r\d+), 0;`, 0, "setp.eq.s32$1, 2;", "Add", 3, 7},
	{"an exponential of two instead of e", "elementwise", "swiglu", `0fBFB8AA3B`, 0, "0fBF800000", "SwiGLU", 5, 132},
	{"a register that nothing wrote", "elementwise", "swiglu", `rcp\.rn\.f32(\s+%f\d+), %f\d+;`, 0, "{ .reg .f32 u; rcp.rn.f32$1, u; }", "SwiGLU", 5, 132},
}

// mutate returns the module's PTX with the fault.
func mutate(t testing.TB, m mutation) map[string][]byte {
	t.Helper()
	modules := cuda.PTX()
	text := string(modules[m.module])
	from := strings.Index(text, ".entry "+m.kernel+"(")
	if from < 0 {
		t.Fatalf("no kernel %s", m.kernel)
	}
	to := from + strings.Index(text[from:], "\n}\n")
	old := regexp.MustCompile(m.old)
	found := old.FindAllStringSubmatchIndex(text[from:to], -1)
	if m.nth >= len(found) {
		t.Fatalf("%s: %q is found %d times in kernel %s; write the mutation for the PTX of today", m.name, m.old, len(found), m.kernel)
	}
	at := found[m.nth]
	changed := old.ExpandString(nil, m.new, text[from:to], at)
	modules[m.module] = []byte(text[:from+at[0]] + string(changed) + text[from+at[1]:])
	return modules
}

// notices runs m's operation on the mutated kernel and describes what is
// wrong; "" if nothing is.
func (m mutation) notices(t testing.TB, want *bench) (what string) {
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%s: panic: %v", m.name, r)
		}
	}()
	modules := mutate(t, m)
	for seed := range uint64(3) {
		e, err := cuda.NewWith(emulate(seed), cuda.Options{}, modules)
		if err != nil {
			return fmt.Sprintf("refused: %v", err)
		}
		got := newBench(e)
		equal[m.op](got, m.rows, m.cols)
		err = e.Sync()
		if cerr := e.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return fmt.Sprintf("fault: %v", err)
		}
		if d := difference(got, want); d != "" {
			return "result: " + d
		}
	}
	return ""
}

// TestMutationsAreCaught makes one fault at a time in the committed PTX.
func TestMutationsAreCaught(t *testing.T) {
	host, err := cpu.New(cpu.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	for _, m := range mutations {
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			want := newBench(host)
			equal[m.op](want, m.rows, m.cols)
			what := m.notices(t, want)
			if what == "" {
				t.Errorf("nothing noticed %s in %s", m.name, m.kernel)
			}
			line, _, _ := strings.Cut(what, "\n")
			t.Log(line)
		})
	}
}
