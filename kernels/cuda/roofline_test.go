package cuda

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"xrun/kernels"
)

// gpu holds the specifications of a device from NVIDIA's documents, per multiprocessor and clock
// unless stated otherwise.
type gpu struct {
	name            string
	multiprocessors int
	gigahertz       float64 // boost
	macs            float64 // bf16 multiply-adds with float32 sums, dense
	shared          float64 // bytes
	issue           float64 // instructions of warps
	memory          float64 // bytes a second of the whole device
}

// gpus: "NVIDIA Ada GPU Architecture" (2022), appendix A, 165.2 TFLOPS of bf16;
// "NVIDIA A100 Tensor Core GPU Architecture" (2020), table 3, 312 TFLOPS, the
// card with 40 GB. Shared memory gives 128 bytes a clock in both (CUDA C++
// Programming Guide, 16.7 and 16.8: 32 banks of 4 bytes).
var gpus = []gpu{
	{"RTX 4090", 128, 2.52, 512, 128, 4, 1.008e12},
	{"A100", 108, 1.41, 1024, 128, 4, 1.555e12},
}

// loopCounts counts the instructions of one step of a kernel's main loop.
type loopCounts struct {
	mma, ldmatrix, copies, all int // instructions of a warp
}

var (
	labelLine  = regexp.MustCompile(`^\$L__BB\d+_\d+:`)
	branchLine = regexp.MustCompile(`bra(?:\.uni)?\s+(\$L__BB\d+_\d+);`)
)

// countLoop counts instructions in the smallest loop that contains every mma of a kernel. Rare
// paths (unaligned operands) count as executed, so the number of all instructions is an upper
// bound.
func countLoop(t *testing.T, module, name string) (c loopCounts) {
	text := string(PTX()[module])
	from := strings.Index(text, ".entry "+name+"(")
	if from < 0 {
		t.Fatalf("no kernel %s", name)
	}
	lines := strings.Split(text[from:from+strings.Index(text[from:], "\n}\n")], "\n")
	at, first, last := map[string]int{}, -1, 0
	for i, l := range lines {
		if m := labelLine.FindString(l); m != "" {
			at[strings.TrimSuffix(m, ":")] = i
		}
		if strings.Contains(l, "mma.sync") {
			last = i
			if first < 0 {
				first = i
			}
		}
	}
	lo, hi := 0, len(lines)
	for i, l := range lines {
		if m := branchLine.FindStringSubmatch(l); m != nil {
			if j, ok := at[m[1]]; ok && j <= first && i >= last && i-j < hi-lo {
				lo, hi = j, i
			}
		}
	}
	if hi == len(lines) {
		t.Fatalf("%s: no loop around its mma", name)
	}
	for _, l := range lines[lo : hi+1] {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "//") || strings.HasPrefix(l, ".") || strings.HasPrefix(l, "$") || strings.HasPrefix(l, "{") || l == "}" {
			continue
		}
		c.all++
		switch {
		case strings.HasPrefix(l, "mma.sync"):
			c.mma++
		case strings.HasPrefix(l, "ldmatrix"):
			c.ldmatrix++
		case strings.HasPrefix(l, "cp.async.cg"):
			c.copies++
		}
	}
	return c
}

// cycles returns the clocks that a step of a block of warps needs of a multiprocessor's tensor
// cores, shared memory and schedulers.
func (c loopCounts) cycles(warps int, g gpu) (tensor, shared, issue float64) {
	w := float64(warps)
	tensor = w * float64(c.mma) * 16 * 8 * 16 / g.macs
	shared = w * float64(c.ldmatrix*512+c.copies*512) / g.shared
	return tensor, shared, w * float64(c.all) / g.issue
}

const fusedName = "gate, up, SwiGLU"

