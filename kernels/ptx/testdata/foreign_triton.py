# Prints kernels as Triton 3.9 compiles them for sm_80, for which it needs no GPU:
# pip install triton==3.9.0 && python foreign_triton.py | gzip -9n >foreign.triton39.ptx.gz
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource


@triton.jit
def softmax(out, x, n, B: tl.constexpr):
    row, c = tl.program_id(0), tl.arange(0, B)
    v = tl.load(x + row * n + c, mask=c < n, other=-float("inf"))
    e = tl.exp(v - tl.max(v, axis=0))
    tl.store(out + row * n + c, e / tl.sum(e, axis=0), mask=c < n)


@triton.jit
def matmul(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rm, rn, rk = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * BN + tl.arange(0, BN), tl.arange(0, BK)
    acc = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        x = tl.load(a + rm[:, None] * K + (k + rk)[None, :], mask=(rm[:, None] < M) & ((k + rk)[None, :] < K), other=0.0)
        y = tl.load(b + (k + rk)[:, None] * N + rn[None, :], mask=((k + rk)[:, None] < K) & (rn[None, :] < N), other=0.0)
        acc = tl.dot(x, y, acc)
    tl.store(c + rm[:, None] * N + rn[None, :], acc, mask=(rm[:, None] < M) & (rn[None, :] < N))


@triton.jit
def layernorm(out, x, n, eps, B: tl.constexpr):
    row, c = tl.program_id(0), tl.arange(0, B)
    v = tl.load(x + row * n + c, mask=c < n, other=0.0)
    d = tl.where(c < n, v - tl.sum(v, axis=0) / n, 0.0)
    tl.store(out + row * n + c, d / tl.sqrt(tl.sum(d * d, axis=0) / n + eps), mask=c < n)


@triton.jit
def sort(out, x, B: tl.constexpr):
    i = tl.arange(0, B)
    tl.store(out + i, tl.sort(tl.load(x + i)))


@triton.jit
def running(out, x, B: tl.constexpr):
    i = tl.arange(0, B)
    tl.store(out + i, tl.cumsum(tl.load(x + i), axis=0))


@triton.jit
def histogram(out, x, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    tl.atomic_add(out + tl.load(x + i, mask=i < n, other=0), 1, mask=i < n)


def emit(name, fn, signature, stages=3, **const):
    for c in const:
        signature[c] = "constexpr"
    k = triton.compile(ASTSource(fn, signature=signature, constexprs=const), target=GPUTarget("cuda", 80, 32),
                       options={"num_warps": 4, "num_stages": stages, "enable_fp_fusion": False})
    lines = k.asm["ptx"].split("\t.file")[0].splitlines()  # without what debuggers read
    text = "\n".join(l for l in lines if not l.startswith("\t.loc"))
    print(f"// kernel {name} shared {k.metadata.shared}\n{text}")


f, i = "*fp32", "i32"
emit("softmax", softmax, {"out": f, "x": f, "n": i}, B=512)
for t in ["bf16", "fp16", "fp32"]:
    emit("matmul_" + t, matmul, {"a": "*" + t, "b": "*" + t, "c": f, "M": i, "N": i, "K": i}, BM=64, BN=64, BK=32)
emit("layernorm", layernorm, {"out": f, "x": f, "n": i, "eps": "fp32"}, B=512)
emit("sort", sort, {"out": f, "x": f}, B=256)
emit("running", running, {"out": f, "x": f}, B=256)
emit("histogram", histogram, {"out": "*i32", "x": "*i32", "n": i}, B=128)
