"""The alternative to xrun on a GPU: transformers and torch. Trains the same rows as
`xrun bench -data` and prints a line of JSON, or times torch's products and attention at
the shapes of `xrun bench -only kernels`.

    python3 kernels/bench/torch_gpu.py train MODELDIR alpaca.json [--dtype f32|bf16|amp]
    python3 kernels/bench/torch_gpu.py kernels [--tokens 4096]

bf16 keeps weights and moments in bf16. amp keeps them in float32 and computes products in
bf16, as xrun does. f32 does not use TF32, whose products have ten bits.
"""
import argparse, json, os, statistics, time, torch

INPUT = "Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
PLAIN = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\n{instruction}\n\n### Response:\n"


def train(a):
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM
    tok = Tokenizer.from_file(os.path.join(a.tokenizer or a.model, "tokenizer.json"))
    kept = torch.bfloat16 if a.dtype == "bf16" else torch.float32
    m = AutoModelForCausalLM.from_pretrained(a.model, dtype=kept, attn_implementation="sdpa").cuda().train()
    opt = torch.optim.AdamW(m.parameters(), lr=5e-5, weight_decay=0.0, fused=True)
    end = tok.token_to_id(json.load(open(os.path.join(a.tokenizer or a.model, "tokenizer_config.json")))["eos_token"])
    rows = []
    for r in json.load(open(a.data))[:a.batch * (a.steps + a.warm)]:
        p = tok.encode((INPUT if r["input"] else PLAIN).format(**r), add_special_tokens=False).ids
        o = tok.encode(r["output"], add_special_tokens=False).ids + [end]
        rows.append(((p + o)[:a.length], min(len(p), a.length)))
    n = padded = 0
    losses = []
    for s in range(a.steps + a.warm):
        b = rows[a.batch * s:a.batch * (s + 1)]
        width = max(len(x) for x, _ in b)
        ids = torch.zeros(len(b), width, dtype=torch.long)
        mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
        for i, (x, p) in enumerate(b):
            ids[i, :len(x)], mask[i, :len(x)] = torch.tensor(x), 1
            labels[i, p if a.labels == "output" else 0:len(x)] = torch.tensor(x[p if a.labels == "output" else 0:])
        if s == a.warm:
            torch.cuda.synchronize()
            start = time.time()
        with torch.autocast("cuda", torch.bfloat16, enabled=a.dtype == "amp"):
            loss = m(input_ids=ids.cuda(), attention_mask=mask.cuda(), labels=labels.cuda()).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)
        opt.step()
        opt.zero_grad()
        losses.append(round(loss.item(), 5))
        if s >= a.warm:
            n, padded = n + int(mask.sum()), padded + mask.numel()
    torch.cuda.synchronize()
    took = time.time() - start
    print(json.dumps(dict(
        peer="torch " + torch.__version__, device=torch.cuda.get_device_name(), dtype=a.dtype, batch=a.batch, steps=a.steps, tokens_per_s=round(n / took, 1),
        padded_tokens_per_s=round(padded / took, 1), s_per_step=round(took / a.steps, 5), peak_mib=torch.cuda.max_memory_allocated() >> 20,
        reserved_mib=torch.cuda.max_memory_reserved() >> 20, losses=losses)))


def timed(f):
    for _ in range(3):
        f()
    times = []
    for _ in range(20):
        x, y = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        x.record()
        for _ in range(5):
            f()
        y.record()
        torch.cuda.synchronize()
        times.append(x.elapsed_time(y) / 5e3)
    return statistics.median(times)


def kernels(a):
    new = lambda *shape, dtype=torch.bfloat16: torch.randn(*shape, device="cuda", dtype=dtype)
    for dtype in torch.bfloat16, torch.float32:
        for n, k in (896, 896), (128, 896), (4864, 896), (896, 4864), (151936, 896):
            m = a.tokens if n < 100000 else a.tokens // 2
            x, w, y = new(m, k, dtype=dtype), new(n, k, dtype=dtype), new(m, n, dtype=dtype)
            for name, f in ("linear", lambda: x @ w.T), ("grad_input", lambda: y @ w), ("grad_weight", lambda: y.T @ x):
                s = timed(f)
                print(f"{name} {dtype} m={m} n={n} k={k}: {s * 1e6:.1f} us, {2e-12 * m * n * k / s:.1f} TFLOP/s")
    heads, kv, dim = 14, 2, 64
    for length in 128, 1024:
        batch = a.tokens // length
        q = new(batch, heads, length, dim).requires_grad_()
        k, v = new(batch, kv, length, dim).requires_grad_(), new(batch, kv, length, dim).requires_grad_()
        attend = lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        out = attend()
        d = torch.randn_like(out)
        pairs = batch * heads * length * (length + 1) / 2 * dim
        forward, backward = timed(attend), timed(lambda: torch.autograd.grad(out, (q, k, v), d, retain_graph=True))
        print(f"attention {batch} x {length}: {forward * 1e6:.1f} us, {4e-12 * pairs / forward:.1f} TFLOP/s; grad {backward * 1e6:.1f} us, {1e-11 * pairs / backward:.1f} TFLOP/s")
    p, q = new(1 << 28, dtype=torch.float32), new(1 << 28, dtype=torch.float32)
    s = timed(lambda: q.copy_(p))
    print(f"copy: {8 * 2**28 / s / 1e9:.0f} GB/s read and written")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    t = commands.add_parser("train")
    t.set_defaults(call=train)
    t.add_argument("model")
    t.add_argument("data")
    t.add_argument("--dtype", choices=["f32", "bf16", "amp"], default="amp")
    t.add_argument("--steps", type=int, default=20)
    t.add_argument("--warm", type=int, default=4)
    t.add_argument("--batch", type=int, default=4)
    t.add_argument("--length", type=int, default=1024)
    t.add_argument("--labels", choices=["output", "all"], default="output")
    t.add_argument("--tokenizer")
    k = commands.add_parser("kernels")
    k.set_defaults(call=kernels)
    k.add_argument("--tokens", type=int, default=4096)
    a = parser.parse_args()
    a.call(a)


main()
