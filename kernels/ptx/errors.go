package ptx

import (
	"fmt"
	"strings"
)

// Pos is a position in a PTX text. Lines and columns count from 1.
type Pos struct{ Line, Column int }

// SyntaxError reports PTX that the package does not accept: malformed, ill-typed, unknown
// or not implemented.
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

// MemoryError reports an access by the host, or an allocation, that the device refuses.
type MemoryError struct {
	Op    string // "alloc", "free", "read", "write", "copy", "fill", ...
	Addr  uint64
	Bytes int64
	Free  int64 // for an allocation, the bytes that were free
	Msg   string
}

func (e *MemoryError) Error() string {
	if e.Op == "alloc" {
		return fmt.Sprintf("ptx: alloc of %d bytes: %s", e.Bytes, e.Msg)
	}
	return fmt.Sprintf("ptx: %s of %d bytes at %#x: %s", e.Op, e.Bytes, e.Addr, e.Msg)
}

// LaunchError reports a launch that does not match its kernel or the device.
type LaunchError struct {
	Kernel, Msg string
}

func (e *LaunchError) Error() string { return fmt.Sprintf("ptx: launching %s: %s", e.Kernel, e.Msg) }

// FaultKind is the kind of mistake that a kernel made.
type FaultKind int

const (
	OutOfBounds   FaultKind = iota + 1 // access outside every allocation, or across an end
	Misaligned                         // address not a multiple of the access size
	Uninitialized                      // read of memory or a register that was never written
	Race                               // conflicting, unordered accesses
	BadBarrier                         // barrier with divergence, exited threads, wrong counts, deadlock
	InactiveLane                       // warp operation with a lane that does not execute it
	PendingCopy                        // use of the destination of a cp.async before waiting for it
	Trapped                            // the kernel executed trap
	ReadOnly                           // write to constant memory or parameters
	OverBudget                         // Config.Budget instructions executed
	StackOverflow                      // local memory or call depth exhausted
	BadOperand                         // an operand value for which the instruction is undefined
	Unsupported                        // a feature that is not implemented, detected only when executed
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

// Fault reports undefined behaviour of a kernel, which ended the launch.
type Fault struct {
	Kind     FaultKind
	Module   string
	Kernel   string
	Function string // the function of the line, if not the kernel
	Pos
	Source string // text of the line
	Block  Dim    // %ctaid
	Thread Dim    // %tid
	Lane   int    // within the warp; -1 if the fault concerns a whole warp or block
	Warp   int    // within the block
	Space  string // "global", "shared", ... for a memory fault
	Addr   uint64 // within Space
	Msg    string // details
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
