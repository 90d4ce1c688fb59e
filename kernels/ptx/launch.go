package ptx

import (
	"encoding/binary"
	"fmt"
	"sync"
)

// symbol is a variable placed on a device.
type symbol struct {
	addr  uint64
	size  int64
	alloc *allocation
}

func (d *Device) load(m *Module) (*Image, error) {
	if d.cfg.Fuse {
		var err error
		if m, err = m.fused(); err != nil {
			return nil, err
		}
	}
	img := &Image{dev: d, module: m, globals: map[string]symbol{}, kernels: map[string]*Kernel{}, placed: map[*variable]symbol{}}
	for _, v := range m.vars {
		if v.space != spaceGlobal && v.space != spaceConst {
			continue
		}
		if v.extern {
			img.unload()
			return nil, fmt.Errorf("%s:%d: variable %s is .extern and no module defines it", m.Name, v.pos.Line, v.name)
		}
		a, err := d.mem.place(max(v.size, 1), v.name)
		if err != nil {
			img.unload()
			return nil, err
		}
		a.ro = v.space == spaceConst
		copy(a.data, v.init)
		// Variables without an initializer are zero, and so is the part that an
		// initializer leaves out.
		a.full = true
		s := symbol{a.base, v.size, a}
		img.placed[v] = s
		img.globals[v.name] = s
	}
	for _, v := range m.vars {
		for _, r := range v.relocs {
			addr, err := img.relocate(r)
			if err != nil {
				img.unload()
				return nil, err
			}
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], addr>>r.shift)
			copy(img.placed[v].alloc.data[r.at:], b[:r.bytes])
		}
	}
	for _, f := range m.kernels {
		k, err := img.kernel(f)
		if err != nil {
			img.unload()
			return nil, err
		}
		img.kernels[f.name] = k
	}
	return img, nil
}

func (img *Image) relocate(r reloc) (uint64, error) {
	for v, s := range img.placed {
		if v.name == r.name {
			return s.addr + uint64(r.addend), nil
		}
	}
	if f := img.module.byName[r.name]; f != nil && f.defined {
		return functionAddress(f), nil
	}
	return 0, img.module.src.errorf(r.pos, "no variable or function %q to take the address of", r.name)
}

// functionBase is the start of the window of function addresses. A function's address is
// its index in the module.
const functionBase = 0x0000_7c00_0000_0000

func functionAddress(f *function) uint64 {
	for i, g := range f.module.funcs {
		if g == f {
			return functionBase + uint64(i)*16
		}
	}
	return 0
}

// unload frees the variables of an image that failed to load.
func (i *Image) unload() {
	for _, s := range i.placed {
		if at := i.dev.mem.index(s.addr); at >= 0 {
			i.dev.mem.remove(at)
		}
	}
	i.placed, i.kernels = nil, nil
}

// kernel prepares an entry function: the functions that it reaches, the offsets of its
// shared variables, and its constants.
func (img *Image) kernel(f *function) (*Kernel, error) {
	k := &Kernel{Name: f.name, img: img, fn: f, MaxThreads: f.maxThreads, Required: f.required,
		ParamBytes: int(f.paramBytes), LocalBytes: int(f.localBytes), unit: 16, consts: map[*function][]uint64{}}
	for _, v := range f.params {
		k.Params = append(k.Params, Param{Name: v.name, Type: v.typ.String(), Offset: int(v.offset), Size: int(v.size), Align: int(v.align)})
	}
	reach, err := img.module.reachable(f)
	if err != nil {
		return nil, err
	}
	// Shared variables: those with a size first, then the dynamic one, to which all
	// .extern arrays refer.
	offsets := map[*variable]int64{}
	var static, dynAlign int64 = 0, 16
	var dynamic []*variable
	for _, g := range reach {
		for _, c := range g.code.consts {
			v := c.sym
			if v == nil || v.space != spaceShared {
				continue
			}
			if _, ok := offsets[v]; ok {
				continue
			}
			if v.extern {
				dynAlign = max(dynAlign, v.align)
				dynamic = append(dynamic, v)
				offsets[v] = 0
				continue
			}
			static = align(static, v.align)
			offsets[v] = static
			static += v.size
		}
	}
	k.StaticBytes = int(static)
	k.dynamic = align(static, dynAlign)
	for _, v := range dynamic {
		offsets[v] = k.dynamic
	}
	for _, g := range reach {
		vals := make([]uint64, len(g.code.consts))
		for i, c := range g.code.consts {
			v := c.bits
			switch {
			case c.fn != nil:
				v = functionAddress(c.fn)
			case c.sym == nil:
			case c.sym.space == spaceShared:
				v += uint64(offsets[c.sym])
			case c.sym.space == spaceParam:
				v += uint64(c.sym.offset)
			default:
				v += img.placed[c.sym].addr
			}
			if c.narrow {
				v &= 0xffffffff
			}
			vals[i] = v
		}
		k.consts[g] = vals
		k.serial = k.serial || g.code.ordered
		k.fences = k.fences || g.code.fences
		for _, s := range g.code.specials {
			k.workspace = k.workspace || s.kind == spWorkspace || s.kind == spWorkspaceHi
		}
		k.unit = min(k.unit, g.code.unit)
	}
	return k, nil
}

