package drivertest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"xrun/kernels/cuda"
)

func checkDevice(h *harness) {
	d := h.Device()
	if d.Name == "" || d.Major < 8 || d.Multiprocessors < 1 || d.SharedPerBlock < 99<<10 || d.Memory <= 0 {
		h.errorf("an unlikely device: %+v", d)
	}
}

func checkMemory(h *harness) {
	for _, n := range []int64{0, -1} {
		_, err := h.Alloc(n)
		h.refused("allocating nothing", err, "allocating")
	}
	var all []cuda.Address
	for _, n := range []int64{1, 3, 256, 257, 4096, 1 << 20} {
		a := h.alloc(n)
		if a == 0 || a%256 != 0 {
			h.errorf("%d bytes are at %#x", n, a)
		}
		for _, b := range all {
			if a == b {
				h.errorf("two allocations are at %#x", a)
			}
		}
		all = append(all, a)
	}
	for _, a := range all {
		h.ok("freeing", h.Free(a))
	}
	h.ok("freeing no address", h.Free(0))

	b := h.allocHost(1000)
	if len(b) != 1000 {
		h.errorf("host memory of %d bytes for 1000", len(b))
	}
	for i := range b {
		b[i] = byte(i)
	}
	h.ok("freeing host memory", h.FreeHost(b))
	h.ok("freeing no host memory", h.FreeHost(nil))
	h.refused("freeing Go's memory", h.FreeHost(make([]byte, 8)), "AllocHost")
}

func checkCopies(h *harness) {
	const n = 10007
	src := h.allocHost(n)
	for i := range src {
		src[i] = byte(i*i>>3 + i)
	}
	want := bytes.Clone(src)
	a, b := h.alloc(n), h.alloc(n)
	h.ok("copying in", h.CopyIn(h.stream, a, src))
	h.ok("copying on the device", h.CopyDevice(h.stream, b, a, n))
	if got := h.download(b, n); !bytes.Equal(got, want) {
		h.errorf("copied in, over and out: differs")
	}
	// Odd offsets and lengths.
	h.ok("zeroing", h.Zero(h.stream, b+13, 101))
	h.ok("copying in", h.CopyIn(h.stream, b+1001, src[7:24]))
	h.ok("copying on the device", h.CopyDevice(h.stream, b+2001, a+5, 33))
	clear(want[13:114])
	copy(want[1001:], src[7:24])
	copy(want[2001:], src[5:38])
	if got := h.download(b, n); !bytes.Equal(got, want) {
		h.errorf("copied at odd places: differs")
	}
	if got := h.download(b+13, 5); !bytes.Equal(got, make([]byte, 5)) {
		h.errorf("copied out of the middle: %v", got)
	}
	h.ok("copying nothing in", h.CopyIn(h.stream, a, nil))
	h.ok("copying nothing out", h.CopyOut(h.stream, nil, a))
	h.ok("copying nothing over", h.CopyDevice(h.stream, a, b, 0))
	h.ok("zeroing nothing", h.Zero(h.stream, a, 0))
	h.sync()
}

func checkArguments(h *harness) {
	f := h.function("arguments", 0)
	out := h.alloc(40)
	h.ok("zeroing", h.Zero(h.stream, out, 40))
	h.ok("launching", h.Launch(h.stream, f, cuda.Dim{}, cuda.Dim{}, 0,
		out, int32(-5), uint32(0xdeadbeef), int64(-1<<40), uint64(1<<63+1), float32(-1.5), math.Pi))
	var want []byte
	le := binary.LittleEndian
	want = le.AppendUint32(want, 0xfffffffb)
	want = le.AppendUint32(want, 0xdeadbeef)
	want = le.AppendUint64(want, 0xffffff0000000000)
	want = le.AppendUint64(want, 1<<63+1)
	want = le.AppendUint32(want, math.Float32bits(-1.5))
	want = le.AppendUint32(want, 0)
	want = le.AppendUint64(want, math.Float64bits(math.Pi))
	if got := h.download(out, 40); !bytes.Equal(got, want) {
		h.errorf("arguments arrive as\n% x, want\n% x", got, want)
	}
	h.refused("launching with an int", h.Launch(h.stream, f, cuda.Dim{}, cuda.Dim{}, 0,
		out, 5, uint32(0), int64(0), uint64(0), float32(0), 0.0), "argument 1 is a int")
}

