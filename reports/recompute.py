"""Computes a run's figures again from its items, by other code than xrun's, and
prints every disagreement.

    pip install pandas pyarrow scipy
    python recompute.py RUN...          # run directories; exit status 1 if anything disagrees

From items.parquet: what each item's scores predict, every value and standard error
of results.parquet, and every column of comparisons.parquet: McNemar's test from
scipy's binomial test, sign flips over clusters by convolution, Tango's interval from
the likelihood under each difference, bootstrap intervals from Philox4x32-10 written
anew, Student's t over seeds, Holm, detectable differences, marks. From train.parquet
and heldout.parquet: the windows of the log and the tables of losses. From all of
them: the number in every cell of report.md's tables, and those of its verdict.
"""
import html, math, os, re, sys
from collections import defaultdict
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import optimize, stats

RESAMPLES = 10_000
FEW_MEMBERS = 6
MOST = 20  # disagreements of a kind that are printed


class Check:
    """Counts comparisons of ours with theirs, the largest deviation of each kind, and prints what disagrees."""

    def __init__(self, run):
        self.run, self.n, self.worst, self.bad = run, defaultdict(int), defaultdict(float), 0
        self.shown = defaultdict(int)

    def same(self, kind, where, theirs, ours, tol=1e-9):
        self.n[kind] += 1
        if isinstance(ours, (float, np.floating)) and isinstance(theirs, (float, np.floating)):
            if theirs == ours or (math.isnan(theirs) and math.isnan(ours)):
                return
            off = abs(theirs - ours) / max(1.0, abs(ours)) if math.isfinite(theirs) and math.isfinite(ours) else math.inf
            if off <= tol:
                self.worst[kind] = max(self.worst[kind], off)
                return
        elif theirs == ours:
            return
        self.bad += 1
        self.shown[kind] += 1
        if self.shown[kind] <= MOST:
            print(f"{self.run}: {kind} of {where}: the run has {theirs!r}, recomputed {ours!r}")

    def close(self):
        for kind, n in self.shown.items():
            if n > MOST:
                print(f"{self.run}: {kind}: {n - MOST:,} more disagree")
        off = max(self.worst.items(), key=lambda kv: kv[1], default=("none", 0.0))
        print(f"{self.run}: {sum(self.n.values()):,} numbers recomputed, {self.bad:,} disagree; the largest deviation of the others {off[1]:.1e} ({off[0]})")
        return self.bad


# -- Philox4x32-10 (Salmon et al. 2011), keyed by FNV-1a of a name ---------------

