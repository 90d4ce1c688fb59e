// Package ptx runs PTX, the assembly of NVIDIA GPUs, instruction by
// instruction in Go, and finds faults in it while it does.
//
// It is a test tool. Warps of 32 lanes with divergence and reconvergence, shared
// memory, barriers, shuffles, tensor-core products and asynchronous copies behave
// as the PTX ISA describes them. Whatever the ISA leaves undefined is an error that
// names the line, the thread and the address. It does not model time: there are no
// clocks, caches or register limits. Nor does it show what a driver's compiler
// accepts.
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
// Parse rejects unknown instructions, modifiers, types and operands with a
// [SyntaxError]. The known ones are in the tables of spec_*.go, one line for each
// form; these are also the list of what is implemented. Inline assembly, which C++
// compilers pass through unread, is checked too.
//
// # Faults
//
// A kernel that does something undefined ends its launch with a [Fault]. Faults are:
//
//   - access outside an allocation (allocations are kept apart, so that a wrong
//     index does not hit a neighbour), and misaligned access;
//   - a read of memory or of a register that was never written;
//   - conflicting accesses by threads of a block without a barrier between them,
//     or by two blocks;
//   - a barrier that only part of a warp or block reaches;
//   - a shuffle that reads an inactive lane;
//   - use of an asynchronous copy's destination before waiting for the copy.
//
// After a fault, memory is as the kernel left it.
//
// Unoptimized code reads memory that was never written when it sets the first
// bit-field of a structure; [Config].Off can switch the check off for such code.
//
// Not found are: races between blocks of a kernel that has fences of device scope,
// since such blocks may order their accesses; a plain read beside an atomic;
// effects of weak memory; undefined values that are only moved; and what a thread
// reads between its arrival at an mbarrier, or a bar.arrive, and the end of the
// phase.
//
// # Not implemented
//
// Textures, surfaces, clusters, bulk copies, wgmma, tcgen05, sparse and sub-byte
// mma, scalar video instructions, 32-bit addressing and 128-bit registers. Parse
// rejects them.
//
// # Order and rounding
//
// A kernel that uses neither atomics nor volatile accesses in global memory runs
// its blocks in parallel; other kernels interleave theirs on one thread.
//
// The order in which warps and blocks run is drawn from [Config].Seed, so that a
// kernel whose result depends on it gives different results under different seeds.
// The same seed gives the same results for any [Config].Threads. Approximate
// instructions (ex2.approx and others) are correctly rounded unless [Config].Perturb
// is set; then each result is changed, as a function of the seed and the operands,
// within the error that the ISA documents.
//
// mma and wmma multiply exactly and accumulate in float32, or int32, with k
// ascending from the carried accumulator and one rounding to nearest per step.
// Under Perturb, k is taken in an order drawn from the seed, because the order that
// tensor cores use is not documented.
//
// ptxas may fuse add, sub and mul of floats without a rounding modifier into fma.
// [Module.Contractible] lists such instructions, and [Config].Fuse selects whether
// they are fused.
package ptx