func checkShapes(h *harness) {
	f := h.function("shape", 0)
	for _, s := range [][2]cuda.Dim{{{}, {}}, {{X: 3}, {X: 64}}, {{X: 3, Y: 2, Z: 2}, {X: 5, Y: 2, Z: 3}}, {{Z: 4}, {Y: 7}}} {
		g, b := s[0].Norm(), s[1].Norm()
		blocks, threads := g.X*g.Y*g.Z, b.X*b.Y*b.Z
		out := h.alloc(int64(4 * blocks * threads))
		h.ok("launching", h.Launch(h.stream, f, s[0], s[1], 0, out))
		for i, w := range h.downloadWords(out, blocks*threads) {
			if want := uint32(i/threads*1000 + i%threads); w != want {
				h.errorf("grid %v, block %v: thread %d of block %d stores %d", g, b, i%threads, i/threads, w)
				break
			}
		}
		h.ok("freeing", h.Free(out))
	}
}

func checkShared(h *harness) {
	for _, bytes := range []int{16, 4096, 48 << 10, 96 << 10, h.Device().SharedPerBlock &^ 3} {
		f := h.function("reverse", bytes)
		n := bytes / 4
		out := h.alloc(int64(bytes))
		h.ok("launching", h.Launch(h.stream, f, cuda.Dim{}, cuda.Dim{X: 64}, bytes, out, uint32(n)))
		for i, w := range h.downloadWords(out, n) {
			if int(w) != n-1-i {
				h.errorf("%d bytes of shared memory: word %d is %d", bytes, i, w)
				break
			}
		}
		h.ok("freeing", h.Free(out))
	}
	m := must(h, "loading", func() (cuda.Module, error) { return h.Load("kernels.ptx", kernels) })
	_, err := h.Function(m, "reverse", h.Device().SharedPerBlock+4)
	h.refused("more shared memory than there is", err, "reverse needs")
}

// step computes the result of the kernel of that name.
func step(x []uint32, add uint32) {
	for i := range x {
		x[i] = x[i]*3 + add
	}
}

func checkOrder(h *harness) {
	const n = 100
	f := h.function("step", 0)
	want := make([]uint32, n)
	for i := range want {
		want[i] = uint32(i)
	}
	a := h.upload(want...)
	b := h.alloc(4 * n)
	for i := range uint32(40) {
		h.ok("launching", h.Launch(h.stream, f, cuda.Dim{X: 4}, cuda.Dim{X: 32}, 0, a, uint32(n), i))
		step(want, i)
		switch i % 10 {
		case 3:
			h.ok("zeroing", h.Zero(h.stream, a, 40))
			clear(want[:10])
		case 7:
			h.ok("copying", h.CopyDevice(h.stream, b, a, 4*n))
			h.ok("launching", h.Launch(h.stream, f, cuda.Dim{X: 4}, cuda.Dim{X: 32}, 0, a, uint32(n), uint32(9)))
			h.ok("copying", h.CopyDevice(h.stream, a, b, 4*n))
		}
	}
	if got := h.downloadWords(a, n); !slices.Equal(got, want) {
		h.errorf("work of one stream does not run in order")
	}
}

