package ptx

// Integer arithmetic, logic and shifts (PTX ISA 9.7.1, 9.7.2, 9.7.8).
const specInteger = `
add.type(u16 u32 u64 s16 s64 u16x2 s16x2) : =type, type, type
add[.sat].type(s32) : =type, type, type
sub.type(u16 u32 u64 s16 s64) : =type, type, type
sub[.sat].type(s32) : =type, type, type
mul.mode(hi lo).type(u16 u32 u64 s16 s32 s64) : =type, type, type
mul.wide.type(u16 u32 s16 s32) : =wide, type, type @ mulwide
mad.mode(hi lo).type(u16 u32 u64 s16 s32 s64) : =type, type, type, type
mad.mode(hi)[.sat].type(s32) : =type, type, type, type
mad.wide.type(u16 u32 s16 s32) : =wide, type, type, wide @ madwide
mul24.mode(hi lo).type(u32 s32) : =type, type, type
mad24.mode(hi lo).type(u32 s32) : =type, type, type, type
mad24.hi.sat.type(s32) : =type, type, type, type @ mad24sat
sad.type(u16 u32 u64 s16 s32 s64) : =type, type, type, type
div.type(u16 u32 u64 s16 s32 s64) : =type, type, type
rem.type(u16 u32 u64 s16 s32 s64) : =type, type, type
abs.type(s16 s32 s64) : =type, type
neg.type(s16 s32 s64) : =type, type
min.type(u16 u32 u64 s16 s64 u16x2 s16x2) : =type, type, type
min[.relu].type(s32 s16x2) : =type, type, type
max.type(u16 u32 u64 s16 s64 u16x2 s16x2) : =type, type, type
max[.relu].type(s32 s16x2) : =type, type, type
popc.type(b32 b64) : =u32, type
clz.type(b32 b64) : =u32, type
bfind[.shiftamt].type(u32 u64 s32 s64) : =u32, type
fns.type(b32) : =b32, b32, b32, s32
brev.type(b32 b64) : =type, type
bfe.type(u32 u64 s32 s64) : =type, type, u32, u32
bfi.type(b32 b64) : =type, type, type, u32, u32
szext.mode(clamp wrap).type(u32 s32) : =type, type, u32
bmsk.mode(clamp wrap).type(b32) : =type, u32, u32
dp4a.atype(u32 s32).btype(u32 s32) : =u32, b32, b32, u32
dp2a.half(lo hi).atype(u32 s32).btype(u32 s32) : =u32, b32, b32, u32

add[.cc].type(u32 s32 u64 s64) : =type, type, type @ addc
addc[.cc].type(u32 s32 u64 s64) : =type, type, type @ addc
sub[.cc].type(u32 s32 u64 s64) : =type, type, type @ addc
subc[.cc].type(u32 s32 u64 s64) : =type, type, type @ addc
mad.mode(hi lo)[.cc].type(u32 s32 u64 s64) : =type, type, type, type @ madc
madc.mode(hi lo)[.cc].type(u32 s32 u64 s64) : =type, type, type, type @ madc

and.type(pred) : =pred, pred, pred @ predlogic
or.type(pred) : =pred, pred, pred @ predlogic
xor.type(pred) : =pred, pred, pred @ predlogic
not.type(pred) : =pred, pred @ prednot
and.type(b16 b32 b64) : =type, type, type
or.type(b16 b32 b64) : =type, type, type
xor.type(b16 b32 b64) : =type, type, type
not.type(b16 b32 b64) : =type, type
cnot.type(b16 b32 b64) : =type, type
lop3.type(b32) : =b32, b32, b32, b32, b32#
lop3.bool(or and).type(b32) : =b32|p_, b32, b32, b32, b32#, pred! @ lop3bool
shf.dir(l r).mode(clamp wrap).type(b32) : =b32, b32, b32, u32
shl.type(b16 b32 b64) : =type, type, u32
shr.type(b16 b32 b64 u16 u32 u64 s16 s32 s64) : =type, type, u32
prmt.type(b32)[.mode(f4e b4e rc8 ecl ecr rc16)] : =b32, b32, b32, b32
`

// sx sign-extends the low n bits of v.
func sx(v uint64, n int) int64 { return int64(v<<(64-n)) >> (64 - n) }
