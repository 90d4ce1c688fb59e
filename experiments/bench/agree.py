"""Compares xrun's scores with a harness' own, item by item, and prints a Markdown table.

usage: agree.py XRUN MODEL ITEMS FORM ANSWERS

ITEMS is a directory that subset.py wrote. FORM "opencompass": ANSWERS is the OUT of opencompass_ppl.py at batch 1, and what is
compared are scores, which it gives in nats a token. FORM "lm-eval": ANSWERS is what make_lmeval.py wrote, and what is compared are
summed log-probabilities and whether acc and acc_norm count the item. A prediction agrees where the choices' order of scores is the
same at its top, or the two best differ by less than twice the tolerance. Needs pyarrow. Exit status 1 if anything differs by more
than the tolerance.
"""
import json, subprocess, sys, tempfile
from pathlib import Path

import pyarrow.parquet as parquet

FORMS = {  # xrun's arguments, tolerance
    "opencompass": (["-suites", "hellaswag,winogrande/ll,winogrande/ppl,arc-e,arc-c/dev,boolq,mmlu"], 2e-4),
    "lm-eval": (["-protocol", "lm-eval", "-suites", "arc-e,arc-c,hellaswag,winogrande,boolq,mmlu"], 2e-3),
}
NAMES = {
    "hellaswag": "hellaswag", "winogrande": "winogrande-ppl", "winogrande_ll": "winogrande-ll", "ARC-e": "arc-e", "ARC-c": "arc-c-dev", "BoolQ": "boolq",
    "arc_e": "arc-e", "arc_c": "arc-c", "boolq": "boolq",
}


def mine(xrun, model, items, form):
    """{(suite, subset): [[row of each choice] of each item]}, of lm-eval's suites also under NAME (acc_norm)."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([xrun, "eval", model, "-root", items, "-o", out, *FORMS[form][0]], check=True, stdout=subprocess.DEVNULL)
        rows = parquet.read_table(Path(out) / "items.parquet").to_pylist()
    found = {}
    for r in rows:
        found.setdefault((r["suite"], r["subset"]), {}).setdefault(r["row"], []).append(r)
    return {key: [choices for _, choices in sorted(by.items())] for key, by in found.items()}


def main():
    xrun, model, items, form, answers = sys.argv[1:]
    tolerance = FORMS[form][1]
    theirs, ours = json.load(open(answers)), mine(xrun, model, items, form)
    print("| form | suite | items | worst difference | other predictions |\n| --- | --- | --: | --: | --: |")
    total, worst, wrong = 0, 0.0, 0
    for name, answer in (theirs if form == "opencompass" else theirs["tasks"]).items():
        subject = name.removeprefix("lukaemon_").removeprefix("mmlu_")
        key = ("mmlu", subject) if "mmlu_" in name else (("winogrande" if form == "lm-eval" and name == "winogrande" else NAMES.get(name, name)), "")
        if form == "opencompass":
            asked = list(zip(*answer.values()))
            got = [[abs(r["score"]) for r in item] for item in ours[key]]
        else:
            asked = [i["logprobs"] for i in answer["items"]]
            got = [[r["logprob"] for r in item] for item in ours[key]]
        assert len(asked) == len(got) > 0, f"{name}: {len(asked)} items, xrun has {len(got)}"
        here, other = 0.0, 0
        best = max if form == "lm-eval" else min
        for i, (a, b) in enumerate(zip(asked, got)):
            a = [abs(x) for x in a] if form == "opencompass" else a
            here = max([here] + [abs(x - y) for x, y in zip(a, b)])
            if a.index(best(a)) != b.index(best(b)):
                top = sorted(a, reverse=form == "lm-eval")
                other += abs(top[0] - top[1]) > 2 * tolerance
            if form == "lm-eval":
                for metric, suffix in [("acc", ""), ("acc_norm", " (acc_norm)")]:
                    said = answer["items"][i][metric]
                    if said is not None and (key[0] + suffix, key[1]) in ours:
                        other += bool(said) != ours[(key[0] + suffix, key[1])][i][0]["correct"]
        print(f"| {form} | {name.removeprefix('lukaemon_')} | {len(asked)} | {here:.1e} | {other} |")
        total, worst, wrong = total + len(asked), max(worst, here), wrong + other
    print(f"| {form} | all | {total} | {worst:.1e} | {wrong} |")
    sys.exit(worst > tolerance or wrong > 0)


main()