// reachable returns the functions that f may call, f first.
func (m *Module) reachable(f *function) ([]*function, error) {
	seen := map[*function]bool{f: true}
	list := []*function{f}
	for i := 0; i < len(list); i++ {
		next := list[i].code.calls
		if list[i].code.indirect {
			next = append(m.addressed(), next...)
		}
		for _, g := range next {
			if seen[g] {
				continue
			}
			if !g.defined {
				if builtins[g.name] != nil {
					continue
				}
				return nil, m.src.errorf(g.pos, "function %s is called but not defined", g.name)
			}
			seen[g] = true
			list = append(list, g)
		}
	}
	return list, nil
}

// addressed returns the functions whose address is taken somewhere.
func (m *Module) addressed() []*function {
	var list []*function
	for _, f := range m.funcs {
		if !f.defined {
			continue
		}
		for _, c := range f.code.consts {
			if c.fn != nil && c.fn.defined && !c.fn.entry {
				list = append(list, c.fn)
			}
		}
	}
	for _, v := range m.vars {
		for _, r := range v.relocs {
			if f := m.byName[r.name]; f != nil && f.defined && !f.entry {
				list = append(list, f)
			}
		}
	}
	return list
}

// run is one launch.
type run struct {
	dev    *Device
	k      *Kernel
	l      Launch
	params []byte
	number int64
	shared int
	warps  int
	cfg    *Config
	unit   int // granule of shared memory
	races  globalRaces

	workspace uint64 // address, or 0
}

func (d *Device) launch(k *Kernel, l Launch, params []byte) error {
	bad := func(format string, a ...any) error { return &LaunchError{k.Name, fmt.Sprintf(format, a...)} }
	l.Grid, l.Block = l.Grid.norm(), l.Block.norm()
	threads := l.Block.count()
	total := k.dynamic + int64(l.Shared)
	if l.Shared == 0 {
		total = int64(k.StaticBytes)
	}
	total = max(total, 0)
	switch {
	case k.img.dev != d:
		return bad("the kernel is loaded on another device")
	case k.img.kernels == nil:
		return bad("its module was unloaded")
	case l.Block.X > 1024 || l.Block.Y > 1024 || l.Block.Z > 64 || threads > 1024:
		return bad("block (%d,%d,%d) exceeds 1024 threads, or (1024,1024,64)", l.Block.X, l.Block.Y, l.Block.Z)
	case l.Grid.X > 1<<31-1 || l.Grid.Y > 65535 || l.Grid.Z > 65535:
		return bad("grid (%d,%d,%d) exceeds (2147483647,65535,65535)", l.Grid.X, l.Grid.Y, l.Grid.Z)
	case k.MaxThreads > 0 && threads > int64(k.MaxThreads):
		return bad("block of %d threads exceeds .maxntid, %d", threads, k.MaxThreads)
	case k.Required != Dim{} && k.Required.norm() != l.Block:
		return bad("block is (%d,%d,%d), .reqntid says (%d,%d,%d)", l.Block.X, l.Block.Y, l.Block.Z, k.Required.X, k.Required.Y, k.Required.Z)
	case l.Shared < 0 || total > int64(d.cfg.Shared):
		return bad("%d bytes of shared memory (%d static, %d dynamic) exceed %d", total, k.StaticBytes, l.Shared, d.cfg.Shared)
	case len(params) != k.ParamBytes:
		return bad("%d bytes of parameters, expected %d", len(params), k.ParamBytes)
	}
	d.stats.Launches++
	r := &run{dev: d, cfg: &d.cfg, k: k, l: l, params: params, number: d.stats.Launches, shared: int(total), warps: int(threads+lanes-1) / lanes}
	r.unit = k.unit
	if k.workspace {
		var err error
		if r.workspace, err = d.workspace(); err != nil {
			return err
		}
		defer d.Free(r.workspace)
	}
	if k.serial {
		return r.serial()
	}
	err := r.parallel()
	r.written()
	return err
}

