package enginetest

import (
	"math"

	"xrun/kernels"
)

func checkTensors(h *harness) {
	for _, t := range types {
		for _, s := range [][2]int{{0, 0}, {0, 5}, {1, 1}, {3, 7}, {17, 65}, {1000, 3}} {
			h.in("%v %v", t, s)
			x := h.New(t, s[0], s[1])
			h.same("new", x, make([]float64, s[0]*s[1]))
			h.Free(x)

			m := h.uniform(t, s[0], s[1], 1)
			if m.t.DType() != t || m.t.Rows() != s[0] || m.t.Cols() != s[1] {
				h.errorf("is %v [%d, %d]", m.t.DType(), m.t.Rows(), m.t.Cols())
			}
			lo, hi := s[0]/3, s[0]-s[0]/4
			view := m.t.Slice(lo, hi)
			h.same("slice", view, m.v[lo*s[1]:hi*s[1]])
			// A view shares memory.
			h.Write(view, make([]float32, (hi-lo)*s[1]))
			clear(m.v[lo*s[1] : hi*s[1]])
			h.same("written through a view", m.t, m.v)
			h.same("slice of a slice", view.Slice(0, (hi-lo)/2), make([]float64, (hi-lo)/2*s[1]))
		}
	}
}

// checkRounding compares rounding to bfloat16 with its definition: ties,
// denormals, overflow, NaN.
func checkRounding(h *harness) {
	in := []uint32{0, 1 << 31, 0x3f800000, 0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 1, 0x8000, 0x8001, 0x18000,
		0x007fffff, 0x00800000, 0x7f7fffff, 0x7f7f7fff, 0x7f7f8000, 0xff7fffff, 0x7f800000, 0xff800000, 0x7f800001, 0x7fc00000, 0xffffffff}
	f := make([]float32, len(in))
	want := make([]float64, len(in))
	for i, u := range in {
		f[i] = math.Float32frombits(u)
		want[i] = toBF16(float64(f[i]))
		if f[i] != f[i] {
			want[i] = math.NaN()
		}
	}
	m := h.tensor(kernels.BF16, 1, len(in), f)
	h.same("write", m.t, want)
	d := h.dirty(kernels.BF16, 1, len(in))
	h.Convert(d, h.tensor(kernels.F32, 1, len(in), f).t)
	h.same("convert", d, want)
}

func checkConvertAdd(h *harness) {
	for _, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 5000, 70001} {
		for _, a := range types {
			for _, b := range types {
				h.in("%v to %v, %d", b, a, n)
				src := h.uniform(b, 1, n, 3)
				dst := h.dirty(a, 1, n)
				h.Convert(dst, src.t)
				h.same("convert", dst, operand(src.v, a))
			}
		}
		h.in("%d", n)
		x, y := h.uniform(kernels.F32, n, 3, 1), h.uniform(kernels.F32, n, 3, 1)
		h.Add(x.t, y.t)
		want := make([]float64, 3*n)
		for i := range want {
			want[i] = float64(float32(x.v[i]) + float32(y.v[i]))
		}
		h.same("add", x.t, want)
	}
}

// ids returns n numbers below table, with repetitions.
func (h *harness) ids(n, table int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(h.random.Below(uint64(table)))
	}
	return ids
}

// distinct returns n different numbers below table.
func (h *harness) distinct(n, table int) []int32 {
	all := make([]int32, table)
	for i := range all {
		j := h.random.Below(uint64(i + 1))
		all[i], all[j] = all[j], int32(i)
	}
	return all[:n]
}

func checkEmbed(h *harness) {
	for _, s := range [][3]int{{0, 5, 3}, {1, 1, 1}, {7, 5, 9}, {33, 100, 64}, {200, 17, 65}} {
		n, vocab, hidden := s[0], s[1], s[2]
		table := h.uniform(kernels.F32, vocab, hidden, 1)
		ids := h.ids(n, vocab)
		for _, t := range types {
			h.in("%v as %v", s, t)
			dst := h.dirty(kernels.F32, n, hidden)
			h.Embed(dst, table.t, ids, t)
			want := make([]float64, 0, n*hidden)
			for _, id := range ids {
				want = append(want, operand(table.v[int(id)*hidden:(int(id)+1)*hidden], t)...)
			}
			h.same("embed", dst, want)
		}

		h.in("%v", s)
		d := h.uniform(kernels.F32, n, hidden, 1)
		rows := h.dirty(kernels.F32, vocab, hidden)
		want := newResult(vocab * hidden)
		h.EmbedGrad(rows, d.t, ids, false)
		add := func() {
			for i, id := range ids {
				for j := range hidden {
					want.add(int(id)*hidden+j, d.at(i, j))
				}
			}
		}
		add()
		h.near("embed gradient", rows, want, h.tol.Chain)
		h.EmbedGrad(rows, d.t, ids, true)
		add()
		h.near("embed gradient, carried", rows, want, h.tol.Chain)
	}
}

func checkRows(h *harness) {
	for _, t := range types {
		for _, s := range [][3]int{{0, 4, 3}, {1, 1, 1}, {5, 9, 7}, {9, 9, 64}, {40, 300, 33}} {
			n, table, cols := s[0], s[1], s[2]
			h.in("%v %v", t, s)
			src, few := h.uniform(t, table, cols, 1), h.uniform(t, n, cols, 1)
			h.movesRows(src, few, h.ids(n, table), h.distinct(n, table), h.dirty(t, n, cols), h.dirty(t, table, cols))
		}
	}
}

// movesRows gathers the rows ids of src into dst, scatters the rows of few to the rows places
// of all, and adds them to the same rows of src.
func (h *harness) movesRows(src, few matrix, ids, places []int32, dst, all kernels.Tensor) {
	cols := src.t.Cols()
	h.GatherRows(dst, src.t, ids)
	var want []float64
	for _, id := range ids {
		want = append(want, src.v[int(id)*cols:][:cols]...)
	}
	h.same("gathered", dst, want)

	h.ScatterRows(all, few.t, places)
	want = make([]float64, all.Rows()*cols)
	for i, id := range places {
		copy(want[int(id)*cols:], few.v[i*cols:][:cols])
	}
	h.same("scattered", all, want)
	if src.t.DType() == kernels.BF16 {
		return
	}
	h.AddRows(src.t, few.t, places)
	for i, id := range places {
		for j := range cols {
			k := int(id)*cols + j
			src.v[k] = float64(float32(src.v[k]) + float32(few.at(i, j)))
		}
	}
	h.same("added", src.t, src.v)
}
