// Package ptx runs PTX, the assembly of NVIDIA GPUs, instruction by
// instruction in Go, and finds faults in it while it does.
//
// It is a test instrument: warps of 32 lanes with divergence and
// reconvergence, shared memory, barriers, shuffles, tensor-core products and
// asynchronous copies behave as the PTX ISA describes them, and whatever the
// ISA leaves undefined is an error that names the line, the thread and the
// address. It is not a model of time: there are no clocks, caches or register
// limits, and it proves nothing about what a driver's compiler accepts.
//
// Most readers need two calls: [Parse], which checks a module, and
// [Device.Launch], which runs a kernel of it:
//
//	m, err := ptx.Parse("add.ptx", source)
//	dev := ptx.NewDevice(ptx.Config{Seed: 1})
//	img, err := dev.Load(m)
//	k, err := img.Kernel("add")
//	p, err := dev.Alloc(4 * n)
//	err = dev.Write(p, bytes)
//	err = dev.Launch(k, ptx.Launch{Grid: ptx.Dim{X: 2}, Block: ptx.Dim{X: 256}}, p, int32(n))
//	err = dev.Read(bytes, p)
//
// # Strictness
//
// Parse refuses an unknown instruction, modifier, type or operand with a
// [SyntaxError]; the table of what is known is in the files spec_*.go, one line
// a form, and is at the same time the list of what is implemented. Inline
// assembly, which C++ compilers pass through unread, is therefore checked here.
//
// # Faults
//
// A kernel that does something undefined ends its launch with a [Fault]:
// access outside an allocation (allocations stand apart, so that a wrong index
// does not find a neighbour), misaligned access, a read of memory or of a
// register that nothing wrote, conflicting accesses of threads of a block that
// no barrier orders, conflicting accesses of two blocks, a barrier that only
// part of a warp or block reaches, a shuffle that reads an inactive lane, a
// use of an asynchronous copy's destination before it was waited for. Memory
// after a fault is as the kernel left it.
//
// Compilers read memory that nothing wrote where they fill the first bit-field of
// a structure, unless they optimize; [Config].Off has the switch for such code.
//
// What is not found: races between blocks of a kernel that has fences of device
// scope, since such blocks may order what they do; a plain read beside an
// atomic; effects of weak memory; undefined values that are only moved; what a
// thread reads between its arrival at an mbarrier, or a bar.arrive, and the end
// of the phase.
//
// # What is not there
//
// Textures, surfaces, clusters, bulk copies, wgmma, tcgen05, sparse and sub-byte
// mma, scalar video instructions, 32-bit addressing, 128-bit registers. Parse
// says so.
//
// # Order and rounding
//
// A kernel that uses neither atomics nor volatile accesses in global memory runs
// its blocks in parallel; one that does runs them in turns.
//
// The order in which warps and blocks run comes from [Config].Seed, so that a
// kernel whose result depends on it gives different results under different
// seeds, and the same seed gives the same results whatever [Config].Threads
// is. Approximate instructions (ex2.approx and others) return the best rounding
// unless [Config].Perturb is set; then each result is moved, as a function of
// the seed and the operands, within the error that the ISA documents.
//
// mma and wmma multiply exactly and accumulate in float32, or int32, with k
// ascending from the carried accumulator, one rounding to nearest per step;
// under Perturb k is taken in an order drawn from the seed. Tensor cores
// document no order.
//
// add, sub and mul of floats without a rounding modifier may be fused by
// ptxas into fma. [Module.Contractible] lists them, and [Config].Fuse runs a
// module either way.
package ptx