// TestRoofline keeps roofline.md consistent with the committed PTX.
func TestRoofline(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`# What bounds the heavy kernels

TestRoofline generates this file from the committed PTX (XRUN_UPDATE=1 go test ./kernels/cuda -run Roofline). It gives lower bounds of time,
from counted instructions and documented rates. They are neither measurements (measured.md has those of one GPU) nor predictions: they leave out
latency, bank conflicts (the tiles are swizzled to have none), dependences between instructions, clocks under load and the L2 cache. What ptxas
generates differs somewhat from the PTX, and counts of all instructions include rarely taken paths.

| GPU | multiprocessors | GHz | bf16 MAC/clock | shared B/clock | issued/clock | memory GB/s |
|---|--:|--:|--:|--:|--:|--:|
`)
	for _, g := range gpus {
		fmt.Fprintf(&b, "| %s | %d | %.2f | %.0f | %.0f | %.0f | %.0f |\n", g.name, g.multiprocessors, g.gigahertz, g.macs, g.shared, g.issue, g.memory/1e9)
	}
	b.WriteString(`
(rates per multiprocessor; TestRoofline cites their sources)

## A step of the main loop

The first columns count a warp's instructions in one step. The others give the clocks that all warps of the block need of one multiprocessor's
units. One mma is 16·8·16 = 2,048 multiply-adds; one ldmatrix.x4 reads 512 bytes of shared memory; one cp.async writes 16 bytes for each of 32
threads. A kernel can reach the tensor cores' rate only if the tensor column is the largest; "of peak" is its share of the largest column. L2 is
the bytes per clock that the copies then read from the cache.

`)
	type row struct {
		module, kernel string
		warps          int
	}
	rows := []row{}
	for _, l := range []layout{nt, nn, tn} {
		for _, tl := range []tile{largeTile, smallTile, narrowTile} {
			rows = append(rows, row{"gemm", "product_" + string(l) + "_" + tl.name, tl.threads / 32})
		}
	}
	for _, tl := range []tile{largeTile, smallTile, narrowTile, thinTile} {
		rows = append(rows, row{"gateup", "gateup_" + tl.name, tl.threads / 32})
	}
	rows = append(rows, row{"gemm", "product_nt_thin", thinTile.threads / 32}, row{"attention", "attention_bf16_64", 4},
		row{"attention_grad", "attention_dq_bf16_64", 4}, row{"attention_grad", "attention_dkv_bf16_64", 4})
	b.WriteString("| kernel | mma | ldmatrix | cp.async | all |")
	for _, g := range gpus {
		fmt.Fprintf(&b, " %s: tensor | shared | issue | of peak | L2 |", g.name)
	}
	b.WriteString("\n|---|--:|--:|--:|--:|" + strings.Repeat("--:|--:|--:|--:|--:|", len(gpus)) + "\n")
	counts := map[string]loopCounts{}
	for _, r := range rows {
		c := countLoop(t, r.module, r.kernel)
		if r.kernel == "attention_bf16_64" {
			const size, keys = 64, 64
			c.all = attentionStep(t, r.kernel, size)
			c.copies = 2 * keys * size * 2 / 16 / attentionThreads // of k and v, wherever the compiler begins the loop
		}
		counts[r.kernel] = c
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |", r.kernel, c.mma, c.ldmatrix, c.copies, c.all)
		for _, g := range gpus {
			x, s, i := c.cycles(r.warps, g)
			top := max(x, s, i)
			fmt.Fprintf(&b, " %.0f | %.0f | %.0f | %.0f %% | %.0f |", x, s, i, 100*x/top, float64(r.warps*c.copies*512)/top)
		}
		b.WriteString("\n")
	}
	b.WriteString(`
A step is 32 of k in large products, 64 in small and thin ones, 128 in narrow ones, 64 keys in attention, and 32 keys or rows in its gradients.
"all" counts the instructions of the loop; for attention_bf16_64, those that a warp executes on the interpreter for keys that all its rows see
(keys that some rows do not see take a separate path).

## Products of Qwen2.5-0.5B

A batch of 4 × 1,024 tokens; the head over 1,024 label rows; one token in generation. Blocks are distributed evenly over the multiprocessors: the
time is ⌈blocks/multiprocessors⌉ · steps · the largest column above, or the bytes of operands and result divided by the memory's rate, whichever is
more. "of peak" compares with the product's multiply-adds at the tensor cores' rate. Results take four bytes an element. Gate and up with SwiGLU
writes three results of two bytes if the gradient needs gate and up ("kept"), otherwise one. Two products and a SwiGLU would move five: each of the
three would be written, and the first two read again.

`)
	b.WriteString("| product | m × n × k | kernel | splits | blocks |")
	for _, g := range gpus {
		fmt.Fprintf(&b, " %s: µs | bound by | of peak |", g.name)
	}
	b.WriteString("\n|---|---|---|--:|--:|" + strings.Repeat("--:|---|--:|", len(gpus)) + "\n")
	const tokens, labels, hidden, mlp, kv, vocab = 4096, 1024, 896, 4864, 128, 151936
	type shape struct {
		name    string
		l       layout
		m, n, k int
		results int // bytes of an element of c, all results together
	}
	var shapes []shape
	for _, w := range []struct {
		name string
		n, k int
	}{{"q, o", hidden, hidden}, {"k, v", kv, hidden}, {"gate, up", mlp, hidden}, {"down", hidden, mlp}} {
		if w.n == mlp {
			shapes = append(shapes, shape{fusedName + ", kept", nt, tokens, 2 * mlp, hidden, 3}, shape{fusedName, nt, tokens, 2 * mlp, hidden, 1})
		} else {
			shapes = append(shapes, shape{w.name, nt, tokens, w.n, w.k, 4})
		}
		shapes = append(shapes, shape{w.name + ": input's gradient", nn, tokens, w.k, w.n, 4}, shape{w.name + ": weights' gradient", tn, w.n, w.k, tokens, 4})
	}
	shapes = append(shapes, shape{"head", nt, labels, vocab, hidden, 4}, shape{"head: input's gradient", nn, labels, hidden, vocab, 4},
		shape{"head: weights' gradient", tn, vocab, hidden, labels, 4},
		shape{"q, o, one token", nt, 1, hidden, hidden, 4}, shape{fusedName + ", one token", nt, 1, 2 * mlp, hidden, 1},
		shape{"down, one token", nt, 1, hidden, mlp, 4}, shape{"head, one token", nt, 1, vocab, hidden, 4})
	for _, s := range shapes { // of c that is gate and up side by side, results are of half as many elements
		p := product{layout: s.l, dtype: kernels.BF16, m: s.m, n: s.n, k: s.k, lda: 8, ldb: 8}
		tl, splits := p.tile(gpus[0].multiprocessors), p.splits()
		name := "product_" + string(s.l) + "_" + tl.name
		if strings.HasPrefix(s.name, fusedName) {
			name = "gateup_" + tl.name
		}
		blocks := tl.blocks(s.m, s.n) * splits
		steps := ceilDiv(s.k/splits, tl.k)
		fmt.Fprintf(&b, "| %s | %d × %d × %d | %s | %d | %d |", s.name, s.m, s.n, s.k, name, splits, blocks)
		for _, g := range gpus {
			x, sh, is := counts[name].cycles(tl.threads/32, g)
			each := max(x, sh, is)
			seconds := float64((blocks+g.multiprocessors-1)/g.multiprocessors*steps) * each / (g.gigahertz * 1e9)
			by := map[float64]string{is: "issue", sh: "shared", x: "tensor"}[each]
			size := float64(s.m*s.k+s.k*s.n)*2 + float64(s.m*s.n*s.results)*float64(2*splits-1)
			if m := size / g.memory; m > seconds {
				seconds, by = m, "memory"
			}
			peak := float64(s.m) * float64(s.n) * float64(s.k) / (g.macs * float64(g.multiprocessors) * g.gigahertz * 1e9)
			fmt.Fprintf(&b, " %s | %s | %.0f %% |", strconv.FormatFloat(seconds*1e6, 'f', 1, 64), by, 100*peak/seconds)
		}
		b.WriteString("\n")
	}
	if os.Getenv("XRUN_UPDATE") != "" {
		if err := os.WriteFile("roofline.md", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("roofline.md")
	if err != nil || !bytes.Equal(b.Bytes(), want) {
		t.Errorf("roofline.md is not of the committed PTX (%v); XRUN_UPDATE=1 writes it anew", err)
	}
}