def philox(name, words):
    """The first words of a stream, as uint32."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    blocks = -(-words // 4)
    counter = np.arange(blocks, dtype=np.uint64)
    low = np.uint64(0xFFFFFFFF)
    c = [counter & low, counter >> np.uint64(32), np.zeros(blocks, np.uint64), np.zeros(blocks, np.uint64)]
    k0, k1 = h % 2**32, h >> 32
    for _ in range(10):
        x, y = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(y >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), y & low, (x >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), x & low]
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return np.stack(c, 1).reshape(-1)[:words]


@lru_cache(maxsize=4)
def draws(name, units):
    """Indices of RESAMPLES resamples: for each of several groups as many draws as it has units."""
    sizes = np.repeat(np.array(units, np.uint64), units)
    words = philox(name, RESAMPLES * len(sizes)).reshape(RESAMPLES, -1)
    return (words * sizes >> np.uint64(32)).astype(np.int64)


# -- statistics -------------------------------------------------------------------

def clustered(values, clusters):
    """Sums and counts of clusters in order of their first item; an item without one is its own."""
    at, sums, counts = {}, [], []
    for i, (x, c) in enumerate(zip(values, clusters)):
        j = at.setdefault(c if c else ("alone", i), len(sums))
        if j == len(sums):
            sums.append(0.0), counts.append(0)
        sums[j] += x
        counts[j] += 1
    return np.array(sums), np.array(counts, float)


def stderr(values, clusters):
    """Cluster-robust standard error of a mean (Liang and Zeger 1986)."""
    values = np.asarray(values, float)
    if len(values) == 0:
        return math.nan
    sums, _ = clustered(values - values.mean(), clusters)
    g = len(sums)
    return math.sqrt(g / (g - 1) * (sums**2).sum()) / len(values) if g > 1 else math.nan


@lru_cache(maxsize=None)
def tango(b, c, n):
    """Score interval of (b−c)/n: where (b−c−nd)/√var, with the probabilities most likely under d, is ±1.96."""
    if n == 0:
        return math.nan, math.nan
    z = stats.norm.isf(0.025)

    def score(d):
        # b·log(q+d) + c·log(q) + (n−b−c)·log(1−2q−d) is greatest at a root of its derivative
        lo, hi = max(0.0, -d), (1 - d) / 2
        a = n - b - c
        roots = np.roots([-2 * (b + c + a), b * (1 - d) + c * (1 - d) - 2 * c * d - 2 * a * d, c * d * (1 - d)])
        inside = [q for q in np.real(roots[np.abs(np.imag(roots)) < 1e-9]) if lo - 1e-12 <= q <= hi + 1e-12]
        q = min(max(max(inside, default=lo), lo), hi)
        var = n * (2 * q + d - d * d)
        num = b - c - n * d
        return num / math.sqrt(var) if var > 1e-300 else math.copysign(math.inf, num) if num else 0.0

    def edge(end, target):
        d = (b - c) / n
        f = lambda x: min(max(score(x) - target, -1e6), 1e6)
        if abs(d - end) < 1e-15 or f(end) * f(d) > 0:
            return float(end)
        return optimize.brentq(f, min(d, end), max(d, end), xtol=1e-15)

    return edge(-1, z), edge(1, -z)


def stretched(values, estimate, units):
    values = np.sort(values)
    k = RESAMPLES // 40
    f = math.sqrt(units / (units - 1)) * stats.t.isf(0.025, units - 1) / stats.norm.isf(0.025)
    return estimate + (values[k - 1] - estimate) * f, estimate + (values[-k] - estimate) * f


def inside(unit, low, high):
    """Differences of percentages lie within 100 points."""
    return (np.maximum(low, -100.0), np.minimum(high, 100.0)) if unit == "%" else (low, high)


def bootstrap(sums, counts, name):
    if len(sums) < 2:
        return math.nan, math.nan
    at = draws("bootstrap " + name, (len(sums),))
    return stretched(sums[at].sum(1) / counts[at].sum(1), sums.sum() / counts.sum(), len(sums))


def stratified(members, weights, name):
    if min(len(s) for s, _ in members) < 2:
        return math.nan, math.nan
    at = draws("stratified " + name, tuple(len(s) for s, _ in members))
    total, estimate, first = 0.0, 0.0, 0
    for (sums, counts), w in zip(members, weights):
        mine = at[:, first:first + len(sums)]
        first += len(sums)
        total = total + w * (sums[mine].sum(1) / counts[mine].sum(1))
        estimate += w * sums.sum() / counts.sum()
    return stretched(total / sum(weights), estimate / sum(weights), min(len(s) for s, _ in members))


def sign_flip(whole):
    """P(|Σ ±dᵢ| ≥ |Σ dᵢ|) over all sign patterns, by convolution."""
    dist = np.array([1.0])
    for size, n in zip(*np.unique(np.abs(whole[whole != 0]).astype(int), return_counts=True)):
        pmf = np.zeros(2 * n * size + 1)
        pmf[::2 * size] = stats.binom.pmf(np.arange(n + 1), n, 0.5)
        dist = np.convolve(dist, pmf)
    at = np.arange(len(dist)) - len(dist) // 2
    return min(1.0, dist[np.abs(at) >= abs(int(whole.sum()))].sum())


def sign_flip_sampled(sums, name):
    words = -(-len(sums) // 32)
    bits = philox("sign flip " + name, RESAMPLES * words).reshape(RESAMPLES, words)
    far, reached = abs(sums.sum()) * (1 - 1e-12), 1
    for rows in np.array_split(bits, 20):
        on = (rows[:, :, None] >> np.arange(32, dtype=np.uint64) & np.uint64(1)).reshape(len(rows), -1)[:, :len(sums)]
        reached += int((np.abs(np.where(on == 1, sums, -sums).sum(1)) >= far).sum())
    return reached / (RESAMPLES + 1)


def holm(p):
    p, out, worst = np.asarray(p, float), np.full(len(p), math.nan), 0.0
    order = [i for i in np.argsort(p, kind="stable") if not math.isnan(p[i])]
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, p[i] * (len(order) - rank)))
        out[i] = worst
    return out


@lru_cache(maxsize=None)
def needed(n, alpha):
    """The probability with which n units must each point one way for the exact test to see it 80 times in 100."""
    k = next(k for k in range(1, 2000) if 2 * 0.5**k <= alpha)
    if k > n:
        return math.inf
    return optimize.brentq(lambda q: stats.binom.cdf(k - 1, n, q) - 0.2, 0, 1, xtol=1e-15)


# -- a run ------------------------------------------------------------------------

class Run:
    def __init__(self, path):
        read = lambda name: pd.read_parquet(os.path.join(path, name + ".parquet"))
        self.path = path
        self.items, self.results, self.comparisons = read("items"), read("results"), read("comparisons")
        self.train, self.heldout, self.facts = read("train"), read("heldout"), read("facts")
        self.report = open(os.path.join(path, "report.md"), encoding="utf-8").read()
        self.values = {(r.cell, r.suite, r.figure): r for r in self.results.itertuples()}
        self.units = dict(zip(zip(self.results.suite, self.results.figure), self.results.unit))
        self.axes = defaultdict(dict)  # cell -> axis -> value
        for f in self.facts[self.facts.section == "cells"].itertuples():
            self.axes[f.cell][f.key] = f.value
        every = [a for cell in self.axes.values() for a in cell]
        self.varying = [a for a in dict.fromkeys(every) if a != "seed" and len({c.get(a) for c in self.axes.values()}) > 1]
        self.arms = defaultdict(list)
        for cell in self.axes:
            self.arms[tuple(self.axes[cell].get(a) for a in self.varying)].append(cell)
        self.answers = self.read_items()
        self.plan = {c["name"]: c for c in self.planned()}

    def planned(self):
        """The comparisons that the facts ask for: what differs in one axis, the same in the mean over settings, and base models."""
        facts = lambda section: {f.key: f.value for f in self.facts[self.facts.section == section].itertuples()}
        reference, pairs = facts("reference"), facts("pairs")
        between, mains = [], defaultdict(list)
        for i, axis in enumerate(self.varying):
            others = lambda key: key[:i] + key[i + 1:]
            for b in self.arms:
                setting = [k for k in self.arms if others(k) == others(b)]
                if axis in pairs:
                    sides = setting[:setting.index(b)]
                elif axis in reference:
                    sides = [k for k in setting if k[i] == reference[axis] and k != b]
                else:
                    sides = [k for k in setting[:1] if k != b]
                context = ", ".join(f"{o}={v}" for o, v in zip(self.varying, b) if o != axis)
                for a in sides:
                    x, y = self.arms[a], self.arms[b]
                    seed = lambda c: self.axes[c].get("seed")
                    cells = [(p, q, seed(p)) for p in x for q in y if seed(p) == seed(q)] or [(p, q, str(n)) for n, (p, q) in enumerate(zip(x, y))]
                    between.append(dict(a=self.arm_name(a), b=self.arm_name(b), family=axis + (f" ({context})" if context else ""), cells=cells, axis=axis))
                    mains[axis, a[i], b[i]].append((f"{self.arm_name(b)} - {self.arm_name(a)}", [(p, q, s, context) for p, q, s in cells]))
        means = [dict(a=f"{axis}={x}", b=f"{axis}={y}", family=f"{axis} (mean over settings)", cells=[c for _, cells in of for c in cells], axis=axis, settings=len(of), of=[n for n, _ in of])
                 for (axis, x, y), of in mains.items() if len(of) > 1]
        return [dict(c, name=f"{c['b']} - {c['a']}") for c in means + between]

    def arm_name(self, key):
        cells = self.arms[key]
        if len(cells) == 1:
            return cells[0]
        return ",".join(f"{a}={v}" for a, v in zip(self.varying, key)) or "tuned"

    def large(self):
        return len(self.arms) > 4

    def short(self, key):
        """An arm's name in a large report: the values of its first cell's name."""
        name, cell = self.arm_name(key), self.arms[key][0]
        if not self.large() or len(self.varying) < 2:
            return name
        parts = [p for p in values_of(cell) if not p.startswith("seed=")]
        if len(parts) != len(self.varying) or not all(p.startswith(a + "=") for p, a in zip(parts, self.varying)):
            return name
        return ", ".join(p[len(a) + 1:] for p, a in zip(parts, self.varying))

    def cells_of(self, name):
        for key, cells in self.arms.items():
            if self.arm_name(key) == name:
                return cells
        return [name]

    def read_items(self):
        """(cell, suite, figure) -> {item: (cluster, prompt, value, every choice's numbers)}, in the order of the file."""
        out, seen = defaultdict(dict), defaultdict(list)
        rows_of = defaultdict(list)
        for r in self.items.itertuples():
            rows_of[r.cell, r.suite, r.subset, r.item, r.row].append(r)
        for (cell, suite, subset, ident, row), rows in rows_of.items():
            first = rows[0]
            nth = seen[cell, suite, subset, ident]
            nth.append(row)
            key = (subset, ident, len(nth) - 1)
            choices = tuple((r.score, r.logprob, r.prediction) for r in rows)
            for figure in first.figures:
                value = float(first.correct) if self.units.get((suite, figure), "%") == "%" else first.score
                out[cell, suite, figure][key] = (first.cluster, first.prompt, value, choices)
        return out


def check_items(run, check):
    it = run.items
    check.same("correct", "every row", bool((it.correct == (it.prediction == it.gold)).all()), True)
    for (cell, suite), of in it.groupby(["cell", "suite"], sort=False):
        if (of.choice == "").all():  # generated answers
            continue
        mean = bool((of.score > 0).any())  # OpenCompass' mean cross-entropy; the others are log-probabilities
        if mean:
            for r in of.itertuples():
                check.same("score", f"{cell}, {suite}, item {r.item}, choice {r.choice}", r.score, -r.logprob / r.tokens, 1e-14)
        one = ["prediction", "gold", "correct", "split", "cluster", "prompt", "overlap"]
        items = of.groupby(["subset", "item", "row"], sort=False)
        for key, different in zip(items.groups, (items[one].nunique() != 1).any(axis=1)):
            check.same("rows of one item", f"{cell}, {suite}, item {key}", bool(different), False)
        scores, choices = of.score.to_numpy(), of.choice.to_numpy()
        for key, at in items.indices.items():
            best = at[scores[at].argmin() if mean else scores[at].argmax()]  # the first of equals
            check.same("prediction", f"{cell}, {suite}, item {key}", of.prediction.iloc[at[0]], choices[best])
    classes = {"clean": "clean", "input contaminated": "input", "input-and-label contaminated": "input-and-label"}
    overlaps = {"not in the training set": "none", "question in the training set": "question",
                "question and answer in the training set": "question-and-answer", "too short to compare": "too short"}
    for r in it.drop_duplicates(["cell", "suite", "subset", "item", "row"]).itertuples():
        for figure in r.figures:
            where = f"{r.cell}, {r.suite}, item {r.item} in {figure}"
            if " overlap: " in figure:
                check.same("overlap class", where, r.overlap, overlaps[figure.split(" overlap: ")[1]])
            elif " - " in figure:
                name = re.sub(r" \(.*\)$", "", figure.split(" - ")[1])
                if name in classes:
                    check.same("contamination class", where, r.split, classes[name])
                else:
                    check.same("contamination class", where, r.split in ("clean", "not labeled"), True)


def check_results(run, check):
    for r in run.results.itertuples():
        where = f"{r.cell}, {r.figure}"
        factor = 100 if r.unit == "%" else 1
        if len(r.members) == 0:
            mine = list(run.answers[r.cell, r.suite, r.figure].values())
            values = [m[2] for m in mine]
            check.same("items", where, r.items, len(mine))
            check.same("value", where, r.value, factor * float(np.mean(values)))
            check.same("stderr", where, r.stderr, factor * stderr(values, [m[0] for m in mine]))
            continue
        members = [run.values[r.cell, r.suite, m] for m in r.members]
        w = np.array(r.weights if len(r.weights) else [1.0] * len(members))
        v = np.array([m.value for m in members])
        mean = (w * v).sum() / w.sum()
        check.same("items", where, r.items, sum(m.items for m in members))
        check.same("value", where, r.value, mean)
        if len(members) < FEW_MEMBERS:
            se = math.sqrt(sum((a * m.stderr) ** 2 for a, m in zip(w, members))) / w.sum()
        else:
            se = math.sqrt(len(w) / (len(w) - 1) * ((w * (v - mean)) ** 2).sum()) / w.sum()
        check.same("stderr", where, r.stderr, se)


def pair(run, suite, figure, a, b):
    """The paired differences of a leaf figure."""
    sides = [[run.answers[c, suite, figure] for c in cells] for cells in (a, b)]
    every = sides[0] + sides[1]
    mates = lambda rows: zip(rows[:len(a)], rows[len(a):]) if len(a) == len(b) else zip(rows, rows[:1] * len(rows))
    p = {"missing": 0, "changed": 0, "same": True}
    diffs, clusters = [], []
    for key in every[0]:
        if not all(key in s for s in every):
            continue
        rows = [s[key] for s in every]
        p["same"] &= all(x[3] == y[3] for x, y in mates(rows))
        if any(x[1] != y[1] for x, y in mates(rows)):
            p["changed"] += 1
            continue
        diffs.append(np.mean([s[key][2] for s in sides[1]]) - np.mean([s[key][2] for s in sides[0]]))
        clusters.append(rows[0][0])
    d = np.array(diffs, float)
    p["finite"] = bool(np.isfinite(d).all())
    p["n"], p["onlyB"], p["onlyA"] = len(d), int((d > 1e-12).sum()), int((d < -1e-12).sum())
    p["missing"] = len(set().union(*every)) - p["n"] - p["changed"]
    p["sums"], p["counts"] = clustered(d, clusters)
    p["single"] = bool((p["counts"] == 1).all())
    p["scale"] = len(a) if len(a) == len(b) else len(a) * len(b)
    differ = np.abs(p["sums"][np.abs(p["sums"]) > 1e-12])
    p["size"] = 1.0 if p["scale"] == 1 else min(1.0, differ.mean()) if len(differ) else 0.0
    return p


def compare(run, name, of):
    """Every figure of one comparison, as comparisons.parquet should have it."""
    first = of.iloc[0]
    plan = run.plan.get(name)
    grid = plan["cells"] if plan and "settings" in plan else None
    if plan:
        a, b = [c[0] for c in plan["cells"]], [c[1] for c in plan["cells"]]
    else:
        a, b = run.cells_of(first.a), run.cells_of(first.b)
    out, pairs = {}, {}
    for d in of.itertuples():
        has = lambda c: (c, d.suite, d.figure) in run.values
        value = lambda c: run.values[c, d.suite, d.figure].value
        settings = 1
        if grid:
            # every setting that has every seed on both sides
            seeds = {s for _, _, s, _ in grid}
            full = [at for at in dict.fromkeys(c[3] for c in grid) if {s for x, y, s, w in grid if w == at and has(x) and has(y)} == seeds]
            both = [c for c in grid if c[3] in full]
            xs, ys, settings = [c[0] for c in both], [c[1] for c in both], len(full)
        elif len(a) == len(b) and any(has(x) and has(y) for x, y in zip(a, b)):
            both = [(x, y) for x, y in zip(a, b) if has(x) and has(y)]
            xs, ys = [x for x, _ in both], [y for _, y in both]
        else:
            xs, ys = [x for x in a if has(x)], [y for y in b if has(y)]
        r = dict(value_a=float(np.mean([value(c) for c in xs])) if xs else math.nan, value_b=float(np.mean([value(c) for c in ys])) if ys else math.nan)
        if grid:
            per = [sum(value(y) - value(x) for x, y, s, _ in both if s == seed) / settings for seed in dict.fromkeys(c[2] for c in both)]
        else:
            per = [value(y) - value(xs[0] if len(xs) == 1 else xs[i]) for i, y in enumerate(ys) if len(xs) == 1 or i < len(xs)] if xs else []
        r.update(settings=settings, seeds=len(per), seed_stderr=math.nan, seed_low=math.nan, seed_high=math.nan, seed_p=math.nan)
        if len(per) > 1:
            se, mean, nu = np.std(per, ddof=1) / math.sqrt(len(per)), float(np.mean(per)), len(per) - 1
            half = stats.t.isf(0.025, nu) * se
            p = math.nan if not math.isfinite(mean) else 1.0 if mean == 0 else 2 * stats.t.sf(abs(mean) / se, nu) if se > 0 else 0.0
            low, high = inside(d.unit, mean - half, mean + half)
            r.update(seed_stderr=float(se), seed_low=low, seed_high=high, seed_p=float(p))
        r.update(delta=math.nan, low=math.nan, high=math.nan, p=math.nan, items=0, only_a=0, only_b=0, units=0, sign="", se=math.nan, floor=lambda alpha: 0.0)
        out[d.suite, d.figure] = r
        factor = 100.0 if d.unit == "%" else 1.0
        r["factor"] = factor
        if not xs or not ys:
            r["sign"] = "?"
            continue
        if any(len(run.values[c, d.suite, d.figure].members) for c in xs + ys):
            r["average"] = run.values[xs[0], d.suite, d.figure]
            continue
        if not all(run.answers[c, d.suite, d.figure] for c in xs + ys):
            r.update(sign="?", delta=r["value_b"] - r["value_a"])
            continue
        p = pairs[d.suite, d.figure] = pair(run, d.suite, d.figure, xs, ys)
        p["binary"] = d.unit == "%"
        r.update(items=p["n"], only_a=p["onlyA"], only_b=p["onlyB"], units=len(p["sums"]))
        if p["n"] == 0 or not p["finite"]:
            r["sign"] = "?"
            continue
        sums, counts, stream = p["sums"], p["counts"], f"{d.suite}/{d.figure}"
        if p["binary"] and p["single"] and p["scale"] == 1:
            low, high = tango(p["onlyB"], p["onlyA"], p["n"])
            r["p"] = float(stats.binomtest(p["onlyB"], p["onlyA"] + p["onlyB"]).pvalue) if p["onlyA"] + p["onlyB"] else 1.0
        elif p["binary"]:
            if np.ptp(sums / counts) < 1e-12 and (len(sums) > 1 or abs(sums[0]) < 1e-12):  # a bootstrap knows one value only
                n, share = len(sums), sums.sum() / counts.sum()
                low, high = tango(max(0.0, share) * n, max(0.0, -share) * n, n)
            else:
                low, high = bootstrap(sums, counts, stream)
            r["p"] = float(sign_flip(np.rint(sums * p["scale"])))
        else:
            low, high = bootstrap(sums, counts, stream)
            r["p"] = sign_flip_sampled(sums, stream)
        low, high = inside(d.unit, factor * low, factor * high)
        r.update(delta=factor * sums.sum() / counts.sum(), low=low, high=high, se=math.sqrt((sums**2).sum()) / counts.sum())
        if p["binary"]:
            r["floor"] = lambda alpha, n=len(sums), items=p["n"], size=p["size"] or 1.0: size * needed(n, alpha) * n / items
        if p["same"] and p["missing"] + p["changed"] == 0:
            r["sign"] = "="
    for (suite, figure), r in out.items():
        if "average" in r and r["sign"] == "":
            fill_average(r, suite, figure, pairs)
    return out


def fill_average(r, suite, figure, pairs):
    members = [pairs.get((suite, m)) for m in r["average"].members]
    if any(m is None or m["n"] == 0 or not m["finite"] for m in members):
        r["sign"] = "?"
        return
    w = np.array(r["average"].weights if len(r["average"].weights) else [1.0] * len(members))
    deltas = np.array([m["sums"].sum() / m["counts"].sum() for m in members])
    mean = (w * deltas).sum() / w.sum()
    r.update(items=sum(m["n"] for m in members), only_a=sum(m["onlyA"] for m in members), only_b=sum(m["onlyB"] for m in members), units=len(members))
    binary, z = all(m["binary"] for m in members), stats.norm.isf(0.025) + stats.norm.isf(0.2)
    within = [(m["sums"], m["counts"]) for m in members]
    if binary and r["only_a"] + r["only_b"] == 0:
        low, high = tango(0, 0, int(w.sum() ** 2 / sum(a * a / len(m["sums"]) for a, m in zip(w, members)) + 0.5))
        se = 0.0
    elif len(members) >= FEW_MEMBERS:
        low, high = bootstrap(w * deltas, w, f"{suite}/{figure}")
        se = math.sqrt(len(w) / (len(w) - 1) * ((w * (deltas - mean)) ** 2).sum()) / w.sum()
    else:
        low, high = stratified(within, w, f"{suite}/{figure}")
        se = math.sqrt(sum((a * math.sqrt((s**2).sum()) / c.sum()) ** 2 for a, (s, c) in zip(w, within))) / w.sum()
    f = r["factor"]
    low, high = inside("%" if f == 100 else "", f * low, f * high)
    r.update(delta=f * mean, low=low, high=high, se=se, sign="+" if low > 0 else "-" if high < 0 else "~")
    if binary:
        share = (max(a * m["size"] / m["n"] for a, m in zip(w, members)) or max(a / m["n"] for a, m in zip(w, members))) / w.sum()
        r["floor"] = lambda alpha: z * z * share
    if all(m["same"] for m in members):
        r["sign"] = "="


def settle(rows, leaf):
    """Holm over a family, the leaf figures and the others apart; then the marks."""
    for kind in (True, False):
        of = [r for r, l in zip(rows, leaf) if l == kind]
        p = [r["p"] if not r["seed_p"] > r["p"] else r["seed_p"] for r in of]
        family = sum(not math.isnan(x) for x in p)
        for r, adjusted in zip(of, holm(p)):
            alpha = 0.05 if math.isnan(adjusted) else 0.05 / family
            z = stats.norm.isf(alpha / 2) + stats.norm.isf(0.2)
            r["p_holm"] = float(adjusted)
            r["detectable"] = r["factor"] * max(z * r["se"], r["floor"](alpha)) if not math.isnan(r["se"]) else math.nan
            if r["seeds"] > 1:
                nu = r["seeds"] - 1
                r["detectable"] = np.maximum(r["detectable"], (stats.t.isf(alpha / 2, nu) + stats.t.isf(0.2, nu)) * r["seed_stderr"])
            if r["sign"] == "":
                told = adjusted < 0.05 and abs(r["delta"]) > 0
                r["sign"] = ("+" if r["delta"] > 0 else "-") if told else "~"
            if r["sign"] == "+" and r["seed_low"] <= 0 or r["sign"] == "-" and r["seed_high"] >= 0:
                r["sign"] = "~"


def check_comparisons(run, check):
    names = list(dict.fromkeys(run.comparisons.comparison))
    bases = [n for n in names if n.endswith(" - base")]
    if run.axes and run.varying:
        check.same("comparisons", "comparisons.parquet", names, list(run.plan) + bases if len(run.results) else [])  # without a figure there is nothing to compare
    families = defaultdict(list)
    for name, of in run.comparisons.groupby("comparison", sort=False):
        families[run.plan[name]["family"] if name in run.plan else name].append((name, of, compare(run, name, of)))
    for family, members in families.items():
        settle([ours[d.suite, d.figure] for _, of, ours in members for d in of.itertuples()], [d.leaf for _, of, _ in members for d in of.itertuples()])
        for name, of, ours in members:
            for d in of.itertuples():
                r = dict(ours[d.suite, d.figure], family=family)
                where = f"{name}, {d.figure}"
                for column in ("value_a", "value_b", "delta", "low", "high", "p", "p_holm", "detectable", "seed_stderr", "seed_low", "seed_high", "seed_p"):
                    check.same(column, where, float(getattr(d, column)), float(r[column]), 1e-7 if column in ("low", "high") else 1e-9)
                for column in ("family", "settings", "items", "only_a", "only_b", "units", "seeds", "sign"):
                    check.same(column, where, getattr(d, column), r[column])


# -- report.md --------------------------------------------------------------------

def fixed(x, decimals):
    if math.isnan(x):
        return "–"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    s = f"{abs(x):.{decimals}f}"
    return "−" + s if x < 0 and s.strip("0.") else s


def signed(x, decimals):
    s = fixed(x, decimals)
    return "+" + s if x > 0 and s.strip("0.") else s


def pvalue(p):
    return "<0.001" if p < 0.001 else fixed(p, 3)


def detectable(d, decimals):
    return ">100" if d.unit == "%" and d.detectable > 100 else fixed(d.detectable, decimals)


def delta_text(d):
    if d.sign == "=":
        return "="
    if d.sign == "?":
        return "?" if math.isnan(d.delta) else signed(d.delta, 2) + " ?"
    text = signed(d.delta, 2)
    if not math.isnan(d.low):
        text += f" [{signed(d.low, 1)}, {signed(d.high, 1)}]"
    text += " " + d.sign
    if d.sign != "~" and not math.isnan(d.p_holm):
        text += " p " + pvalue(d.p_holm)
    elif d.sign == "~" and not math.isnan(d.detectable):
        text += " " + detectable(d, 1)
    return text


def plain(cell):
    """A table cell without Markdown's marks."""
    cell = re.sub(r"\s*<sup>.*?</sup>", "", cell)
    cell = re.sub(r"(?<!\\)[`*]", "", cell)
    return html.unescape(re.sub(r"\\(.)", r"\1", cell)).strip()


def tables(text):
    """(heading or summary above, header cells, rows) of every pipe table."""
    title, found, lines = "", [], text.split("\n")
    i = 0
    while i < len(lines):
        line = lines[i]
        m = re.match(r"^#+ (.*)$", line) or re.match(r"^<details><summary>(.*)</summary>$", line)
        if m:
            title = html.unescape(m.group(1))
        if line.startswith("| ") and i + 1 < len(lines) and re.match(r"^\|[ :|-]+$", lines[i + 1]):
            split = lambda l: [plain(c) for c in re.split(r"(?<!\\)\|", l)[1:-1]]
            head, rows, i = split(line), [], i + 2
            while i < len(lines) and lines[i].startswith("|"):
                rows.append(split(lines[i]))
                i += 1
            found.append((title, head, rows))
            continue
        i += 1
    return found


def values_of(name):
    """The parts of a cell's name: cut at the commas that are in no parentheses."""
    parts, depth = [""], 0
    for c in name:
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [p for p in parts if p]


def label_of(comparison):
    """A comparison's name in report.md: what both sides share stands once, at the end."""
    b, a = comparison.split(" - ", 1)
    x, y = values_of(b), values_of(a)
    if len(x) != len(y):
        return f"{b} − {a}"
    differ = [(p, q) for p, q in zip(x, y) if p != q]
    shared = [p for p, q in zip(x, y) if p == q]
    return ",".join(p for p, _ in differ) + " − " + ",".join(q for _, q in differ) + (f" ({', '.join(shared)})" if shared else "")


def headlines(run, order):
    """The comparisons that the verdict speaks of: the mean over settings, and what stands in one setting only."""
    means = {(c["axis"], c["a"], c["b"]) for c in run.plan.values() if "settings" in c}
    value = lambda name, axis: next(f"{axis}={v}" for k in run.arms for a, v in zip(run.varying, k) if a == axis and run.arm_name(k) == name)
    out = [n for n in order if n in run.plan and ("settings" in run.plan[n]
           or (run.plan[n]["axis"], value(run.plan[n]["a"], run.plan[n]["axis"]), value(run.plan[n]["b"], run.plan[n]["axis"])) not in means)]
    return out


def axis_value(run, by_figure, figure, axis, value):
    """The mean of a figure over the settings in which every value of the axis has it; of one axis the arm's own."""
    i = run.varying.index(axis)
    full = defaultdict(lambda: True)
    for key, cells in run.arms.items():
        full[key[:i] + key[i + 1:]] &= all(c in by_figure[figure] for c in cells)
    means = [np.mean([by_figure[figure][c].value for c in cells]) for key, cells in run.arms.items() if key[i] == value and full[key[:i] + key[i + 1:]]]
    return float(np.mean(means)) if means else math.nan


def suite_mean(run, cells):
    leaves = run.results[run.results.leaf & (run.results.unit == "%")]
    suites = []
    for _, of in leaves.groupby("suite", sort=False):
        names = of.drop_duplicates("figure")
        values = [[run.values[c, r.suite, r.figure].value if (c, r.suite, r.figure) in run.values else math.nan for c in cells] for r in names.itertuples()]
        suites.append(np.average([np.mean(v) for v in values], weights=names["items"]))
    return float(np.mean(suites)) if suites else math.nan


def check_main_effects(run, check, rows, label, rows_of):
    for row in rows:
        leaves = [d for d in rows_of[label[row[0]]].values() if d.leaf and d.sign != "?"]
        told = [sum(d.sign == s for d in leaves) for s in "+-"]
        ours = [row[0], str(run.plan[label[row[0]]].get("settings", 1)), *map(str, told), str(len(leaves) - sum(told)),
                *(str(sum(f(d.delta) for d in leaves)) for f in (lambda x: x > 0, lambda x: x < 0, lambda x: x == 0))]
        check.same("report.md", f"main effect {row[0]}", [*row[:4], row[4].split(" ")[0], *row[5:]], ours)


def check_ranking(run, check, head, rows, columns, rows_of, seen):
    for row in rows:
        cells = columns[row[0]]
        mean = suite_mean(run, cells)
        ours = {"mean of suites": fixed(mean, 2)}
        of = next((c for n, c in rows_of.items() if n not in run.plan and run.cells_of(next(iter(c.values())).b) == cells), None)
        if of:
            leaves = [d for d in of.values() if d.leaf and d.sign != "?"]
            told = [sum(d.sign == s for d in leaves) for s in "+-"]
            ours.update({"better than base": str(told[0]), "worse": str(told[1]), "cannot tell": str(len(leaves) - sum(told))})
        losses = [run.heldout[run.heldout.cell == c].output_loss.iloc[-1] for c in cells if (run.heldout.cell == c).any()]
        ours["held-out loss"] = fixed(float(np.mean(losses)), 4) if losses else "–"
        for h, cell in zip(head, row):
            if h in ours:
                check.same("report.md", f"{row[0]} in the ranking, {h}", cell.split(" ")[0] if h == "cannot tell" else cell, ours[h])
        if not cells[0].startswith("base:"):
            check.same("report.md", f"{row[0]} in the ranking, its place", bool(seen and mean > seen[-1] + 1e-9), False)
            seen.append(mean)


def check_report(run, check):
    found = tables(run.report)
    order = list(dict.fromkeys(run.comparisons.comparison))
    named = [t[len("Statistics of "):] for t, h, _ in found if t.startswith("Statistics of ")]
    label = {label_of(n): n for n in order}
    few = lambda name: sum(run.plan[n]["axis"] == run.plan[name]["axis"] for n in headlines(run, order)) <= 8
    check.same("report.md", "the tables of statistics", sorted(str(label.get(n)) for n in named), sorted(filter(few, headlines(run, order)) if run.large() else order))
    ranked = []
    rows_of = {name: {d.figure: d for d in of.itertuples()} for name, of in run.comparisons.groupby("comparison", sort=False)}
    bases = [c for c in dict.fromkeys(run.results.cell) if c.startswith("base:")]
    columns = {("base" if len(bases) == 1 else b): [b] for b in bases}
    columns.update({run.short(k): cells for k, cells in run.arms.items()})
    cell_named = {run.short(k) + (f", seed {run.axes[c].get('seed')}" if len(cells) > 1 else ""): c for k, cells in run.arms.items() for c in cells}
    marginal = {f"{a}={v}": (a, v) for a in run.varying for v in dict.fromkeys(c.get(a) for c in run.axes.values())} if run.large() else {}
    by_figure = defaultdict(dict)
    for r in run.results.itertuples():
        by_figure[r.figure][r.cell] = r

    def value_text(figure, cells):
        have = [by_figure[figure][c] for c in cells if c in by_figure[figure]]
        if not have:
            return "–"
        values = [r.value for r in have]
        se = have[0].stderr if len(have) == 1 else np.std(values, ddof=1) / math.sqrt(len(values))
        return fixed(float(np.mean(values)), 2) + ("" if math.isnan(se) else " ± " + fixed(se, 2))

    for title, head, rows in found:
        if head[0] == "figure" and title.startswith("Statistics of "):
            for row in rows:
                d = rows_of[label[title[len("Statistics of "):]]][row[0]]
                ours = [d.figure, f"{d.items:,}", f"{d.units:,}", f"{d.only_b:,}", f"{d.only_a:,}", signed(d.delta, 2),
                        f"{signed(d.low, 2)} to {signed(d.high, 2)}", pvalue(d.p), pvalue(d.p_holm), detectable(d, 2), d.sign.replace("-", "−")]
                if "single settings" in head:
                    singles = [rows_of[n][d.figure].delta for n in run.plan[d.comparison]["of"]]
                    singles = [x for x in singles if math.isfinite(x)]
                    ours.append(f"{signed(min(singles), 2)} to {signed(max(singles), 2)}" if singles else "–")
                check.same("report.md", f"{title}, {d.figure}", row, ours)
        elif head[0] == "figure" and "s.e. over seeds" in head:
            for row in rows:
                d = rows_of[label[title.split(", by items and")[0]]][row[0]]
                ours = [d.figure, str(d.seeds), signed(d.delta, 2), f"{signed(d.low, 2)} to {signed(d.high, 2)}", fixed(d.seed_stderr, 2),
                        f"{signed(d.seed_low, 2)} to {signed(d.seed_high, 2)}", pvalue(d.p), pvalue(d.seed_p), d.sign.replace("-", "−")]
                check.same("report.md", f"{title}, {d.figure}", row, ours)
        elif head[0] == "figure" or head[:2] == ["suite", "class"]:
            for row in rows:
                figure = row[0]
                if head[0] == "suite":
                    figure = next((f for f in by_figure if f in (f"{row[0]} accuracy - {row[1]}", f"{row[0]} overlap: {row[1]}")), None)
                if figure not in by_figure:
                    check.same("report.md", f"{title}, a figure", row[:2], "a figure of results.parquet")
                    continue
                for h, cell in zip(head, row):
                    where = f"{title}, {figure}, {h}"
                    if h == "items":
                        check.same("report.md", where, cell, f"{next(iter(by_figure[figure].values())).items:,}")
                    elif h in marginal and len(run.varying) > 1:
                        check.same("report.md", where, cell, fixed(axis_value(run, by_figure, figure, *marginal[h]), 2))
                    elif h in columns:
                        check.same("report.md", where, cell, value_text(figure, columns[h]))
                    elif h in label:
                        check.same("report.md", where, cell, delta_text(rows_of[label[h]][figure]))
                    elif h not in ("figure", "suite", "class"):
                        check.same("report.md", f"{title}, a column", h, "a model or a comparison")
        elif head[0] == "cell" and "skipped steps" in head:
            check_losses(run, check, rows, cell_named)
        elif head[0] == "model" and "nats per output token" in head:
            last = run.heldout.groupby("cell", sort=False).last()
            for row in rows:
                cell = row[0] if row[0] in last.index else cell_named.get(row[0]) or columns[row[0]][0]
                h = last.loc[cell]
                check.same("report.md", f"held-out losses of {row[0]}", row[1:], [f"{h.step:,}", fixed(h.output_loss, 4), fixed(h.prompt_loss, 4)])
        elif head[0] in ("main effect", "comparison"):
            check_main_effects(run, check, rows, label, rows_of)
        elif head[:2] == ["model", "mean of suites"]:
            check_ranking(run, check, head, rows, columns, rows_of, ranked)
        elif head[0] == "model" and "better than base" in head:
            check_standing(run, check, head, rows, columns, rows_of)
    check_verdict(run, check, rows_of, order)


def windows(steps):
    """Means of the losses up to each log point, of the steps that had a target."""
    out, losses = [], []
    for s in steps.itertuples():
        if not s.skipped:
            losses.append(s.loss)
        if s.log_point:
            out.append(float(np.mean(losses)) if losses else math.nan)
            losses = []
    return out


def check_losses(run, check, rows, cell_named):
    for row in rows:
        steps = run.train[run.train.cell == (cell_named[row[0]] if run.large() and row[0] in cell_named else row[0])]
        w = windows(steps) or [math.nan]
        ours = [row[0], f"{steps.step.iloc[-1]:,}", f"{steps.tokens.sum():,}", f"{steps.targets.sum():,}", fixed(w[0], 4), fixed(w[-1], 4), f"{steps.skipped.sum():,}"]
        check.same("report.md", f"losses of {row[0]}", row, ours)


def check_standing(run, check, head, rows, columns, rows_of):
    counted = {(r.suite, r.figure) for r in run.results.itertuples() if r.leaf or len(r.members)}
    for row in rows:
        of = next((c for c in rows_of.values() if next(iter(c.values())).b == row[0] and next(iter(c.values())).a.startswith("base:")), None)
        if of is None:
            continue
        leaves = [d for d in of.values() if d.leaf and d.sign != "?"]
        every = [d for d in of.values() if (d.suite, d.figure) in counted and d.sign != "?"]
        told = [sum(d.sign == s for d in leaves) for s in "+-"]
        ahead = sum(d.delta > 0 for d in every)
        behind = sum(d.delta < 0 for d in every)
        ours = {"better than base": str(told[0]), "worse": str(told[1]), "behind": str(behind), "level": str(len(every) - ahead - behind),
                "ahead by sign alone": f"{ahead} of {len(every)} ({fixed(100 * ahead / max(1, len(every)), 1)} %)"}
        for h, cell in zip(head, row):
            if h in ours:
                check.same("report.md", f"{row[0]} beside its base, {h}", cell, ours[h])
            elif h == "cannot tell":
                check.same("report.md", f"{row[0]} beside its base, {h}", cell.split(" ")[0], str(len(leaves) - sum(told)))


def check_verdict(run, check, rows_of, order):
    """The numbers of a verdict on two arms; a study of more has its tables."""
    between = [n for n in order if not next(iter(rows_of[n].values())).a.startswith("base:")]
    m = re.search(r"^\*\*(.+?)\*\* By sign alone it is ahead on (\d+), behind on (\d+) and level on (\d+)\.", run.report, re.M)
    if len(between) != 1 or not m:
        return
    leaves = [d for d in rows_of[between[0]].values() if d.leaf and d.sign != "?"]
    # The verdict's subject is the first of the two, the differences are second − first.
    ours = [sum(d.delta < 0 for d in leaves), sum(d.delta > 0 for d in leaves), sum(d.delta == 0 for d in leaves)]
    check.same("report.md", "the verdict's signs", [int(x) for x in m.groups()[1:]], ours)
    for word, sign in (("better", "-"), ("worse", "+")):
        told = re.search(word + r"(?: than .*?)? on (\d+)", m.group(1))
        check.same("report.md", f"the verdict's figures told {word}", int(told.group(1)) if told else 0, sum(d.sign == sign for d in leaves))


def main(paths):
    np.seterr(all="ignore")  # what is not finite is compared as such
    bad = 0
    for path in paths:
        run, check = Run(path), Check(path)
        check_items(run, check)
        check_results(run, check)
        check_comparisons(run, check)
        check_report(run, check)
        bad += check.close()
    return 1 if bad or not paths else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
