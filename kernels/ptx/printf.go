package ptx

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
)

// callPrintf is vprintf(format, arguments): each lane's line goes to
// Config.Output.
func callPrintf(w *warp, c *callInfo) {
	out := w.block.run.cfg.Output
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m)
		format, args := w.argument(c.args[0], l), w.argument(c.args[1], l)
		text, n := w.format(l, format, args)
		if out != nil {
			dev := w.block.run.dev
			dev.printMu.Lock()
			fmt.Fprint(out, text)
			dev.printMu.Unlock()
		}
		if len(c.results) > 0 {
			w.result(c.results[0], l, uint64(uint32(n)))
		}
	}
}

// argument returns a call's argument of a lane.
func (w *warp) argument(a callArg, lane int) uint64 {
	if a.v == nil {
		return w.regs[a.slot][lane]
	}
	f := w.frame
	at := int64(lane)*f.fn.paramFrame + a.v.offset
	return get(f.params[at : at+a.v.size])
}

// result stores a call's result of a lane.
func (w *warp) result(a callArg, lane int, v uint64) {
	f := w.frame
	if a.v == nil {
		w.regs[a.slot][lane] = v
		f.mark(a.slot, 1<<lane)
		return
	}
	at := int64(lane)*f.fn.paramFrame + a.v.offset
	copy(f.params[at:at+a.v.size], put(v, int(a.v.size)))
	f.pset.set(at, a.v.size)
}

// text reads a NUL-terminated string.
func (w *warp) text(lane int, addr uint64) string {
	var b strings.Builder
	for x := (access{}); b.Len() < 1<<16; addr++ {
		c := w.view(&x, lane, addr, 1, accessRead)[0]
		if c == 0 {
			break
		}
		b.WriteByte(c)
	}
	return b.String()
}

// format applies a C format to arguments in a buffer, each aligned to its size, with floats
// as doubles. It also returns the number of arguments.
func (w *warp) format(lane int, format, args uint64) (string, int) {
	f := w.text(lane, format)
	var b strings.Builder
	n := 0
	x := access{}
	next := func(size uint64) uint64 {
		args = (args + size - 1) &^ (size - 1)
		v := get(w.view(&x, lane, args, int(size), accessRead))
		args += size
		n++
		return v
	}
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			b.WriteByte(f[i])
			continue
		}
		j := i + 1
		spec := "%"
		for j < len(f) && strings.IndexByte("-+ #0123456789.*", f[j]) >= 0 {
			if f[j] == '*' {
				spec += fmt.Sprint(int32(next(4)))
			} else {
				spec += f[j : j+1]
			}
			j++
		}
		size := uint64(4)
		for j < len(f) && strings.IndexByte("hljztL", f[j]) >= 0 {
			if f[j] != 'h' {
				size = 8
			}
			j++
		}
		if j == len(f) {
			b.WriteString(f[i:])
			break
		}
		signed := func() int64 {
			if size == 8 {
				return int64(next(8))
			}
			return int64(int32(next(4)))
		}
		switch c := f[j]; c {
		case '%':
			b.WriteByte('%')
		case 'd', 'i':
			fmt.Fprintf(&b, spec+"d", signed())
		case 'u':
			fmt.Fprintf(&b, spec+"d", next(size))
		case 'x', 'X', 'o':
			fmt.Fprintf(&b, spec+string(c), next(size))
		case 'c':
			fmt.Fprintf(&b, spec+"c", rune(next(4)&0xff))
		case 's':
			fmt.Fprintf(&b, spec+"s", w.text(lane, next(8)))
		case 'p':
			fmt.Fprintf(&b, spec+"s", fmt.Sprintf("%#x", next(8)))
		case 'e', 'E', 'f', 'F', 'g', 'G':
			fmt.Fprintf(&b, spec+string(c), math.Float64frombits(next(8)))
		default:
			w.fault(BadOperand, lane, "vprintf: unknown conversion %q", f[i:j+1])
		}
		i = j
	}
	return b.String(), n
}

// callAssert is __assertfail(message, file, line, function, size).
func callAssert(w *warp, c *callInfo) {
	l := bits.TrailingZeros32(w.mask)
	msg := ""
	if len(c.args) >= 4 {
		msg = fmt.Sprintf("%s:%d: assertion failed: %s", w.text(l, w.argument(c.args[1], l)), w.argument(c.args[2], l), w.text(l, w.argument(c.args[0], l)))
	}
	w.fault(Trapped, l, "%s", msg)
}
