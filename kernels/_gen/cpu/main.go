// Command cpu writes the AVX2 assembly of package kernels/cpu/vec. Run it with go
// generate there.
//
// Every function takes a number of elements that is a multiple of its block size (16 or
// 8). It repeats for each vector the sequence of operations that the portable Go
// function performs for one element. The 16 lanes of a reduction are two registers,
// loaded from and stored to memory, so that Go can add the remaining elements and the
// tree.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64,!noasm")
	k := newConstants()
	k.exponentials()
	k.rounding()
	reductions()
	rows()
	optimizer()
	transposes()
	Generate()
}

// f is the type of a vector register of 8 float32.
type f = reg.VecVirtual

// loop emits body in a loop over i = 0, step, ... below the parameter n. names are
// pointer parameters; at returns the operand for element i+offset of one.
func loop(step int, names []string, body func(at func(name string, offset int) Mem)) {
	base := map[string]reg.GPVirtual{}
	for _, name := range names {
		r := GP64()
		Load(Param(name), r)
		base[name] = r
	}
	n, i := GP64(), GP64()
	Load(Param("n"), n)
	XORQ(i, i)
	JMP(LabelRef("test"))
	Label("loop")
	body(func(name string, offset int) Mem {
		return Mem{Base: base[name], Index: i, Scale: 4, Disp: 4 * offset}
	})
	ADDQ(U8(step), i)
	Label("test")
	CMPQ(i, n)
	JLT(LabelRef("loop"))
}

// pipeline is loop with the body cut into stages, each of which takes the registers that
// the one before returned. A round of the loop performs the first stage of the block
// furthest ahead, then the second stage of the block before it, and so on. The processor
// then sees as many independent chains as there are stages; with whole bodies, its
// window would cover only a few. A stage may write what it and earlier stages read. n
// must not be 0.
func pipeline(step int, names []string, stages ...func(at func(name string, offset int) Mem, in []f) []f) {
	base := map[string]reg.GPVirtual{}
	for _, name := range names {
		r := GP64()
		Load(Param(name), r)
		base[name] = r
	}
	last := GP64()
	Load(Param("n"), last)
	SUBQ(U8(step), last)
	// index[k] is the block of stage k. At the end, stages repeat the last block.
	index := make([]reg.GPVirtual, len(stages))
	at := func(k int) func(name string, offset int) Mem {
		return func(name string, offset int) Mem {
			return Mem{Base: base[name], Index: index[k], Scale: 4, Disp: 4 * offset}
		}
	}
	advance := func(k int) {
		ADDQ(U8(step), index[k])
		CMPQ(index[k], last)
		CMOVQGT(last, index[k])
	}
	state := make([][]f, len(stages))
	for k := range stages {
		index[k] = GP64()
		XORQ(index[k], index[k])
	}
	for filled := range len(stages) - 1 {
		for k := filled; k >= 0; k-- {
			var in []f
			if k > 0 {
				in = state[k-1]
			}
			keep(&state[k], stages[k](at(k), in))
			advance(k)
		}
	}
	end := len(stages) - 1
	Label("loop")
	next := make([][]f, len(stages))
	for k := range end {
		var in []f
		if k > 0 {
			in = state[k-1]
		}
		next[k] = stages[k](at(k), in)
	}
	stages[end](at(end), state[end-1])
	for k := range end {
		keep(&state[k], next[k])
		advance(k)
	}
	ADDQ(U8(step), index[end])
	CMPQ(index[end], last)
	JLE(LabelRef("loop"))
}

// keep copies registers to those of a stage.
func keep(to *[]f, from []f) {
	if *to == nil {
		*to = from
		return
	}
	for i, r := range from {
		VMOVAPS(r, (*to)[i])
	}
}

func done() {
	VZEROUPPER()
	RET()
}

// function starts a function with its documentation.
func function(name, signature, doc string) {
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(name + " " + doc)
}

// broadcast loads a float32 parameter into all elements of a register.
func broadcast(param string) f {
	p, err := Param(param).Resolve()
	if err != nil {
		panic(err)
	}
	r := YMM()
	VBROADCASTSS(p.Addr, r)
	return r
}

// vectors returns n registers.
func vectors(n int) []f {
	v := make([]f, n)
	for i := range v {
		v[i] = YMM()
	}
	return v
}

// folds move the upper half of the remaining lanes of a vector to the lower half.
var folds = []func(from, to f){
	func(from, to f) { VEXTRACTF128(U8(1), from, to.AsX()) },
	func(from, to f) { VPSHUFD(U8(0xee), from.AsX(), to.AsX()) },
	func(from, to f) { VPSHUFD(U8(0x55), from.AsX(), to.AsX()) },
}

// tree returns the tree of the 16 lanes of two registers.
func tree(l []f) f {
	half := YMM()
	VADDPS(l[1], l[0], l[0])
	for _, fold := range folds {
		fold(l[0], half)
		VADDPS(half.AsX(), l[0].AsX(), l[0].AsX())
	}
	return l[0]
}

// load returns a register with 8 elements loaded from memory.
func load(m Mem) f {
	r := YMM()
	VMOVUPS(m, r)
	return r
}

// lanes loads the 16 lanes from the parameter l. The returned function stores them.
func lanes() (l [2]f, store func()) {
	p := GP64()
	Load(Param("l"), p)
	for h := range l {
		l[h] = load(Mem{Base: p, Disp: 32 * h})
	}
	return l, func() {
		for h := range l {
			VMOVUPS(l[h], Mem{Base: p, Disp: 32 * h})
		}
	}
}

func mul(a, b Op) f { r := YMM(); VMULPS(a, b.(reg.Register), r); return r }
func add(a, b Op) f { r := YMM(); VADDPS(a, b.(reg.Register), r); return r }

// sub returns a - b.
func sub(a f, b Op) f { r := YMM(); VSUBPS(b, a, r); return r }

// div returns a / b.
func div(a f, b Op) f { r := YMM(); VDIVPS(b, a, r); return r }
