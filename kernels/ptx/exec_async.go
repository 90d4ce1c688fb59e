package ptx

import (
	"math/bits"
	"strings"
)

// asyncCopy is one pending copy of a lane.
type asyncCopy struct {
	dst  int64
	n    int
	data [16]byte
}

// asyncCopies holds a warp's copies in flight, by lane.
type asyncCopies [lanes]laneCopies

// laneCopies holds copies in order. groups holds the end of each committed group; the
// copies after the last end belong to the group being filled.
type laneCopies struct {
	copies []asyncCopy
	groups []int
	landed int // copies of the lane that have landed
}

func (a *asyncCopies) reset() {
	for l := range a {
		a[l] = laneCopies{copies: a[l].copies[:0], groups: a[l].groups[:0]}
	}
}

// commit closes the lane's group. Groups may be empty.
func (q *laneCopies) commit() { q.groups = append(q.groups, len(q.copies)) }

// wait completes the copies of all groups except the latest keep groups.
func (q *laneCopies) wait(w *warp, lane, keep int) {
	done := len(q.groups) - keep
	if done <= 0 {
		return
	}
	n := q.groups[done-1]
	q.groups = q.groups[:copy(q.groups, q.groups[done:])]
	q.land(w, lane, n)
}

// land lands the first n copies.
func (q *laneCopies) land(w *warp, lane, n int) {
	if n <= 0 {
		return
	}
	for i := range q.copies[:n] {
		w.land(lane, &q.copies[i])
	}
	q.copies = q.copies[:copy(q.copies, q.copies[n:])]
	q.landed += n
	for i := range q.groups {
		q.groups[i] = max(q.groups[i]-n, 0)
	}
}

type cpAsync struct {
	dst, src access
	srcSlot  int32
	srcImm   int64
	size     int   // source bytes, if the operand is missing
	sizeSlot int32 // or -1
	ignore   int32 // predicate, or -1
	negate   bool
}

func lowerCpAsync(l *lowerer, m *match) {
	args := m.in.args
	if m.has("hint") {
		last := &args[len(args)-1]
		if err := l.checkArg(m, &argSpec{typ: "b64"}, last); err != nil || len(args) < 4 {
			l.fail(m.in.pos, "cp.async with a cache hint lacks its policy")
		}
		args = l.hinted(m)
	}
	n := int64(args[2].bits)
	if n != 16 && (m.get("cop") == "cg" || n != 4 && n != 8) {
		l.fail(args[2].pos, "cp.async.%s of %s bytes", m.get("cop"), args[2].text)
	}
	x := &cpAsync{size: int(n), sizeSlot: -1, ignore: -1}
	x.dst = access{size: int(n), n: 1, bytes: int(n)}
	x.src = access{size: int(n), n: 1, bytes: int(n)}
	in := instr{run: cpAsyncRun, x: x, d: l.sink}
	var src instr
	l.addressOf(&args[0], spaceShared, &in, &x.dst)
	l.addressOf(&args[1], spaceGlobal, &src, &x.src)
	x.srcSlot, x.srcImm = src.a, src.imm
	rest := args[3:]
	if len(rest) > 0 && rest[0].kind == argReg && rest[0].reg.typ == tPred {
		x.ignore, x.negate = l.predSource(&rest[0])
		rest = rest[1:]
	} else if len(rest) > 0 {
		if err := l.checkArg(m, &argSpec{typ: "u32"}, &rest[0]); err != nil {
			panic(err)
		}
		if rest[0].kind == argInt && rest[0].bits > uint64(n) {
			l.fail(rest[0].pos, "source size %s exceeds the copy's %d bytes", rest[0].text, n)
		}
		x.sizeSlot = l.source(&rest[0], tU32)
		rest = rest[1:]
	}
	if len(rest) > 0 {
		l.fail(rest[0].pos, "cp.async: operand %s is not allowed here", rest[0].text)
	}
	l.emit(in)
}

func cpAsyncRun(w *warp, in *instr) {
	x := in.x.(*cpAsync)
	var g globalAccess
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		n := x.size
		if x.sizeSlot >= 0 {
			v := w.regs[x.sizeSlot][l]
			if v > uint64(x.size) {
				w.fault(BadOperand, l, "source size %d exceeds the copy's %d bytes", v, x.size)
			}
			n = int(v)
		}
		if x.ignore >= 0 && (w.preds[x.ignore]>>l&1 != 0) != x.negate {
			n = 0
		}
		c := asyncCopy{dst: int64(x.dst.addr(w, in, l)), n: x.size}
		if n > 0 {
			src := w.regs[x.srcSlot][l] + uint64(x.srcImm)
			if src&uint64(x.size-1) != 0 {
				w.memFault(Misaligned, l, spaceGlobal, src, "an asynchronous copy of %d bytes", x.size)
			}
			// Bytes past the source size are not read; they become zero.
			for at := 0; at < n; {
				if at == 0 && n == x.size {
					if b := g.view(w, &x.src, src, false); b != nil {
						copy(c.data[:], b)
						break
					}
				}
				step := 1
				for step*2 <= n-at && at&step == 0 {
					step *= 2
				}
				step = min(step, 1<<bits.TrailingZeros(uint(at|16)))
				copy(c.data[at:], w.globalView(&x.src, l, src+uint64(at), step, accessRead))
				at += step
			}
		}
		if c.dst&int64(x.size-1) != 0 {
			w.memFault(Misaligned, l, spaceShared, uint64(c.dst), "an asynchronous copy of %d bytes", x.size)
		}
		if c.dst+int64(x.size) > int64(len(w.block.shared)) {
			w.memFault(OutOfBounds, l, spaceShared, uint64(c.dst), "an asynchronous copy of %d bytes, the block has %d", x.size, len(w.block.shared))
		}
		w.block.shadow.pending(w, l, c.dst, x.size)
		poison := w.block.shared[c.dst : c.dst+int64(x.size)]
		for i := range poison {
			poison[i] = 0xff
		}
		w.async[l].copies = append(w.async[l].copies, c)
	}
}

func lowerCpCommit(l *lowerer, m *match) {
	l.emit(instr{d: l.sink, run: func(w *warp, in *instr) {
		for m := w.mask; m != 0; m &= m - 1 {
			w.async[bits.TrailingZeros32(m)&31].commit()
		}
	}})
}

func lowerCpWait(l *lowerer, m *match) {
	keep, all := 0, strings.HasSuffix(m.text, "wait_all : @ cpwait")
	if !all {
		keep = int(m.in.args[0].bits)
	}
	l.emit(instr{d: l.sink, run: func(w *warp, in *instr) {
		for m := w.mask; m != 0; m &= m - 1 {
			lane := bits.TrailingZeros32(m) & 31
			if all {
				w.async[lane].commit()
			}
			w.async[lane].wait(w, lane, keep)
		}
	}})
}

// land makes a copy's bytes visible to its thread.
func (w *warp) land(lane int, c *asyncCopy) {
	copy(w.block.shared[c.dst:], c.data[:c.n])
	w.block.shadow.landed(w, lane, c.dst, c.n)
}

// exit completes the copies of lanes that exit.
func (a *asyncCopies) exit(w *warp, mask uint32) {
	for m := mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		a[l].commit()
		a[l].wait(w, l, 0)
	}
}
