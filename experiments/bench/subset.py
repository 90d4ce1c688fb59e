"""Copies the first items of each suite, in OpenCompass' layout, so that every program reads the same files.

usage: subset.py DATA OUT [N [FIRST [FORM [SUBJECTS]]]]

DATA is a directory of the suites' original files, OUT a new one with N items (default 40, of MMLU a quarter for each of three
subjects) of each suite from item FIRST on. FORM is "opencompass" (ARC's Dev files) or "lm-eval" (its Test files; of MMLU a third).
SUBJECTS are those of MMLU, with commas between.
Rows that OpenCompass leaves out (ARC without four choices) do not count there.
"""
import csv, json, sys
from pathlib import Path

SUBJECTS = ["anatomy", "college_physics", "us_foreign_policy"]


def lines(path):
    return [l for l in open(path, encoding="utf-8-sig").read().split("\n") if l.strip()]


def main():
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    n = int(sys.argv[3]) if len(sys.argv) > 3 else 40
    first = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    form = sys.argv[5] if len(sys.argv) > 5 else "opencompass"
    subjects = sys.argv[6].split(",") if len(sys.argv) > 6 else SUBJECTS
    part = n // 4 if form == "opencompass" else n // 3
    split = "Dev" if form == "opencompass" else "Test"

    def put(src, dst, keep=lambda row: True):
        rows = [l for l in lines(data / src) if keep(json.loads(l))][first:first + n]
        (out / dst).parent.mkdir(parents=True, exist_ok=True)
        open(out / dst, "w").write("\n".join(rows) + "\n")

    four = lambda r: form != "opencompass" or len(r["question"]["choices"]) == 4
    put("hellaswag/hellaswag.jsonl", "hellaswag/hellaswag.jsonl")
    put("winogrande/dev.jsonl", "winogrande/dev.jsonl")
    put("boolq/val.jsonl", "SuperGLUE/BoolQ/val.jsonl")
    for k, name in [("e", "Easy"), ("c", "Challenge")]:
        put(f"arc/ARC-{k}/ARC-{name}-{split}.jsonl", f"ARC/ARC-{k}/ARC-{name}-{split}.jsonl", four)
    for s in subjects:
        for kind, lo, hi in [("dev", 0, 5), ("test", first, first + part)]:
            rows = list(csv.reader(open(data / f"mmlu/{kind}/{s}_{kind}.csv", newline="")))[lo:hi]
            path = out / f"mmlu/{kind}/{s}_{kind}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            csv.writer(open(path, "w", newline="")).writerows(rows)


main()
