package ptx

import (
	"fmt"
	"strings"
)

// Pos is a place in a PTX text, both counted from 1.
type Pos struct{ Line, Column int }

// SyntaxError is PTX that the package does not accept: malformed, ill-typed,
// unknown or not implemented.
type SyntaxError struct {
	Module string // as given to Parse
	Pos
	Source string // text of the line
	Msg    string
}

func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", e.Module, e.Line, e.Column, e.Msg)
	if t := strings.TrimSpace(e.Source); t != "" {
		s += "\n\t" + t
	}
	return s
}

// MemoryError is an access by the host, or an allocation, that the device
// refuses.
type MemoryError struct {
	Op    string // "alloc", "free", "read", "write", "copy", "fill", ...
	Addr  uint64
	Bytes int64
	Free  int64 // of an allocation: bytes that were free
	Msg   string
}

func (e *MemoryError) Error() string {
	if e.Op == "alloc" {
		return fmt.Sprintf("ptx: alloc of %d bytes: %s", e.Bytes, e.Msg)
	}
	return fmt.Sprintf("ptx: %s of %d bytes at %#x: %s", e.Op, e.Bytes, e.Addr, e.Msg)
}

// LaunchError is a launch that does not fit its kernel or the device.
type LaunchError struct {
	Kernel, Msg string
}

func (e *LaunchError) Error() string { return fmt.Sprintf("ptx: launching %s: %s", e.Kernel, e.Msg) }

// FaultKind says what a kernel did wrong.
type FaultKind int

const (
	OutOfBounds   FaultKind = iota + 1 // access outside every allocation, or across an end
	Misaligned                         // address not a multiple of the access size
	Uninitialized                      // read of memory or a register that nothing wrote
	Race                               // conflicting accesses that nothing orders
	BadBarrier                         // barrier under divergence, exited threads, wrong counts, deadlock
	InactiveLane                       // warp operation that involves a lane which is not executing it
	PendingCopy                        // use of the destination of a cp.async that was not waited for
	Trapped                            // the kernel executed trap
	ReadOnly                           // write to constant memory or parameters
	OverBudget                         // Config.Budget instructions executed
	StackOverflow                      // local memory or call depth exhausted
	BadOperand                         // an operand value that the instruction leaves undefined
	Unsupported                        // a feature that is only known to be missing when it is reached
)

var faultNames = [...]string{
	OutOfBounds: "access out of bounds", Misaligned: "misaligned access", Uninitialized: "uninitialized read",
	Race: "data race", BadBarrier: "bad barrier", InactiveLane: "inactive lane", PendingCopy: "asynchronous copy not waited for",
	Trapped: "trap", ReadOnly: "write to read-only memory", OverBudget: "instruction budget exhausted",
	StackOverflow: "stack overflow", BadOperand: "undefined operand", Unsupported: "not supported",
}

func (k FaultKind) String() string {
	if k > 0 && int(k) < len(faultNames) {
		return faultNames[k]
	}
	return fmt.Sprintf("fault %d", int(k))
}

// Fault is something undefined that a kernel did. The launch ended there.
type Fault struct {
	Kind     FaultKind
	Module   string
	Kernel   string
	Function string // the function the line is in, if not the kernel
	Pos
	Source string // text of the line
	Block  Dim    // %ctaid
	Thread Dim    // %tid
	Lane   int    // of the thread's warp; -1 if the fault is a warp's or block's
	Warp   int    // within the block
	Space  string // "global", "shared", ... of a memory fault
	Addr   uint64 // within Space
	Msg    string // the particulars
}

func (f *Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: kernel %s", f.Module, f.Line, f.Kernel)
	if f.Function != "" && f.Function != f.Kernel {
		fmt.Fprintf(&b, ", function %s", f.Function)
	}
	fmt.Fprintf(&b, ", block (%d,%d,%d)", f.Block.X, f.Block.Y, f.Block.Z)
	if f.Lane >= 0 {
		fmt.Fprintf(&b, ", thread (%d,%d,%d)", f.Thread.X, f.Thread.Y, f.Thread.Z)
	} else if f.Warp >= 0 {
		fmt.Fprintf(&b, ", warp %d", f.Warp)
	}
	fmt.Fprintf(&b, ": %s", f.Kind)
	if f.Space != "" {
		fmt.Fprintf(&b, " at %s %#x", f.Space, f.Addr)
	}
	if f.Msg != "" {
		fmt.Fprintf(&b, ": %s", f.Msg)
	}
	if t := strings.TrimSpace(f.Source); t != "" {
		fmt.Fprintf(&b, "\n\t%s", t)
	}
	return b.String()
}