// workspace returns memory for a launch, filled with zeros.
func (d *Device) workspace() (uint64, error) {
	const bytes = 256
	p, err := d.Alloc(bytes)
	if err != nil {
		return 0, err
	}
	return p, d.Fill(p, 0, bytes)
}

// order returns the index in the grid of the i-th block to run. It is a permutation of
// [0, n) that depends on the seed, computed without a table.
func (r *run) order(i int64) int64 {
	n := r.l.Grid.count()
	bits := 1
	for int64(1)<<(2*bits) < n {
		bits++
	}
	half := uint64(1)<<bits - 1
	key := mix(r.cfg.Seed, uint64(r.number))
	x := uint64(i)
	for {
		// A Feistel network permutes [0, 4^bits); walk until inside [0, n).
		lo, hi := x&half, x>>bits
		for round := range uint64(4) {
			lo, hi = hi^mix(key+round, lo)&half, lo
		}
		x = hi<<bits | lo
		if x < uint64(n) {
			return int64(x)
		}
	}
}

// parallel runs the blocks of a kernel whose blocks cannot affect each other.
func (r *run) parallel() error {
	n := r.l.Grid.count()
	var (
		mu    sync.Mutex
		next  int64
		stop  = n
		fault error
		wg    sync.WaitGroup
	)
	work := func() {
		defer wg.Done()
		wk := r.worker()
		for {
			mu.Lock()
			i := next
			next++
			done := i >= stop
			mu.Unlock()
			if done {
				break
			}
			b := wk.block(r.order(i), i)
			_, err := b.step(-1)
			mu.Lock()
			if err == nil {
				if err = r.merge(b); err != nil {
					i = r.races.faultAt
				}
			}
			if err != nil && i < stop {
				// Earlier blocks still run, so that the reported fault does not
				// depend on timing.
				stop, fault = i, err
			}
			mu.Unlock()
			wk.release(b)
		}
		mu.Lock()
		err := fault
		mu.Unlock()
		wk.rest(err)
	}
	workers := int(min(int64(r.cfg.Threads), n))
	wg.Add(workers)
	for range workers - 1 {
		go work()
	}
	work()
	wg.Wait()
	return fault
}

// serial runs the blocks of a kernel that uses atomics or flags in global memory on one
// goroutine, in an order drawn from the seed. It switches between started blocks, because
// a block may wait for another one.
func (r *run) serial() (err error) {
	n := r.l.Grid.count()
	wk := r.worker()
	defer func() { wk.rest(err) }()
	var resident []*block
	var next int64
	rng := rng{mix(r.cfg.Seed, uint64(r.number)^0x5e7)}
	for next < n || len(resident) > 0 {
		if next < n && (len(resident) == 0 || rng.next()%4 != 0) {
			resident = append(resident, wk.block(r.order(next), next))
			next++
		}
		i := int(rng.next() % uint64(len(resident)))
		b := resident[i]
		done, err := b.step(int64(2000 << (rng.next() % 8)))
		if err == nil && done {
			err = r.merge(b)
		}
		if err != nil {
			return err
		}
		if done {
			wk.release(b)
			resident = append(resident[:i], resident[i+1:]...)
		}
	}
	return nil
}

// rng is splitmix64 (Steele, Lea & Flood 2014).
type rng struct{ state uint64 }

func (r *rng) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	return finalize(r.state)
}

func finalize(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// mix hashes two words.
func mix(a, b uint64) uint64 { return finalize(finalize(a+0x9e3779b97f4a7c15) ^ b) }
