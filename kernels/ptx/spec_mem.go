package ptx

// Loads, stores and atomics (PTX ISA 9.7.9, 9.7.13).
const specMemory = `
ld[.weak][.space(const global local param param::entry param::func shared shared::cta shared::cluster)][.cop(ca cg cs lu cv)]$evict$hint$l2[.vec(v2 v4 v8)].$mem : =type*vec~_, addr, policy
ld.volatile[.space(global local shared shared::cta shared::cluster)]$l2[.vec(v2 v4 v8)].$mem : =type*vec~_, addr
ld.order(relaxed acquire).scope(cta cluster gpu sys)[.space(global shared shared::cta shared::cluster)]$evict$hint$l2[.vec(v2 v4 v8)].$mem : =type*vec~_, addr, policy
ld.mmio.order(relaxed).scope(sys)[.space(global)].$mem : =type*vec~_, addr
ld.space(global)[.cop(ca cg cs)].nc$evict$hint$l2[.vec(v2 v4 v8)].$mem : =type*vec~_, addr, policy
ld.space(global)$evict.nc$hint$l2[.vec(v2 v4 v8)].$mem : =type*vec~_, addr, policy
ldu[.space(global)][.vec(v2 v4)].$mem : =type*vec~_, addr @ ld
st[.weak][.space(global local param param::func shared shared::cta shared::cluster)][.cop(wb cg cs wt)]$evict$hint[.vec(v2 v4 v8)].$mem : addr, type*vec~, policy
st.volatile[.space(global local shared shared::cta shared::cluster)][.vec(v2 v4 v8)].$mem : addr, type*vec~
st.order(relaxed release).scope(cta cluster gpu sys)[.space(global shared shared::cta shared::cluster)]$evict$hint[.vec(v2 v4 v8)].$mem : addr, type*vec~, policy
st.mmio.order(relaxed).scope(sys)[.space(global)].$mem : addr, type*vec~
prefetch[.space(global local)].level(L1 L2) : addr @ nothing
prefetch.space(global).level(L2::evict_last L2::evict_normal) : addr @ nothing
prefetch[.space(const param)].tensormap : addr @ nothing
prefetchu.level(L1) : addr @ nothing
createpolicy.fractional.primary(L2::evict_last L2::evict_normal L2::evict_first L2::evict_unchanged)[.secondary(L2::evict_first L2::evict_unchanged)].type(b64) : =type, f32?
createpolicy.range[.space(global)].primary(L2::evict_last L2::evict_normal L2::evict_first L2::evict_unchanged)[.secondary(L2::evict_first L2::evict_unchanged)].type(b64) : =type, addr, u32, u32
createpolicy.cvt.L2.type(b64) : =type, type
discard[.space(global)].level(L2) : addr, b32# @ nothing
applypriority[.space(global)].level(L2::evict_normal) : addr, b32# @ nothing

atom$sem$scope[.space(global shared shared::cta shared::cluster)].op(and or xor)$hint.type(b32 b64) : =type_, addr, type, policy
atom$sem$scope[.space(global shared shared::cta shared::cluster)].op(exch)$hint.type(b32 b64) : =type_, addr, type, policy
atom$sem$scope[.space(global shared shared::cta shared::cluster)].op(cas).type(b16 b32 b64) : =type_, addr, type, type
atom$sem$scope[.space(global shared shared::cta shared::cluster)].op(add)$hint.type(u32 s32 u64 f32 f64) : =type_, addr, type, policy
atom$sem$scope[.space(global shared shared::cta shared::cluster)].op(add).noftz$hint.type(f16 f16x2 bf16 bf16x2) : =type_, addr, type, policy
atom$sem$scope[.space(global)].op(add)$hint.vec(v2 v4).type(f32) : =type*vec_, addr, type*vec, policy
atom$sem$scope[.space(global)].op(add min max).noftz$hint.vec(v2 v4 v8).type(f16 bf16) : =type*vec_, addr, type*vec, policy
atom$sem$scope[.space(global)].op(add min max).noftz$hint.vec(v2 v4).type(f16x2 bf16x2) : =type*vec_, addr, type*vec, policy
atom$sem$scope[.space(global shared shared::cta shared::cluster)].op(inc dec)$hint.type(u32) : =type_, addr, type, policy
atom$sem$scope[.space(global shared shared::cta shared::cluster)].op(min max)$hint.type(u32 s32 u64 s64) : =type_, addr, type, policy
red[.sem(relaxed release)]$scope[.space(global shared shared::cta shared::cluster)].op(and or xor)$hint.type(b32 b64) : addr, type, policy
red[.sem(relaxed release)]$scope[.space(global shared shared::cta shared::cluster)].op(add)$hint.type(u32 s32 u64 f32 f64) : addr, type, policy
red[.sem(relaxed release)]$scope[.space(global shared shared::cta shared::cluster)].op(add).noftz$hint.type(f16 f16x2 bf16 bf16x2) : addr, type, policy
red[.sem(relaxed release)]$scope[.space(global)].op(add)$hint.vec(v2 v4).type(f32) : addr, type*vec, policy
red[.sem(relaxed release)]$scope[.space(global)].op(add min max).noftz$hint.vec(v2 v4 v8).type(f16 bf16) : addr, type*vec, policy
red[.sem(relaxed release)]$scope[.space(global)].op(add min max).noftz$hint.vec(v2 v4).type(f16x2 bf16x2) : addr, type*vec, policy
red[.sem(relaxed release)]$scope[.space(global shared shared::cta shared::cluster)].op(inc dec)$hint.type(u32) : addr, type, policy
red[.sem(relaxed release)]$scope[.space(global shared shared::cta shared::cluster)].op(min max)$hint.type(u32 s32 u64 s64) : addr, type, policy

cp.async.cop(ca).space(shared shared::cta).global$hint$l2 : addr, addr, u32#, any?, any?, any? @ cpasync
cp.async.cop(cg).space(shared shared::cta).global$hint$l2 : addr, addr, u32#, any?, any?, any? @ cpasync
cp.async.commit_group : @ cpcommit
cp.async.wait_group : u32# @ cpwait
cp.async.wait_all : @ cpwait
`
