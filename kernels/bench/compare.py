"""Compares xrun's training steps with those of transformers and torch.

    python3 kernels/bench/compare.py run  -o FILE --case NAME [--repeat 5] ...
    python3 kernels/bench/compare.py table FILE

`run` trains the same rows on both sides, alternating (xrun, torch, xrun, torch, ...),
and appends a line of JSON for each pair; `table` prints medians and ratios as
Markdown. Both sides get the same data file, batch, length, labels, learning rate and
clipping, so their losses should agree; `run` checks this if both start from the same
weights. The peer is a script that takes MODEL DATA and prints a line of JSON with
tokens_per_s, padded_tokens_per_s, peak_rss_mib and losses
(../shared/tools/peer_train.py). Nothing else should run at the same time; --prefix
can give both sides priority, for example --prefix "chrt -f 10".
"""
import argparse, json, os, shlex, statistics, subprocess, sys

CASES = {  # xrun's model, the peer's model, precision
    "smollm2-f32": ("{smollm2}", "{smollm2}", "f32"),
    "smollm2-bf16": ("{smollm2}", "{smollm2}", "bf16"),
    "qwen-f32": ("Qwen2.5-0.5B", "qwen2.5-0.5b", "f32"),
    "qwen-bf16": ("Qwen2.5-0.5B", "qwen2.5-0.5b", "bf16"),
}


def last_json(command, env):
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{shlex.join(command)}: status {done.returncode}\n{done.stderr[-2000:]}")
    text = done.stdout.strip()
    return json.loads(text if text.startswith("{\n") else text.splitlines()[-1])


def run(a):
    ours, theirs, precision = (s.format(smollm2=a.smollm2) for s in CASES[a.case])
    tokenizer = a.smollm2 if "smollm2" in a.case else a.qwen_tokenizer
    prefix = shlex.split(a.prefix)
    env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    common = ["--steps", str(a.steps), "--batch", str(a.batch), "--labels", a.labels, "--length", str(a.length)]
    xrun = prefix + [a.xrun, "bench", ours, "-engine", "cpu", "-only", "step", "-json", "-precision", precision, "-data", a.data, "-tokenizer", tokenizer] + [c.replace("--", "-") for c in common]
    peer = prefix + [a.python, a.peer, theirs, a.data, "--dtype", precision, "--tokenizer", os.path.join(tokenizer, "tokenizer.json")] + common
    for i in range(a.repeat):
        x = last_json(xrun, env)
        p = last_json(peer, env)
        s = x["steps"][0]
        if "smollm2" in a.case:
            bound = 2e-4 if precision == "f32" else 5e-2
            for ours_loss, peer_loss in zip(s["losses"], p["losses"]):
                if abs(ours_loss - peer_loss) > bound * peer_loss:
                    sys.exit(f"losses differ: xrun {s['losses']}, peer {p['losses']}")
        pair = dict(case=a.case, steps=a.steps, batch=a.batch, labels=a.labels, threads=p["threads"], peer=p["peer"],
                    xrun_tokens_per_s=s["tokens_per_s"], xrun_padded_tokens_per_s=s["padded_tokens_per_s"], xrun_peak_mib=s["peak_bytes"] / 2**20,
                    xrun_share=s.get("share_of_limit"), limits=x["limits"], peer_tokens_per_s=p["tokens_per_s"],
                    peer_padded_tokens_per_s=p["padded_tokens_per_s"], peer_peak_mib=p["peak_rss_mib"], losses=s["losses"], peer_losses=p["losses"])
        with open(a.out, "a") as f:
            print(json.dumps(pair), file=f)
        print(f"{a.case} {i + 1}/{a.repeat}: {pair['xrun_tokens_per_s']:.1f} and {pair['peer_tokens_per_s']:.1f} tokens/s, "
              f"{pair['xrun_peak_mib']:.0f} and {pair['peer_peak_mib']:.0f} MiB", flush=True)


def table(a):
    pairs = [json.loads(line) for line in open(a.file)]
    print("| training, batch 4 | pairs | xrun tokens/s | torch tokens/s | ratio | with torch's pads counted | xrun MiB | torch MiB | ratio | of the product loop |")
    print("| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |")
    for case in dict.fromkeys(p["case"] for p in pairs):
        of = [p for p in pairs if p["case"] == case]
        m = lambda f: statistics.median(f(p) for p in of)
        print(f"| {case} | {len(of)} | {m(lambda p: p['xrun_tokens_per_s']):.1f} | {m(lambda p: p['peer_tokens_per_s']):.1f} | "
              f"{m(lambda p: p['xrun_tokens_per_s'] / p['peer_tokens_per_s']):.2f} | {m(lambda p: p['xrun_tokens_per_s'] / p['peer_padded_tokens_per_s']):.2f} | "
              f"{m(lambda p: p['xrun_peak_mib']):.0f} | {m(lambda p: p['peer_peak_mib']):.0f} | {m(lambda p: p['xrun_peak_mib'] / p['peer_peak_mib']):.2f} | "
              f"{100 * m(lambda p: p['xrun_share'] or 0):.0f} % |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    r = commands.add_parser("run")
    r.set_defaults(call=run)
    r.add_argument("-o", "--out", required=True)
    r.add_argument("--case", choices=CASES, required=True)
    r.add_argument("--repeat", type=int, default=5)
    r.add_argument("--steps", type=int, default=4)
    r.add_argument("--batch", type=int, default=4)
    r.add_argument("--length", type=int, default=1024)
    r.add_argument("--labels", choices=["output", "all"], default="output")
    r.add_argument("--xrun", default="./xrun")
    r.add_argument("--python", default=sys.executable, help="that has torch, transformers and tokenizers")
    r.add_argument("--peer", default="../shared/tools/peer_train.py")
    r.add_argument("--data", default="../shared/data/instruct/alpaca_5000.json")
    r.add_argument("--smollm2", default="build/smollm2")
    r.add_argument("--qwen-tokenizer", default="../shared/reference/qwen2.5")
    r.add_argument("--prefix", default="")
    t = commands.add_parser("table")
    t.set_defaults(call=table)
    t.add_argument("file")
    a = parser.parse_args()
    a.call(a)


main()
