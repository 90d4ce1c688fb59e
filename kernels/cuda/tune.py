"""Times alternatives to the tiles of gemm.cu on a GPU. The tiles of gemm.cu, and their
costs in gemm.go, were chosen from its results.

    python3 kernels/cuda/tune.py build DIR [--arch sm_90] [--ptxas ptxas]
    python3 kernels/cuda/tune.py run DIR [--tokens 200,400,800,4096]

`build` writes variants of gemm.cu to DIR and compiles them (clang-19, ptxas); it needs no
GPU. `run` needs a GPU and cupy. Each line of its output is a product at the shapes of
Qwen2.5-0.5B: the fastest variants with their microseconds (a graph of 16 launches over
different weights, median of five), then the variants of gemm.cu. A variant is named
rows_columns_k_warpRows_warpColumns_stages_blocks, like the arguments of PRODUCT in gemm.cu.
All variants of a product must give the same bits, which `run` checks.
"""
import argparse, json, os, subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TILES = [  # BM, BN, BK, WM, WN, STAGES, blocks a multiprocessor
    (64, 64, 32, 32, 32, 4, 3), (64, 64, 64, 32, 32, 3, 3), (64, 64, 64, 32, 32, 4, 2), (64, 64, 32, 32, 32, 6, 3), (64, 64, 64, 32, 16, 4, 2),
    (64, 64, 64, 16, 32, 4, 2), (32, 64, 64, 16, 32, 4, 3), (64, 32, 64, 32, 16, 4, 3), (64, 128, 32, 32, 64, 4, 2), (128, 64, 32, 64, 32, 4, 2),
    (64, 64, 128, 32, 32, 3, 2), (32, 32, 128, 16, 16, 3, 3), (64, 128, 64, 32, 64, 3, 2), (128, 64, 64, 32, 32, 3, 2), (128, 128, 32, 64, 64, 3, 2),
    (128, 128, 64, 64, 64, 3, 2), (128, 128, 64, 64, 32, 3, 1), (128, 256, 32, 64, 64, 4, 1), (256, 128, 32, 64, 64, 4, 1), (128, 128, 32, 64, 64, 5, 2),
    (128, 256, 64, 64, 64, 3, 1), (128, 128, 32, 32, 64, 4, 1), (128, 128, 64, 32, 64, 4, 1),
]
OURS = [(64, 64, 64, 32, 32, 3, 3), (32, 32, 128, 16, 16, 3, 3), (128, 128, 32, 64, 64, 3, 2)]
LAYOUTS = {"nt": "true, true", "nn": "true, false", "tn": "false, false"}
FILES = 6


def threads(t):
    return t[0] // t[3] * (t[1] // t[4]) * 32


def shared(t):
    return (t[0] + t[1]) * t[2] * 2 * t[5]


def name(layout, t):
    return "_".join(map(str, (layout, *t)))


def variants():
    """The layouts and tiles whose threads each copy as much."""
    for t in TILES:
        for layout in LAYOUTS:
            chunks = t[0] * t[2] // 8, t[1] * t[2] // 8
            if all(c % threads(t) == 0 for c in chunks):
                yield layout, t


def replaced(text, old, new):
    assert old in text, f"gemm.cu has no {old!r} any more: bring tune.py up to date"
    return text.replace(old, new)


def build(a):
    os.makedirs(a.dir, exist_ok=True)
    for f in "gemm.cuh", "tensorcore.cuh", "device.cuh":
        text = open(os.path.join(HERE, f)).read()
        if f == "gemm.cuh":  # tiles may take more than a kernel has statically
            text = replaced(text, 'static_assert(bytes <= 48 << 10, "static shared memory");', "")
        open(os.path.join(a.dir, f), "w").write(text)
    text = open(os.path.join(HERE, "gemm.cu")).read()
    head, rest = text.split("\nPRODUCT(", 1)
    sums = rest[rest.index("template <int W>\nDEVICE void sums("):rest.index("template <bool A_K, bool B_K>\nDEVICE void productF")]
    head = replaced(head, '#include "gemm.cuh"', '#include "gemm.cuh"\nalignas(128) extern __shared__ unsigned char dynamic[];')
    head = replaced(head, "alignas(128) __shared__ unsigned char buffer[C::bytes];", "unsigned char *buffer = dynamic;")
    lines = [f"PRODUCT(p_{name(l, t)}, {threads(t)}, {t[6]}, {', '.join(map(str, t[:6]))}, {LAYOUTS[l]}, true)" for l, t in variants()]
    for i in range(FILES):
        path = os.path.join(a.dir, f"tune{i}")
        open(path + ".cu", "w").write(head + "\n" + (sums if i == 0 else "") + "\n".join(lines[i::FILES]) + "\n")
        subprocess.run([a.clang, "-x", "cuda", "--cuda-gpu-arch=sm_80", "--cuda-device-only", "-nocudainc", "-nocudalib", "--cuda-feature=+ptx70", "-O3",
                        "-std=c++17", "-ffp-contract=off", "-S", path + ".cu", "-o", path + ".ptx"], check=True)
        subprocess.run([a.ptxas, "-arch=" + a.arch, path + ".ptx", "-o", path + ".cubin"], check=True)
    json.dump([(l, t, i % FILES) for i, (l, t) in enumerate(variants())], open(os.path.join(a.dir, "variants.json"), "w"))
    print(f"{len(lines)} kernels in {a.dir}")


