package ptx

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Module is a parsed and checked PTX module. It is immutable and may be loaded
// on many devices.
type Module struct {
	Name    string
	Version string   // of the PTX ISA, "7.0"
	Target  []string // "sm_80", ...

	src     *source
	vars    []*variable
	funcs   []*function
	byName  map[string]*function
	kernels []*function
	count   int32 // instructions
}

// Param is a parameter of a kernel, with its position in the parameter buffer.
type Param struct {
	Name   string
	Type   string // "u64", "f32", ...; "b8" with Size > 1 for a by-value aggregate
	Offset int
	Size   int
	Align  int
}

// Kernel is an entry function of a loaded module.
type Kernel struct {
	Name        string
	Params      []Param
	ParamBytes  int
	StaticBytes int // static shared memory
	LocalBytes  int // local memory of a thread, of the entry function alone
	MaxThreads  int // .maxntid, or 0
	Required    Dim // .reqntid, or zeros

	img       *Image
	fn        *function
	consts    map[*function][]uint64 // of each function that it reaches
	unit      int                    // smallest access to shared memory
	dynamic   int64                  // offset of dynamic shared memory
	serial    bool                   // its blocks may communicate
	workspace bool                   // it uses the launch's workspace
	fences    bool                   // and may order their accesses
}

// instruction returns the decoded instruction of an id.
func (m *Module) instruction(id int32) *instr {
	for _, f := range m.funcs {
		if !f.defined {
			continue
		}
		for i := range f.code.ins {
			if f.code.ins[i].id == id {
				return &f.code.ins[i]
			}
		}
	}
	return nil
}

// Kernels returns the names of the module's entry functions in file order.
func (m *Module) Kernels() []string {
	var names []string
	for _, f := range m.kernels {
		names = append(names, f.name)
	}
	return names
}

// Contraction is an add, sub or mul of floats that ptxas may fuse with another operation,
// because it has no rounding modifier.
type Contraction struct {
	Function string
	Pos
	Source string
}

// Contractible lists the instructions of the module that ptxas may fuse: add, sub and mul
// of f16, bf16, f32 and f64 without a rounding modifier. A module that must compute the
// same on every machine should have none.
func (m *Module) Contractible() []Contraction {
	var out []Contraction
	for _, f := range m.funcs {
		for _, i := range f.contractible {
			out = append(out, Contraction{f.name, i, m.src.line(i.Line)})
		}
	}
	return out
}

// marshal lays out arguments as the kernel's parameters.
func (k *Kernel) marshal(args []any) ([]byte, error) {
	bad := func(format string, a ...any) error { return &LaunchError{k.Name, fmt.Sprintf(format, a...)} }
	if len(args) != len(k.Params) {
		return nil, bad("%d arguments for %d parameters", len(args), len(k.Params))
	}
	buf := make([]byte, k.ParamBytes)
	for i, arg := range args {
		p := k.Params[i]
		var b []byte
		le := binary.LittleEndian
		switch v := arg.(type) {
		case bool:
			b = []byte{0}
			if v {
				b[0] = 1
			}
		case int8:
			b = []byte{byte(v)}
		case uint8:
			b = []byte{v}
		case int16:
			b = le.AppendUint16(nil, uint16(v))
		case uint16:
			b = le.AppendUint16(nil, v)
		case int32:
			b = le.AppendUint32(nil, uint32(v))
		case uint32:
			b = le.AppendUint32(nil, v)
		case int64:
			b = le.AppendUint64(nil, uint64(v))
		case uint64:
			b = le.AppendUint64(nil, v)
		case uintptr:
			b = le.AppendUint64(nil, uint64(v))
		case float32:
			b = le.AppendUint32(nil, math.Float32bits(v))
		case float64:
			b = le.AppendUint64(nil, math.Float64bits(v))
		case []byte:
			b = v
		default:
			return nil, bad("argument %d has type %T; use a sized number or []byte", i, arg)
		}
		if len(b) != p.Size {
			return nil, bad("argument %d (%T) has %d bytes, parameter %s (.%s) has %d", i, arg, len(b), p.Name, p.Type, p.Size)
		}
		copy(buf[p.Offset:], b)
	}
	return buf, nil
}
