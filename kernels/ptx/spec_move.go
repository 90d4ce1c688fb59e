package ptx

// Comparison and selection (PTX ISA 9.7.5, 9.7.6).
const specCompare = `
setp.$fcmp[.ftz].type(f32 f16) : =pred|p_, type, type
setp.$fcmp.type(f64 bf16) : =pred|p_, type, type
setp.$ucmp.type(u16 u32 u64) : =pred|p_, type, type
setp.$scmp.type(s16 s32 s64) : =pred|p_, type, type
setp.cmp(eq ne).type(b16 b32 b64) : =pred|p_, type, type
setp.$fcmp.$bool[.ftz].type(f32 f16) : =pred|p_, type, type, pred!
setp.$fcmp.$bool.type(f64 bf16) : =pred|p_, type, type, pred!
setp.$ucmp.$bool.type(u16 u32 u64) : =pred|p_, type, type, pred!
setp.$scmp.$bool.type(s16 s32 s64) : =pred|p_, type, type, pred!
setp.cmp(eq ne).$bool.type(b16 b32 b64) : =pred|p_, type, type, pred!
setp.$fcmp[.ftz].type(f16x2) : =pred|p_, type, type
setp.$fcmp.type(bf16x2) : =pred|p_, type, type
setp.$fcmp.$bool[.ftz].type(f16x2) : =pred|p_, type, type, pred!
setp.$fcmp.$bool.type(bf16x2) : =pred|p_, type, type, pred!
set.$fcmp[.ftz].dtype(u32 s32 f32).type(f32) : =dtype, type, type
set.$fcmp.dtype(u32 s32 f32).type(f64) : =dtype, type, type
set.$ucmp.dtype(u32 s32 f32).type(u16 u32 u64) : =dtype, type, type
set.$scmp.dtype(u32 s32 f32).type(s16 s32 s64) : =dtype, type, type
set.cmp(eq ne).dtype(u32 s32 f32).type(b16 b32 b64) : =dtype, type, type
set.$fcmp.$bool[.ftz].dtype(u32 s32 f32).type(f32) : =dtype, type, type, pred!
set.$fcmp.$bool.dtype(u32 s32 f32).type(f64) : =dtype, type, type, pred!
set.$ucmp.$bool.dtype(u32 s32 f32).type(u16 u32 u64) : =dtype, type, type, pred!
set.$scmp.$bool.dtype(u32 s32 f32).type(s16 s32 s64) : =dtype, type, type, pred!
set.cmp(eq ne).$bool.dtype(u32 s32 f32).type(b16 b32 b64) : =dtype, type, type, pred!
set.$fcmp[.ftz].dtype(f16 u16 s16 u32 s32).type(f16) : =dtype, type, type
set.$fcmp.dtype(bf16 u16 s16 u32 s32).type(bf16) : =dtype, type, type
set.$fcmp.$bool[.ftz].dtype(f16 u16 s16 u32 s32).type(f16) : =dtype, type, type, pred!
set.$fcmp.$bool.dtype(bf16 u16 s16 u32 s32).type(bf16) : =dtype, type, type, pred!
set.$fcmp[.ftz].dtype(f16x2 u32 s32).type(f16x2) : =dtype, type, type
set.$fcmp.dtype(bf16x2 u32 s32).type(bf16x2) : =dtype, type, type
set.$fcmp.$bool[.ftz].dtype(f16x2 u32 s32).type(f16x2) : =dtype, type, type, pred!
set.$fcmp.$bool.dtype(bf16x2 u32 s32).type(bf16x2) : =dtype, type, type, pred!
selp.type(b16 b32 b64 u16 u32 u64 s16 s32 s64 f32 f64) : =type, type, type, pred
slct.type(b16 b32 b64 u16 u32 u64 s16 s32 s64 f32 f64).ctype(s32) : =type, type, type, ctype
slct[.ftz].type(b16 b32 b64 u16 u32 u64 s16 s32 s64 f32 f64).ctype(f32) : =type, type, type, ctype
`

// Moves within and between registers (PTX ISA 9.7.9).
const specMove = `
mov.type(pred) : =type, type @ movpred
mov.type(b16 b32 b64 u16 u32 u64 s16 s32 s64 f32 f64) : =type, type
mov.type(b16 b32 b64) : any, any @ movpack
mov.vec(v2 v4 v8).type(b8 b16 b32 b64 u8 u16 u32 u64 s8 s16 s32 s64 f32 f64) : =type*vec, type*vec @ movvec
isspacep.space(const global local shared shared::cta shared::cluster param param::entry) : =pred, u64
cvta.space(const global local shared shared::cta shared::cluster param param::entry).type(u64) : =type, type
cvta.to.space(const global local shared shared::cta shared::cluster param param::entry).type(u64) : =type, type
cvta.space(const global local shared param).type(u32) : =type, type @ refused32
cvta.to.space(const global local shared param).type(u32) : =type, type @ refused32
`
