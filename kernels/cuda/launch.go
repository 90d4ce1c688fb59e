package cuda

import (
	"embed"
	"fmt"
	"strings"

	"xrun/kernels"
)

//go:generate ./build.sh

//go:embed ptx/*.ptx
var ptxFiles embed.FS

// PTX returns the committed PTX by module name. The module rows, for example, is compiled
// from rows.cu.
func PTX() map[string][]byte {
	files, err := ptxFiles.ReadDir("ptx")
	if err != nil {
		panic(err) // embedded
	}
	m := map[string][]byte{}
	for _, f := range files {
		b, err := ptxFiles.ReadFile("ptx/" + f.Name())
		if err != nil {
			panic(err)
		}
		m[strings.TrimSuffix(f.Name(), ".ptx")] = b
	}
	return m
}

// load compiles every module, so that a driver that cannot is detected at the start.
func (e *Engine) load(modules map[string][]byte) error {
	for name, ptx := range modules {
		m, err := e.driver.Load(name, ptx)
		if err != nil {
			return fmt.Errorf("compiling the kernels of %s.cu: %w", name, err)
		}
		e.modules[name] = m
	}
	return nil
}

// kernel identifies a kernel by module and name, with the dynamic shared memory of its
// launches.
type kernel struct {
	module, name string
	shared       int
}

// of returns the variant of k for the given element types, as in name_f32_bf16.
func (k kernel) of(types ...kernels.DType) kernel {
	for _, t := range types {
		k.name += "_" + t.String()
	}
	return k
}

// launch queues a kernel. After a failure it does nothing until Sync has returned the
// failure.
func (e *Engine) launch(k kernel, grid, block Dim, args ...any) {
	if e.err != nil {
		return
	}
	f, ok := e.functions[k]
	if !ok {
		var err error
		if f, err = e.driver.Function(e.modules[k.module], k.name, k.shared); err != nil {
			e.broken(fmt.Sprintf("looking up kernel %s", k.name), err)
			return
		}
		e.functions[k] = f
	}
	if e.laps != nil {
		e.laps.kernels = append(e.laps.kernels, k.name)
		e.lap()
		defer e.lap()
	}
	if err := e.driver.Launch(e.compute, f, grid, block, k.shared, args...); err != nil {
		e.broken("running kernel "+k.name, err)
	}
}

const blockSize = 256

// launchEach queues a kernel over n elements, with a thread for each, or with as many
// threads as fill the device, which then loop.
func (e *Engine) launchEach(k kernel, n int64, args ...any) {
	if n == 0 {
		return
	}
	full := int64(e.device.Multiprocessors) * 2048 / blockSize * 4
	blocks := min((n+blockSize-1)/blockSize, max(full, 1))
	e.launch(k, Dim{X: int(blocks)}, Dim{X: blockSize}, args...)
}

// flag returns b as an int parameter of a kernel.
func flag(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

// scratch is named device memory that operations share.
type scratch struct {
	block *block
	bytes int64
}

// scratch returns device memory of unspecified contents, valid until the next call with
// the same name. A name belongs to one operation, or to several that do not use it at
// the same time.
func (e *Engine) scratch(name string, bytes int64) Address {
	s := e.scratches[name]
	exact := e.memory.least == 0 // so that the interpreter detects accesses beyond the end and reads of old contents
	if bytes == 0 || e.err != nil {
		return 0
	}
	if s.bytes < bytes || exact {
		if s.block != nil {
			if err := e.memory.free(s.block); err != nil {
				e.broken("freeing memory", err)
			}
		}
		delete(e.scratches, name)
		b, err := e.memory.alloc(bytes)
		if err != nil {
			e.outOfMemory("making room for "+name, err)
			return 0
		}
		s = scratch{b, bytes}
		e.scratches[name] = s
	}
	return s.block.addr
}

// copyDevice queues a copy within the device.
func (e *Engine) copyDevice(dst, src Address, bytes int64) {
	if e.err != nil || bytes == 0 {
		return
	}
	if err := e.driver.CopyDevice(e.compute, dst, src, bytes); err != nil {
		e.broken("copying on the device", err)
	}
}

// zero queues clearing memory.
func (e *Engine) zero(at Address, bytes int64) {
	if e.err != nil || bytes == 0 {
		return
	}
	if err := e.driver.Zero(e.compute, at, bytes); err != nil {
		e.broken("zeroing memory", err)
	}
}