func checkEvents(h *harness) {
	const n, rounds = 64, 30
	f := h.function("step", 0)
	other := must(h, "making a stream", h.NewStream)
	copied := must(h, "making an event", h.NewEvent)
	computed := must(h, "making an event", h.NewEvent)
	never := must(h, "making an event", h.NewEvent)
	h.ok("waiting for what was never recorded", h.Wait(h.stream, never))
	want := make([]uint32, n)
	a := h.upload(want...)
	in, out := h.allocHost(4*n), h.allocHost(4*n)
	launch := func(s cuda.Stream, add uint32) {
		h.ok("launching", h.Launch(s, f, cuda.Dim{X: 1}, cuda.Dim{X: n}, 0, a, uint32(n), add))
		step(want, add)
	}
	// The memory goes from stream to stream and to the host and back; each hand-over is an event.
	for i := range uint32(rounds) {
		launch(h.stream, i)
		h.ok("recording", h.Record(computed, h.stream))
		h.ok("waiting", h.Wait(other, computed))
		launch(other, 2*i+1)
		h.ok("copying out", h.CopyOut(other, out, a))
		h.ok("recording", h.Record(copied, other))
		if i%3 == 0 {
			h.ok("waiting on the host", h.SynchronizeEvent(copied))
			if got := words(out); !slices.Equal(got, want) {
				h.errorf("round %d: after an event the host sees %d, want %d", i, got[0], want[0])
				return
			}
			for j := range want {
				want[j] += uint32(j)
				binary.LittleEndian.PutUint32(in[4*j:], want[j])
			}
			h.ok("copying in", h.CopyIn(other, a, in))
			h.ok("recording", h.Record(copied, other))
		}
		h.ok("waiting", h.Wait(h.stream, copied))
	}
	if got := h.downloadWords(a, n); !slices.Equal(got, want) {
		h.errorf("two streams ordered by events give %d, want %d", got[0], want[0])
	}
}

func checkTime(h *harness) {
	f := h.function("step", 0)
	a := h.upload(make([]uint32, 32)...)
	start, end := must(h, "making an event", h.NewEvent), must(h, "making an event", h.NewEvent)
	h.ok("recording", h.Record(start, h.stream))
	h.ok("launching", h.Launch(h.stream, f, cuda.Dim{}, cuda.Dim{X: 32}, 0, a, uint32(32), uint32(1)))
	h.ok("recording", h.Record(end, h.stream))
	h.ok("waiting", h.SynchronizeEvent(end))
	ms, err := h.Elapsed(start, end)
	h.ok("reading the time", err)
	if !(ms >= 0 && ms < 60000) {
		h.errorf("a small kernel takes %g ms", ms)
	}
}

func checkBadPTX(h *harness) {
	for name, text := range map[string][]byte{
		"empty.ptx":       nil,
		"garbage.ptx":     []byte("\x7fELF is not PTX"),
		"truncated.ptx":   kernels[:len(kernels)-200],
		"zero.ptx":        append(bytes.Clone(kernels), 0, 'x'),
		"instruction.ptx": bytes.Replace(kernels, []byte("mad.lo.s32 "), []byte("mad.lo.s33 "), 1),
		"version.ptx":     bytes.Replace(kernels, []byte(".version 7.0"), []byte(".version 99.0"), 1),
		"target.ptx":      bytes.Replace(kernels, []byte("sm_80"), []byte("sm_999"), 1),
	} {
		_, err := h.Load(name, text)
		h.refused("loading "+name, err, name)
	}
	checkOrder(h)
}

func checkMissingKernel(h *harness) {
	m := must(h, "loading", func() (cuda.Module, error) { return h.Load("kernels.ptx", kernels) })
	_, err := h.Function(m, "no_such_kernel", 0)
	h.refused("a kernel that is not there", err, "no_such_kernel")
	checkOrder(h)
}

func checkBadLaunches(h *harness) {
	f := h.function("shape", 0)
	out := h.alloc(1 << 16)
	h.refused("1025 threads", h.Launch(h.stream, f, cuda.Dim{}, cuda.Dim{X: 1025}, 0, out), "shape")
	h.refused("a deep block", h.Launch(h.stream, f, cuda.Dim{}, cuda.Dim{Z: 65}, 0, out), "shape")
	h.refused("a tall grid", h.Launch(h.stream, f, cuda.Dim{Y: 65536}, cuda.Dim{}, 0, out), "shape")
	h.sync()
	checkOrder(h)
}

