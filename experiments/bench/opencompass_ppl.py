"""The scoring loop of OpenCompass 0.5.4 over transformers, without OpenCompass.

usage: opencompass_ppl.py MODEL DATA BATCH [REFERENCE [OUT]]

Asks what OpenCompass asks about the items under DATA (see subset.py) in the forms named in xrun's suites: prompts of one label at
a time in batches of BATCH, padded on the left, the logits of every position in float32, their cross-entropies summed over the
whole prompt and divided by its tokens (its HuggingFaceBaseModel.get_ppl). The model is loaded once, where OpenCompass starts a
task for each dataset. Prints a line of JSON; with REFERENCE, OpenCompass' own answers for the same items, first compares every
score (equal only at BATCH 1: pads count otherwise); "-" is none. OUT takes every score as JSON, for agree.py.
"""
import csv, json, sys, time
from pathlib import Path

import torch, transformers


def rows(path):
    if path.suffix == ".csv":
        return list(csv.reader(open(path, newline="")))
    return [json.loads(line) for line in open(path, encoding="utf-8-sig") if line.strip()]


def suites(data):
    """Yields name, {label: [prompt]}, masked texts or None."""
    hs = rows(data / "hellaswag/hellaswag.jsonl")
    yield "hellaswag", {str(k): [r["query"].split(": ", maxsplit=2)[-1] + "\n" + r["choices"][k] for r in hs] for k in range(4)}, None
    wg = rows(data / "winogrande/dev.jsonl")
    fill = lambda r, k: r["sentence"].replace("_", r[f"option{k}"])
    yield "winogrande", {k: ["Good sentence: " + fill(r, k) for r in wg] for k in "12"}, None
    yield "winogrande_ll", {k: [fill(r, k) for r in wg] for k in "12"}, [r["sentence"].split("_")[1] for r in wg]
    for k, name in [("e", "Easy"), ("c", "Challenge")]:
        arc = [r["question"] for r in rows(data / f"ARC/ARC-{k}/ARC-{name}-Dev.jsonl")]
        yield f"ARC-{k}", {l: [f"Question: {q['stem']}\nAnswer: \n{q['choices'][i]['text']}" for q in arc] for i, l in enumerate("ABCD")}, None
    bq = rows(data / "SuperGLUE/BoolQ/val.jsonl")
    yield "BoolQ", {l: [f"{r['passage']}\nQuestion: {r['question']}?\n{w}" for r in bq] for l, w in [("0", "No"), ("1", "Yes")]}, None
    for s in sorted(p.stem.removesuffix("_test") for p in (data / "mmlu/test").glob("*.csv")):
        block = lambda r, l: f"{r[0]}\n" + "".join(f"{x}. {t}\n" for x, t in zip("ABCD", r[1:5])) + f"Answer: {l}"
        head = f"The following are multiple choice questions (with answers) about  {s.replace('_', ' ')}.\n\n"
        shots = "\n".join(block(r, r[5]) + "\n" for r in rows(data / f"mmlu/dev/{s}_dev.csv"))
        test = rows(data / f"mmlu/test/{s}_test.csv")
        yield f"lukaemon_mmlu_{s}", {l: [head + shots + "\n" + block(r, l) for r in test] for l in "ABCD"}, None


@torch.inference_mode()
def scores(model, tok, prompts, masked):
    t = tok(prompts, padding=True, return_tensors="pt")
    ids = t["input_ids"]
    logits = model(input_ids=ids, attention_mask=t["attention_mask"])[0]
    shifted, labels = logits[:, :-1].contiguous().float(), ids[:, 1:].contiguous()
    ce = torch.nn.functional.cross_entropy(shifted.view(-1, shifted.shape[-1]), labels.view(-1), ignore_index=tok.pad_token_id, reduction="none").view(labels.shape)
    n = (ids != tok.pad_token_id).sum(-1)
    if masked is not None:
        for i, m in enumerate(masked):
            ce[i, :max(m - 1, 0)] = 0
        n = n - torch.tensor(masked)
    return (ce.sum(-1).double() / n.double()).tolist(), int(n.sum())


def main():
    path, data, batch = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    reference = json.load(open(sys.argv[4]))["suites"] if len(sys.argv) > 4 and sys.argv[4] != "-" else {}
    everything = {}
    tok = transformers.AutoTokenizer.from_pretrained(path, padding_side="left")
    if tok.pad_token_id is None:
        tok.pad_token = tok.eos_token
    model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    start, worst, items = time.time(), 0.0, 0
    for name, asked, cont in suites(data):
        masked = [len(tok(c)["input_ids"]) for c in cont] if cont else None
        items += len(next(iter(asked.values())))
        for label, prompts in asked.items():
            got = []
            for i in range(0, len(prompts), batch):
                got += scores(model, tok, prompts[i:i + batch], masked and masked[i:i + batch])[0]
            everything.setdefault(name, {})[label] = got
            if name in reference:
                for item, score in zip(reference[name], got):
                    worst = max(worst, abs(abs(item["choices"][label]["score"]) - score))
    if len(sys.argv) > 5:
        json.dump(everything, open(sys.argv[5], "w"))
    print(json.dumps(dict(items=items, seconds_without_start=time.time() - start, worst_difference=worst if reference else None)))


main()
