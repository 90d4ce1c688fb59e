"""Times xrun's evaluation beside the harnesses whose scores it gives.

    python3 experiments/bench/compare.py run FILE --form opencompass --items DIR ...
    python3 experiments/bench/compare.py table FILE

`run` starts xrun and the peer in turn, each over the same items (subset.py writes them), and appends a line of JSON for each run:
wall clock and processor seconds from start to end, and the largest resident set. `table` prints medians and ratios as Markdown.
Nothing else should run meanwhile. --form opencompass times opencompass_ppl.py at --batch; --form lm-eval times a script (--lmeval)
that takes MODEL DATA OUT FIRST N and scores N items a suite, of MMLU a third for each of three subjects, with lm-evaluation-harness.
"""
import argparse, json, os, statistics, subprocess, sys, tempfile, time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITES = {
    "opencompass": ["-suites", "hellaswag,winogrande/ll,winogrande/ppl,arc-e,arc-c/dev,boolq,mmlu"],
    "lm-eval": ["-protocol", "lm-eval", "-suites", "arc-e,arc-c,hellaswag,winogrande,boolq,mmlu"],
}


def measure(command):
    with tempfile.TemporaryFile() as out:
        start = time.monotonic()
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.monotonic() - start
        out.seek(0)
        text = out.read().decode(errors="replace")
    if status:
        sys.exit(f"{' '.join(command)}: status {status}\n{text[-2000:]}")
    return dict(wall=wall, cpu=used.ru_utime + used.ru_stime, mib=used.ru_maxrss / 1024, last=text.strip().splitlines()[-1][-300:])


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return f"{line.split(':', 1)[1].strip()}, {len(os.sched_getaffinity(0))} cores"
    return "unknown"


def run(a):
    xrun = [a.xrun, "eval", a.model, "-root", a.items] + SUITES[a.form]
    if a.form == "opencompass":
        name = f"OpenCompass' loop, batch {a.batch}"
        peer = [a.python, str(HERE / "opencompass_ppl.py"), a.model, a.items, str(a.batch)] + ([a.reference] if a.reference else [])
    else:
        name = "lm-eval, batch 4"
        peer = [a.python, a.lmeval, a.model, a.data, os.devnull, "0", "40"]
    for i in range(a.repeat):
        for side, command in [("xrun", xrun), (name, peer)]:
            if a.only and a.only != ("xrun" if side == "xrun" else "peer"):
                continue
            got = dict(form=a.form, items=Path(a.items).name, side=side, processor=processor(), load=os.getloadavg()[0], **measure(command))
            with open(a.file, "a") as f:
                print(json.dumps(got), file=f)
            print(f"{a.form} {i + 1}/{a.repeat} {side}: {got['wall']:.1f} s, {got['cpu']:.1f} s of processors, {got['mib']:.0f} MiB", flush=True)


def table(a):
    runs = [json.loads(line) for line in open(a.file)]
    print("Processor:", ", ".join(dict.fromkeys(r["processor"] for r in runs)), "\n")
    print("| items | program | runs | wall s | processor s | peak MiB | xrun: times as fast | by processor s | of its memory |")
    print("| --- | --- | --: | --: | --: | --: | --: | --: | --: |")
    for form, items in dict.fromkeys((r["form"], r["items"]) for r in runs):
        of = {}
        for r in runs:
            if (r["form"], r["items"]) == (form, items):
                of.setdefault(r["side"], []).append(r)
        median = {side: {k: statistics.median(r[k] for r in rs) for k in ("wall", "cpu", "mib")} for side, rs in of.items()}
        mine = median.get("xrun")
        for side, m in median.items():
            ratios = f"{m['wall'] / mine['wall']:.2f} | {m['cpu'] / mine['cpu']:.2f} | {mine['mib'] / m['mib']:.2f}" if mine and side != "xrun" else " | | "
            print(f"| {form}, {items} | {side} | {len(of[side])} | {m['wall']:.1f} | {m['cpu']:.1f} | {m['mib']:.0f} | {ratios} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    r = commands.add_parser("run")
    r.set_defaults(call=run)
    r.add_argument("file")
    r.add_argument("--form", choices=SUITES, required=True)
    r.add_argument("--items", required=True, help="directory that subset.py wrote")
    r.add_argument("--data", default="../shared/data", help="directory that subset.py read")
    r.add_argument("--model", default="build/smollm2")
    r.add_argument("--xrun", default="./xrun")
    r.add_argument("--python", default=sys.executable, help="that has torch and transformers, or lm_eval")
    r.add_argument("--lmeval", default="../shared/reference/make_lmeval.py")
    r.add_argument("--reference", help="OpenCompass' answers, to compare scores with")
    r.add_argument("--batch", type=int, default=2)
    r.add_argument("--repeat", type=int, default=3)
    r.add_argument("--only", choices=["xrun", "peer"], help="one side: take turns by hand")
    t = commands.add_parser("table")
    t.set_defaults(call=table)
    t.add_argument("file")
    a = parser.parse_args()
    a.call(a)


main()