func checkOutOfMemory(h *harness) {
	var oom *cuda.OutOfMemoryError
	if _, err := h.Alloc(1 << 50); !errors.As(err, &oom) {
		h.errorf("2^50 bytes: %v", err)
	} else if oom.Asked != 1<<50 || oom.Total <= 0 || oom.Host {
		h.errorf("2^50 bytes: %+v", oom)
	}
	if _, err := h.AllocHost(1 << 46); !errors.As(err, &oom) || !oom.Host {
		h.errorf("2^46 bytes of host memory: %v", err)
	}
	checkOrder(h)
}

func checkBounds(h *harness) {
	a, c, b := h.alloc(100), h.alloc(200), h.allocHost(200)
	h.refused("copying in past the end", h.CopyIn(h.stream, a, b[:101]), "101 bytes")
	h.refused("copying in before the start", h.CopyIn(h.stream, a-1, b[:1]), "1 bytes")
	h.refused("copying out past the end", h.CopyOut(h.stream, b[:100], a+1), "100 bytes")
	h.refused("copying over past the end", h.CopyDevice(h.stream, a, c, 101), "101 bytes")
	h.refused("copying over from past the end", h.CopyDevice(h.stream, c, a, 101), "101 bytes")
	h.refused("zeroing past the end", h.Zero(h.stream, c+100, 101), "101 bytes")
	h.ok("freeing", h.Free(a))
	h.refused("zeroing what was freed", h.Zero(h.stream, a, 4), "4 bytes")
	h.refused("freeing twice", h.Free(a), "")
	h.sync()
}

func checkLocked(h *harness) {
	a := h.alloc(100)
	h.refused("copying from Go's memory", h.CopyIn(h.stream, a, make([]byte, 100)), "copying 100 bytes")
	h.refused("copying to Go's memory", h.CopyOut(h.stream, make([]byte, 100), a), "copying 100 bytes")
	b := h.allocHost(100)
	clear(b)
	h.ok("copying", h.CopyIn(h.stream, a, b))
	b[50] = 1
	h.refused("a source that changes while it is copied", h.Synchronize(h.stream), "")
}

func checkMisfits(h *harness) {
	f := h.function("step", 0)
	a := h.alloc(4)
	h.refused("too few", h.Launch(h.stream, f, cuda.Dim{}, cuda.Dim{}, 0, a), "step")
	h.refused("too wide", h.Launch(h.stream, f, cuda.Dim{}, cuda.Dim{}, 0, a, int64(1), uint32(1)), "step")
	h.refused("shared memory not asked for", h.Launch(h.stream, f, cuda.Dim{}, cuda.Dim{}, 64, a, int32(1), uint32(1)), "step")
}

func checkTrap(h *harness) { checkFault(h, "trapping") }
func checkWild(h *harness) { checkFault(h, "wild") }

// checkFault runs a kernel that fails, between others.
func checkFault(h *harness, name string) {
	step, bad := h.function("step", 0), h.function(name, 0)
	a := h.upload(1)
	h.ok("launching", h.Launch(h.stream, step, cuda.Dim{}, cuda.Dim{}, 0, a, uint32(1), uint32(1)))
	h.ok("launching", h.Launch(h.stream, bad, cuda.Dim{}, cuda.Dim{}, 0))
	err := h.Synchronize(h.stream)
	h.refused("waiting for a kernel that fails", err, name)
	h.refused("launching after a failure", h.Launch(h.stream, step, cuda.Dim{}, cuda.Dim{}, 0, a, uint32(1), uint32(1)), name)
	h.refused("synchronizing after a failure", h.Synchronize(h.stream), name)
	_, err = h.Alloc(4)
	h.refused("allocating after a failure", err, name)
}
