package ptx

// Control flow, synchronization and the rest (PTX ISA 9.7.12, 9.7.13, 9.7.19).
const specControl = `
bra[.uni] : label
brx.idx[.uni] : u32, label @ brx
call[.uni] : any, any?, any?, any?
ret[.uni] :
exit :
trap :
brkpt : @ nothing
nanosleep.type(u32) : type @ nothing
pmevent[.mask] : b16# @ nothing
griddepcontrol.action(launch_dependents wait) : @ nothing
stacksave.type(u32 u64) : =type
stackrestore.type(u32 u64) : type
alloca.type(u32 u64) : =type, type, u32#?
setmaxnreg.action(inc dec).sync.aligned.type(u32) : b32# @ nothing

bar[.cta].sync : u32, u32? @ barrier
bar[.cta].arrive : u32, u32 @ barrier
bar[.cta].red.reduce(popc).type(u32) : =type, u32, pred! @ barred
bar[.cta].red.reduce(popc).type(u32) : =type, u32, u32, pred! @ barred
bar[.cta].red.reduce(and or).type(pred) : =type, u32, pred! @ barred
bar[.cta].red.reduce(and or).type(pred) : =type, u32, u32, pred! @ barred
barrier[.cta].sync[.aligned] : u32, u32? @ barrier
barrier[.cta].arrive[.aligned] : u32, u32 @ barrier
barrier[.cta].red.reduce(popc)[.aligned].type(u32) : =type, u32, pred! @ barred
barrier[.cta].red.reduce(popc)[.aligned].type(u32) : =type, u32, u32, pred! @ barred
barrier[.cta].red.reduce(and or)[.aligned].type(pred) : =type, u32, pred! @ barred
barrier[.cta].red.reduce(and or)[.aligned].type(pred) : =type, u32, u32, pred! @ barred
bar.warp.sync : b32 @ warpsync
membar.level(cta gl sys) : @ fence
fence[.sem(sc acq_rel acquire release)].scope(cta cluster gpu sys) : @ fence
fence.proxy.kind(alias async.global async.shared::cta async.shared::cluster async) : @ fence
`

// Instructions of a whole warp (PTX ISA 9.7.9, 9.7.13).
const specWarp = `
shfl.sync.mode(up down bfly idx).type(b32) : =type|p_, type, b32, b32, b32
shfl.mode(up down bfly idx).type(b32) : =type|p_, type, b32, b32 @ oldshfl
vote.sync.mode(all any uni).type(pred) : =type, type!, b32
vote.sync.mode(ballot).type(b32) : =type, pred!, b32
vote.mode(all any uni).type(pred) : =type, type! @ oldvote
vote.mode(ballot).type(b32) : =type, pred! @ oldvote
match.mode(any).sync.type(b32 b64) : =b32, type, b32
match.mode(all).sync.type(b32 b64) : =b32|p_, type, b32
activemask.type(b32) : =type
redux.sync.op(add min max).type(u32 s32) : =type, type, b32
redux.sync.op(and or xor).type(b32) : =type, type, b32
elect.sync : =b32|p_, b32
`

// Matrices (PTX ISA 9.7.14).
const specMatrix = `
ldmatrix.sync.aligned.shape(m8n8).num(x1 x2 x4)[.trans][.space(shared shared::cta)].type(b16) : =b32*num, addr
stmatrix.sync.aligned.shape(m8n8).num(x1 x2 x4)[.trans][.space(shared shared::cta)].type(b16) : addr, b32*num
movmatrix.sync.aligned.shape(m8n8).trans.type(b16) : =b32, b32
mma.sync.aligned.shape(m16n8k8).row.col.dtype(f32).atype(bf16).btype(bf16).ctype(f32) : =f32*4, b32*2, b32*1, f32*4
mma.sync.aligned.shape(m16n8k16).row.col.dtype(f32).atype(bf16).btype(bf16).ctype(f32) : =f32*4, b32*4, b32*2, f32*4
mma.sync.aligned.shape(m16n8k8).row.col.dtype(f32).atype(f16).btype(f16).ctype(f32) : =f32*4, b32*2, b32*1, f32*4
mma.sync.aligned.shape(m16n8k16).row.col.dtype(f32).atype(f16).btype(f16).ctype(f32) : =f32*4, b32*4, b32*2, f32*4
mma.sync.aligned.shape(m16n8k8).row.col.dtype(f16).atype(f16).btype(f16).ctype(f16) : =b32*2, b32*2, b32*1, b32*2
mma.sync.aligned.shape(m16n8k16).row.col.dtype(f16).atype(f16).btype(f16).ctype(f16) : =b32*2, b32*4, b32*2, b32*2
mma.sync.aligned.shape(m16n8k4).row.col.dtype(f32).atype(tf32).btype(tf32).ctype(f32) : =f32*4, b32*2, b32*1, f32*4
mma.sync.aligned.shape(m16n8k8).row.col.dtype(f32).atype(tf32).btype(tf32).ctype(f32) : =f32*4, b32*4, b32*2, f32*4
mma.sync.aligned.shape(m8n8k4).row.col.dtype(f64).atype(f64).btype(f64).ctype(f64) : =f64*2, f64*1, f64*1, f64*2
mma.sync.aligned.shape(m8n8k16).row.col[.satfinite].dtype(s32).atype(u8 s8).btype(u8 s8).ctype(s32) : =s32*2, b32*1, b32*1, s32*2
mma.sync.aligned.shape(m16n8k16).row.col[.satfinite].dtype(s32).atype(u8 s8).btype(u8 s8).ctype(s32) : =s32*4, b32*2, b32*1, s32*4
mma.sync.aligned.shape(m16n8k32).row.col[.satfinite].dtype(s32).atype(u8 s8).btype(u8 s8).ctype(s32) : =s32*4, b32*4, b32*2, s32*4
`
