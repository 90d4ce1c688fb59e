#!/usr/bin/env python3
"""Compares the speed of the products of a linear layer in f32 with numpy's (OpenBLAS) and
torch's (MKL or oneDNN): 512 tokens, the layers of SmolLM2-135M and Qwen2.5-0.5B without
their heads.

    go test -c -o gemm.test ./kernels/gemm
    python3 kernels/bench/products.py --gemm ./gemm.test --path avx2

The three run in turn; each round runs every product of each. It prints medians over the rounds,
in GFLOP/s and as shares of the multiply-add loop that gemm.test runs around each product. It
uses all threads of the machine, or those that taskset allows.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import time

TOKENS = 512
LAYERS = [(576, 576), (192, 576), (1536, 576), (576, 1536), (896, 896), (128, 896), (4864, 896), (896, 4864)]
PRODUCTS = ["Forward", "GradInput", "GradWeight"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--gemm", required=True, help="the test binary of kernels/gemm")
    p.add_argument("--path", default="avx2", help="xrun's path: avx2 or avx512")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=0.2, help="of each product, each round")
    p.add_argument("--worker", choices=["numpy", "torch"], help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.worker:
        return worker(args.worker, args.seconds)
    speeds, loops = {}, []
    for _ in range(args.rounds):
        for name, product, n, k, rate, loop in ours(args):
            speeds.setdefault((name, product, n, k), []).append(rate)
            loops.append(loop)
        for peer in ("numpy", "torch"):
            out = subprocess.run([sys.executable, __file__, "--gemm", "-", "--worker", peer, "--seconds", str(args.seconds)],
                                 check=True, capture_output=True, text=True).stdout
            for line in out.splitlines():
                product, n, k, rate = line.split()
                speeds.setdefault((peer, product, int(n), int(k)), []).append(float(rate))
    loop = statistics.median(loops)
    print(f"the multiply-add loop: {loop:.0f} GFLOP/s (median)\n")
    names = ["xrun", "numpy", "torch"]
    print("| product | n, k | " + " | ".join(f"{n} GFLOP/s" for n in names) + " |")
    print("| --- | --- | --: | --: | --: |")
    means = {}
    for product in PRODUCTS:
        for n, k in LAYERS:
            row = [statistics.median(speeds[name, product, n, k]) for name in names]
            for name, rate in zip(names, row):
                means.setdefault((product, name), []).append(rate)
            print(f"| {product} | {n}, {k} | " + " | ".join(f"{r:.0f} ({100 * r / loop:.0f} %)" for r in row) + " |")
    for product in PRODUCTS:
        rates = {name: statistics.mean(means[product, name]) for name in names}
        print(f"| {product} | mean | " + " | ".join(f"{r:.0f} ({100 * r / loop:.0f} %)" for r in rates.values()) + " |")
    for peer in names[1:]:
        ratios = [a / b for product in PRODUCTS for a, b in zip(means[product, "xrun"], means[product, peer])]
        print(f"\nxrun's speed over {peer}'s: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


def ours(args):
    """Runs gemm.test once over every product; yields name, product, n, k, GFLOP/s and the loop's."""
    for product in PRODUCTS:
        for n, k in LAYERS:
            pattern = f"^Benchmark{product}$/^impl={args.path}$/^dtype=f32$/^m={TOKENS}$/^n={n}$/^k={k}$"
            out = subprocess.run([args.gemm, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", f"{args.seconds}s"],
                                 check=True, capture_output=True, text=True).stdout
            m = re.search(r"([\d.]+) %peak\s+([\d.]+) GFLOP/s", out)
            if not m:
                sys.exit(f"{args.gemm} printed no speed for {pattern}: is the path {args.path!r} one that this machine has?\n{out}")
            share, rate = float(m[1]), float(m[2])
            yield "xrun", product, n, k, rate, 100 * rate / share


def worker(peer, seconds):
    import numpy as np
    threads = len(os.sched_getaffinity(0))
    if peer == "torch":
        import torch
        torch.set_num_threads(threads)
    rng = np.random.default_rng(1)
    for n, k in LAYERS:
        x, w, dy = (rng.standard_normal(shape, np.float32) for shape in ((TOKENS, k), (n, k), (TOKENS, n)))
        if peer == "torch":
            x, w, dy = map(torch.from_numpy, (x, w, dy))
        for product, a, b in zip(PRODUCTS, (x, dy, dy.T), (w.T, w, x)):
            if peer == "torch":
                out = torch.empty(a.shape[0], b.shape[1])
                f = lambda: torch.mm(a, b, out=out)
            else:
                out = np.empty((a.shape[0], b.shape[1]), np.float32)
                f = lambda: np.dot(a, b, out=out)
            for _ in range(3):
                f()
            rounds, began = 0, time.perf_counter()
            while time.perf_counter() - began < seconds:
                f()
                rounds += 1
            print(product, n, k, 2e-9 * TOKENS * n * k * rounds / (time.perf_counter() - began))


if __name__ == "__main__":
    main()
