package ptx

import "math"

// class is the interpretation of a type's bits.
type class uint8

const (
	classBits class = iota
	classUnsigned
	classSigned
	classFloat
	classPred
)

// typ is a PTX type.
type typ uint8

const (
	tNone typ = iota
	tPred
	tB8
	tB16
	tB32
	tB64
	tB128
	tU8
	tU16
	tU32
	tU64
	tS8
	tS16
	tS32
	tS64
	tF16
	tBF16
	tTF32
	tF32
	tF64
	tF16x2
	tBF16x2
	tU16x2
	tS16x2
	tU4
	tS4
	tB1
	tE4M3
	tE5M2
	tE4M3x2
	tE5M2x2
	tTypes
)

var typeInfo = [tTypes]struct {
	name  string
	class class
	bits  int
}{
	tNone:   {"none", classBits, 0},
	tPred:   {"pred", classPred, 1},
	tB8:     {"b8", classBits, 8},
	tB16:    {"b16", classBits, 16},
	tB32:    {"b32", classBits, 32},
	tB64:    {"b64", classBits, 64},
	tB128:   {"b128", classBits, 128},
	tU8:     {"u8", classUnsigned, 8},
	tU16:    {"u16", classUnsigned, 16},
	tU32:    {"u32", classUnsigned, 32},
	tU64:    {"u64", classUnsigned, 64},
	tS8:     {"s8", classSigned, 8},
	tS16:    {"s16", classSigned, 16},
	tS32:    {"s32", classSigned, 32},
	tS64:    {"s64", classSigned, 64},
	tF16:    {"f16", classFloat, 16},
	tBF16:   {"bf16", classFloat, 16},
	tTF32:   {"tf32", classFloat, 32},
	tF32:    {"f32", classFloat, 32},
	tF64:    {"f64", classFloat, 64},
	tF16x2:  {"f16x2", classFloat, 32},
	tBF16x2: {"bf16x2", classFloat, 32},
	tU16x2:  {"u16x2", classUnsigned, 32},
	tS16x2:  {"s16x2", classSigned, 32},
	tU4:     {"u4", classUnsigned, 4},
	tS4:     {"s4", classSigned, 4},
	tB1:     {"b1", classBits, 1},
	tE4M3:   {"e4m3", classFloat, 8},
	tE5M2:   {"e5m2", classFloat, 8},
	tE4M3x2: {"e4m3x2", classFloat, 16},
	tE5M2x2: {"e5m2x2", classFloat, 16},
}

var typeByName = func() map[string]typ {
	m := map[string]typ{}
	for t := tNone + 1; t < tTypes; t++ {
		m[typeInfo[t].name] = t
	}
	return m
}()

func (t typ) String() string { return typeInfo[t].name }
func (t typ) class() class   { return typeInfo[t].class }
func (t typ) bits() int      { return typeInfo[t].bits }
func (t typ) bytes() int     { return (typeInfo[t].bits + 7) / 8 }
func (t typ) isFloat() bool  { return typeInfo[t].class == classFloat }
func (t typ) isSigned() bool { return typeInfo[t].class == classSigned }

// wide returns the integer type of twice the width.
func (t typ) wide() typ {
	switch t {
	case tU16:
		return tU32
	case tS16:
		return tS32
	case tU32:
		return tU64
	case tS32:
		return tS64
	}
	return tNone
}

// mayDeclare reports whether registers of the type exist.
func (t typ) mayDeclare() bool {
	switch t {
	case tB128, tTF32, tU4, tS4, tB1, tE4M3, tE5M2, tE4M3x2, tE5M2x2, tU16x2, tS16x2, tBF16, tBF16x2, tNone:
		return false
	}
	return true
}

// holds reports whether a register of type reg may be an operand of type t: the
// same size, and the same kind unless one of them is untyped bits (PTX ISA,
// "Operand Type Checking Rules"). If loose is set, an untyped, integer or converted operand
// may also be in a wider register.
func holds(reg, t typ, loose bool) bool {
	if t == tPred || reg == tPred {
		return reg == t
	}
	rc, tc := reg.class(), t.class()
	if reg.bits() != t.bits() && !(loose && reg.bits() > t.bits()) {
		return false
	}
	switch t {
	case tF16, tBF16, tTF32, tF16x2, tBF16x2, tU16x2, tS16x2, tE4M3x2, tE5M2x2:
		// Alternate and packed formats use untyped registers, and compilers use unsigned
		// and float ones too.
		return reg.bits() == t.bits()
	}
	if rc == classBits || tc == classBits {
		return true
	}
	return (rc == classFloat) == (tc == classFloat)
}

func floatBits(v float64) uint64 { return math.Float64bits(v) }
