package ptx

// SIMD video instructions on bytes and halves, in the form without selectors and
// masks that compilers emit (PTX ISA 9.7.18).
const specVideo = `
vadd4.dtype(u32 s32).atype(u32 s32).btype(u32 s32)[.sat] : =u32, u32, u32, u32 @ video
vsub4.dtype(u32 s32).atype(u32 s32).btype(u32 s32)[.sat] : =u32, u32, u32, u32 @ video
vavrg4.dtype(u32 s32).atype(u32 s32).btype(u32 s32)[.sat] : =u32, u32, u32, u32 @ video
vabsdiff4.dtype(u32 s32).atype(u32 s32).btype(u32 s32)[.sat] : =u32, u32, u32, u32 @ video
vabsdiff4.dtype(u32 s32).atype(u32 s32).btype(u32 s32).add : =u32, u32, u32, u32 @ video
vmin4.dtype(u32 s32).atype(u32 s32).btype(u32 s32)[.sat] : =u32, u32, u32, u32 @ video
vmax4.dtype(u32 s32).atype(u32 s32).btype(u32 s32)[.sat] : =u32, u32, u32, u32 @ video
vadd2.dtype(u32 s32).atype(u32 s32).btype(u32 s32)[.sat] : =u32, u32, u32, u32 @ video
vsub2.dtype(u32 s32).atype(u32 s32).btype(u32 s32)[.sat] : =u32, u32, u32, u32 @ video
vavrg2.dtype(u32 s32).atype(u32 s32).btype(u32 s32)[.sat] : =u32, u32, u32, u32 @ video
vabsdiff2.dtype(u32 s32).atype(u32 s32).btype(u32 s32)[.sat] : =u32, u32, u32, u32 @ video
vabsdiff2.dtype(u32 s32).atype(u32 s32).btype(u32 s32).add : =u32, u32, u32, u32 @ video
vmin2.dtype(u32 s32).atype(u32 s32).btype(u32 s32)[.sat] : =u32, u32, u32, u32 @ video
vmax2.dtype(u32 s32).atype(u32 s32).btype(u32 s32)[.sat] : =u32, u32, u32, u32 @ video
`

func lowerVideo(l *lowerer, m *match) {
	width := 8
	if m.op[len(m.op)-1] == '2' {
		width = 16
	}
	op := m.op[1 : len(m.op)-1]
	as, bs, ds := m.typ("atype").isSigned(), m.typ("btype").isSigned(), m.typ("dtype").isSigned()
	sat, sum := m.has("sat"), m.has("add")
	lo, hi := int64(0), int64(1)<<width-1
	if ds {
		lo, hi = -1<<(width-1), 1<<(width-1)-1
	}
	ext := func(v uint64, signed bool) int64 {
		if signed {
			return sx(v, width)
		}
		return int64(v & widthMask(width))
	}
	l.op3(m, nil, func(a, b, c uint64) uint64 {
		var out uint64
		total := c
		for i := 0; i < 32; i += width {
			x, y := ext(a>>i, as), ext(b>>i, bs)
			var v int64
			switch op {
			case "add":
				v = x + y
			case "sub":
				v = x - y
			case "avrg":
				v = (x + y + 1) >> 1
			case "absdiff":
				v = max(x-y, y-x)
			case "min":
				v = min(x, y)
			case "max":
				v = max(x, y)
			}
			if sat {
				v = max(lo, min(hi, v))
			}
			total += uint64(v)
			out |= uint64(v) & widthMask(width) << i
		}
		if sum {
			return total & 0xffffffff
		}
		return out
	})
}
