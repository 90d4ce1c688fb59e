// Package drivertest holds the conformance tests that every cuda.Driver must pass.
// They check exactly what the engine relies on. The kernels they launch are in
// kernels.ptx.
//
// Most readers need two calls: [Run] from a test, or [Checks] from a program
// that tests the machine it runs on.
package drivertest

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"xrun/kernels/cuda"
)

//go:embed kernels.ptx
var kernels []byte

// Check is one conformance test.
type Check struct {
	Name string
	// Strict checks make mistakes that a real driver need not detect.
	Strict bool
	// Fatal checks make a kernel fail, after which the process can no longer use a
	// GPU: "the process must be terminated and relaunched" (CUDA's driver API, about
	// its result 719).
	Fatal bool
	run   func(h *harness)
}

// Checks returns all conformance tests in a fixed order, fatal ones last.
func Checks() []Check {
	return []Check{
		{Name: "device", run: checkDevice},
		{Name: "memory", run: checkMemory},
		{Name: "copies", run: checkCopies},
		{Name: "arguments", run: checkArguments},
		{Name: "shapes", run: checkShapes},
		{Name: "shared memory", run: checkShared},
		{Name: "order in a stream", run: checkOrder},
		{Name: "order by events", run: checkEvents},
		{Name: "time", run: checkTime},
		{Name: "bad PTX", run: checkBadPTX},
		{Name: "missing kernel", run: checkMissingKernel},
		{Name: "bad launches", run: checkBadLaunches},
		{Name: "out of memory", run: checkOutOfMemory},
		{Name: "bounds of copies", Strict: true, run: checkBounds},
		{Name: "page-locked memory", Strict: true, run: checkLocked},
		{Name: "arguments that do not fit", Strict: true, run: checkMisfits},
		{Name: "a kernel that traps", Fatal: true, run: checkTrap},
		{Name: "a kernel that writes anywhere", Fatal: true, run: checkWild},
	}
}

// Run runs the check on a driver and returns the problems found. The driver stays
// usable unless the check is fatal.
func (c Check) Run(d cuda.Driver) (problems []string) {
	h := &harness{Driver: d}
	defer func() {
		if r := recover(); r != nil && r != any(stop{}) {
			h.errorf("panic: %v", r)
		}
		problems = h.problems
	}()
	h.stream = must(h, "making a stream", d.NewStream)
	c.run(h)
	return
}

// Options of [Run].
type Options struct {
	Strict bool // run the strict checks too
	Apart  bool // run each fatal check in a process of its own
}

// ApartVariable is set in the environment of a process that runs one fatal check.
const ApartVariable = "XRUN_FATAL_CHECK"

// Run runs the checks as subtests, each on a driver of its own, which it closes.
func Run(t *testing.T, o Options, open func() (cuda.Driver, error)) {
	for _, c := range Checks() {
		if c.Strict && !o.Strict {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			if c.Fatal && o.Apart && os.Getenv(ApartVariable) == "" {
				name := "^" + strings.ReplaceAll(regexp.QuoteMeta(t.Name()), "/", "$/^") + "$"
				child := exec.Command(os.Args[0], "-test.v", "-test.run", name)
				child.Env = append(os.Environ(), ApartVariable+"=1")
				out, err := child.CombinedOutput()
				if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
					t.Errorf("in a process of its own: %v\n%s", err, out)
				}
				return
			}
			d, err := open()
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range c.Run(d) {
				t.Error(p)
			}
			if err := d.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		})
	}
}

// harness wraps a driver with helpers for the checks.
type harness struct {
	cuda.Driver
	stream   cuda.Stream
	problems []string
}

// stop is the panic value that ends a check that cannot continue.
type stop struct{}

func (h *harness) errorf(format string, args ...any) {
	h.problems = append(h.problems, fmt.Sprintf(format, args...))
}

// ok ends the check on an error.
func (h *harness) ok(doing string, err error) {
	if err != nil {
		h.errorf("%s: %v", doing, err)
		panic(stop{})
	}
}

func must[T any](h *harness, doing string, f func() (T, error)) T {
	v, err := f()
	h.ok(doing, err)
	return v
}

// refused requires an error whose text contains word.
func (h *harness) refused(doing string, err error, word string) {
	switch {
	case err == nil:
		h.errorf("%s: no error", doing)
	case !strings.Contains(err.Error(), word):
		h.errorf("%s: the error does not say %q: %v", doing, word, err)
	}
}

func (h *harness) alloc(n int64) cuda.Address {
	return must(h, "allocating", func() (cuda.Address, error) { return h.Alloc(n) })
}

func (h *harness) allocHost(n int) []byte {
	return must(h, "allocating host memory", func() ([]byte, error) { return h.AllocHost(n) })
}

// function looks up one of the kernels of kernels.ptx.
func (h *harness) function(name string, shared int) cuda.Function {
	m := must(h, "loading", func() (cuda.Module, error) { return h.Load("kernels.ptx", kernels) })
	return must(h, "looking up", func() (cuda.Function, error) { return h.Function(m, name, shared) })
}

func (h *harness) sync() { h.ok("synchronizing", h.Synchronize(h.stream)) }

// upload copies words to new device memory.
func (h *harness) upload(words ...uint32) cuda.Address {
	b := h.allocHost(4 * len(words))
	for i, w := range words {
		binary.LittleEndian.PutUint32(b[4*i:], w)
	}
	a := h.alloc(int64(len(b)))
	h.ok("copying in", h.CopyIn(h.stream, a, b))
	h.sync()
	h.ok("freeing", h.FreeHost(b))
	return a
}

// download returns n bytes of device memory, after all work of the stream.
func (h *harness) download(a cuda.Address, n int) []byte {
	b := h.allocHost(n)
	h.ok("copying out", h.CopyOut(h.stream, b, a))
	h.sync()
	out := append([]byte(nil), b...)
	h.ok("freeing", h.FreeHost(b))
	return out
}

func (h *harness) downloadWords(a cuda.Address, n int) []uint32 {
	return words(h.download(a, 4*n))
}

func words(b []byte) []uint32 {
	w := make([]uint32, len(b)/4)
	for i := range w {
		w[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return w
}