def run(a):
    import cupy as cp, numpy as np
    modules = [cp.RawModule(path=os.path.join(a.dir, f"tune{i}.cubin")) for i in range(FILES)]
    kernels = []
    for layout, t, i in json.load(open(os.path.join(a.dir, "variants.json"))):
        k = modules[i].get_function("p_" + name(layout, t))
        k.max_dynamic_shared_size_bytes = max(shared(t), 48 << 10)
        kernels.append((k, layout, tuple(t)))
    add = modules[0].get_function("product_sum")
    stream, none, random = cp.cuda.Stream(non_blocking=True), np.intp(0), np.random.default_rng(0)

    def bf16(*shape):
        x = random.standard_normal(np.prod(shape), dtype=np.float32)
        return cp.asarray((x.view(np.uint32) >> 16).astype(np.uint16)).reshape(shape)

    def timed(f, n=16):
        with stream:
            f(0)
            stream.synchronize()
            stream.begin_capture()
            for i in range(n):
                f(i)
            graph = stream.end_capture()
            graph.launch(stream)
            times = []
            for _ in range(5):
                x, y = cp.cuda.Event(), cp.cuda.Event()
                x.record(stream)
                graph.launch(stream)
                y.record(stream)
                y.synchronize()
                times.append(cp.cuda.get_elapsed_time(x, y) / n * 1000)
        return sorted(times)[2]

    for tokens in map(int, a.tokens.split(",")):
        for n, k in (896, 896), (128, 896), (4864, 896), (896, 4864):
            x, y, w = [bf16(tokens, k) for _ in range(2)], [bf16(tokens, n) for _ in range(2)], [bf16(n, k) for _ in range(8)]
            c, parts = cp.empty(max(tokens * n, tokens * k, n * k), cp.float32), cp.empty(4 * max(tokens * n, tokens * k), cp.float32)
            for layout in LAYOUTS:
                M, N, K = {"nt": (tokens, n, k), "nn": (tokens, k, n), "tn": (n, k, tokens)}[layout]
                results, want = [], None
                for kernel, l, t in kernels:
                    if l != layout:
                        continue
                    for splits in (1, 2, 4) if K == 4864 and tokens <= 800 and t[0] <= 64 else (1,):
                        depth = -(-K // splits // 128) * 128 if splits > 1 else K + 127

                        def launch(i):
                            p, q, lda, ldb = {"nt": (x[i % 2], w[i % 8], k, k), "nn": (y[i % 2], w[i % 8], n, k), "tn": (y[i % 2], x[i % 2], n, k)}[layout]
                            sizes = map(np.int32, (M, N, K, lda, ldb, N, depth, 0))
                            kernel((-(-M // t[0]), -(-N // t[1]), splits), (threads(t), 1, 1), (c if splits == 1 else parts, p, q, none, none, *sizes),
                                   shared_mem=shared(t))
                            if splits > 1:
                                add((min(-(-M * N // 1024), 4224),), (256,), (c, parts, none, none, np.int64(M * N), np.int32(N), np.int32(splits), np.int32(0), np.int32(1)))

                        results.append((timed(launch), name(layout, t)[3:] + (f" in {splits}" if splits > 1 else ""), t))
                        if splits == 1:
                            launch(0)
                            cp.cuda.Device().synchronize()
                            got = c[:M * N].view(cp.uint32).copy()
                            want = got if want is None else want
                            assert bool((got == want).all()), f"{name(layout, t)} has other bits"
                results.sort()
                show = lambda rs: "; ".join(f"{us:.1f} {what}" for us, what, _ in rs)
                print(f"{tokens} tokens, {n} x {k}, {layout}: {show(results[:6])} | gemm.cu: {show([r for r in results if r[2] in OURS])}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    b = commands.add_parser("build")
    b.set_defaults(call=build)
    b.add_argument("dir")
    b.add_argument("--arch", default="sm_90")
    b.add_argument("--clang", default="clang-19")
    b.add_argument("--ptxas", default="ptxas")
    r = commands.add_parser("run")
    r.set_defaults(call=run)
    r.add_argument("dir")
    r.add_argument("--tokens", default="200,400,800,4096")
    a = parser.parse_args()
    a.call(a)


main()
