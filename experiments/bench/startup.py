"""Times from the start of the process to the first training step, at the embedded scale.

    python3 experiments/bench/startup.py ./xrun [RUNS]

Each run has a store of its own, so that nothing is done yet, and a terminal for its progress bar; the clock stops when the bar
first shows a training loss (it is drawn at most every 0.1 s), and the run is ended. What comes before counts: reading and
planning the study, tokenizing the data, loading the model. The study is mask_ablation.cue's at its embedded scale, but for what
it evaluates before it trains: the base model's suites, samples and held-out losses.
"""
import os, pty, signal, statistics, sys, tempfile, time
from pathlib import Path

SPEC = """question: "How long until the first step?"
matrix: {model: ["builtin:tiny"], padding: ["left"], labels: ["output"], schedule: ["linear"]}
data: {source: "builtin:tiny/instruct.json", maxLength: 128}
train: {epochs: 6, batch: 8, lr: 1e-3, precision: "f32"}
eval: {base: false, root: "builtin:tiny/suites", suites: ["arc-e"]}
"""


def once(xrun):
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, "startup.cue")
        spec.write_text(SPEC)
        start = time.monotonic()
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(xrun, [xrun, str(spec), "-runs", folder + "/runs"])
        shown = b""
        while b"loss " not in shown:
            try:
                shown += os.read(terminal, 4096)
            except OSError:  # the end of a terminal
                sys.exit(f"{xrun} ended before its first step:\n{shown.decode(errors='replace')}")
        took = time.monotonic() - start
        os.kill(pid, signal.SIGKILL)
        used = os.wait4(pid, 0)[2]
        os.close(terminal)
        return took, used.ru_utime + used.ru_stime


def main():
    xrun = str(Path(sys.argv[1]).resolve())
    times, seconds = zip(*(once(xrun) for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 11)))
    print(f"median {statistics.median(times):.3f} s to the first step, of {len(times)} runs from {min(times):.3f} to {max(times):.3f}; "
          f"{statistics.median(seconds):.3f} s of processors")


main()
