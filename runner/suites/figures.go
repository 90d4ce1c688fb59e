package suites

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"xrun/reports"
	"xrun/schema"
)

// splitNames are the figures of contamination splits, in OpenCompass' words.
var splitNames = map[string]string{
	SplitClean: "clean",
	SplitInput: "input contaminated",
	SplitBoth:  "input-and-label contaminated",
}

// cleanOrUnlabeled names the first split where annotations list contaminated
// items only.
const cleanOrUnlabeled = "clean or unlabeled"

// layout is where a suite's figures stand in the study's table: HellaSwag 3,
// WinoGrande 1, ARC-e 1, ARC-c 3, BoolQ 1, MMLU 57 and 6: 72 figures.
var layout = map[string]int32{"hellaswag": 100, "winogrande": 200, "arc-e": 300, "arc-c": 400, "boolq": 500, "mmlu": 600}

// layoutEnd is the place of suites that the study does not have.
const layoutEnd = 10000

// measure is what a figure measures, by rule.
func measure(rule string) string {
	switch rule {
	case "ppl", "ll":
		return "accuracy"
	}
	return rule
}

// figuresOf lists the leaf figures that an item counts in.
func (s *Suite) figuresOf(it Item, rule string) []string {
	main := s.figureName(it.Subset, rule)
	a := s.prog.def.Annotations
	if a == nil || !s.labeled {
		return []string{main}
	}
	var split []string
	if it.Split != SplitNotLabeled || !s.clean {
		split = []string{s.splitName(it.Split, rule)}
	}
	if a.Extra {
		return append([]string{main}, split...)
	}
	return split
}

// figureName is the figure of a subset, or of the suite where there are none.
func (s *Suite) figureName(subset, rule string) string {
	if subset == "" {
		return s.Name() + " " + measure(rule)
	}
	name := s.Name() + " " + subset
	if rule != s.prog.def.Scores[0] {
		name += " " + rule
	}
	return name
}

func (s *Suite) splitName(split, rule string) string {
	name := splitNames[split]
	if name == "" || split == SplitClean && !s.clean {
		name = cleanOrUnlabeled
	}
	if suffix := s.prog.def.Annotations.Suffix; suffix != "" {
		name += " (" + suffix + ")"
	}
	return s.Name() + " " + measure(rule) + " - " + name
}

// leaf collects the items of one figure.
type leaf struct {
	name, group string
	n, correct  int
	truncated   int
	clusters    map[string]*clusterSum
	clusterKeys []string
	extra       bool
}

type clusterSum struct{ n, correct int }

func (l *leaf) add(r reports.Item) {
	l.n++
	if r.Correct {
		l.correct++
	}
	if r.Truncated {
		l.truncated++
	}
	key := r.Cluster
	if key == "" {
		key = fmt.Sprintf("row %d", l.n)
	}
	c := l.clusters[key]
	if c == nil {
		c = &clusterSum{}
		l.clusters[key] = c
		l.clusterKeys = append(l.clusterKeys, key)
	}
	c.n++
	if r.Correct {
		c.correct++
	}
}

// value is the accuracy in percent.
func (l *leaf) value() float64 { return 100 * float64(l.correct) / float64(l.n) }

// stdErr is the standard error of value: sqrt(p(1-p)/(n-1)), or where items
// share clusters the cluster-robust one, sqrt(C/(C-1) Σ_c (Σ_i (x_i - p))²)/n.
func (l *leaf) stdErr() float64 {
	p := float64(l.correct) / float64(l.n)
	if len(l.clusterKeys) == l.n {
		if l.n < 2 {
			return math.NaN()
		}
		return 100 * math.Sqrt(p*(1-p)/float64(l.n-1))
	}
	weights := make([]float64, len(l.clusterKeys))
	values := make([]float64, len(l.clusterKeys))
	for i, k := range l.clusterKeys {
		c := l.clusters[k]
		weights[i] = float64(c.n)
		values[i] = float64(c.correct) / float64(c.n)
	}
	return 100 * clusteredError(values, weights, p)
}

// clusteredError is the cluster-robust standard error of the weighted mean of
// values: sqrt(C/(C-1) Σ (w (v - mean))²) / Σ w (Liang and Zeger, 1986, for a
// mean); NaN below two clusters.
func clusteredError(values, weights []float64, mean float64) float64 {
	if len(values) < 2 {
		return math.NaN()
	}
	var squares, total float64
	for i, v := range values {
		d := weights[i] * (v - mean)
		squares += float64(d * d)
		total += weights[i]
	}
	c := float64(len(values))
	return math.Sqrt(squares*c/(c-1)) / total
}

// Figures makes the figures of a suite from the rows of one cell: accuracies of
// its subsets or contamination splits, then averages. notes says which averages
// are missing and why. The model of each result is left for the caller to fill.
func (s *Suite) Figures(rows []reports.Item) (results []reports.Result, notes []string) {
	for k, rule := range s.prog.def.Scores {
		name := s.suiteOf(rule, k > 0)
		var mine []reports.Item
		for _, r := range rows {
			if r.Suite == name {
				mine = append(mine, r)
			}
		}
		if len(mine) == 0 {
			continue
		}
		res, n := s.figures(mine, name, rule)
		results = append(results, res...)
		notes = append(notes, n...)
	}
	order := layoutEnd
	if at, ok := layout[s.prog.def.Name]; ok && s.prog.def.Protocol == "opencompass" {
		order = int(at)
	}
	for i := range results {
		results[i].Order = int32(order + i)
		results[i].Cell = rows[0].Cell
		results[i].Unit = "%"
	}
	return results, notes
}

// figures makes the figures of one rule.
func (s *Suite) figures(rows []reports.Item, suite, rule string) (results []reports.Result, notes []string) {
	leaves := map[string]*leaf{}
	var order []string
	get := func(name, group string, extra bool) *leaf {
		l := leaves[name]
		if l == nil {
			l = &leaf{name: name, group: group, extra: extra, clusters: map[string]*clusterSum{}}
			leaves[name] = l
			order = append(order, name)
		}
		return l
	}
	groupOf := s.groupOf()
	a := s.prog.def.Annotations
	replaced := a != nil && s.labeled && !a.Extra
	if replaced {
		first := SplitNotLabeled
		if s.clean {
			first = SplitClean
		}
		for _, split := range []string{first, SplitInput, SplitBoth} {
			get(s.splitName(split, rule), suite, false)
		}
	} else {
		for _, subset := range s.subsets {
			group := suite
			if g := groupOf[subset]; g != "" {
				group = suite + " " + g
			}
			get(s.figureName(subset, rule), group, false)
		}
	}
	counts := map[string]int{}
	last := reports.Item{Row: -1}
	for _, r := range rows {
		if r.Row == last.Row && r.Subset == last.Subset && r.ID == last.ID {
			continue // another choice of the same item
		}
		last = r
		counts[r.Split]++
		for _, f := range r.Figures {
			get(f, suite+" contamination", true).add(r)
		}
	}
	var extras []reports.Result
	for _, name := range order {
		l := leaves[name]
		if l.n == 0 {
			if replaced {
				notes = append(notes, fmt.Sprintf("%s: no item, so no figure", l.name))
			}
			continue
		}
		r := reports.Result{Suite: suite, Figure: l.name, Group: l.group, Leaf: !l.extra, Items: int32(l.n), Value: l.value(), StdErr: l.stdErr(), Note: s.leafNote(l, counts, replaced)}
		if l.extra {
			extras = append(extras, r)
		} else {
			results = append(results, r)
		}
	}
	if s.prog.subsetScoped {
		averages, n := s.averages(leaves, suite, rule)
		results, notes = append(results, averages...), append(notes, n...)
	}
	sort.SliceStable(extras, func(i, j int) bool { return extras[i].Figure < extras[j].Figure })
	return append(results, extras...), notes
}

// groupOf maps a subset to its own group's name.
func (s *Suite) groupOf() map[string]string {
	m := map[string]string{}
	for _, g := range s.prog.def.Groups {
		for _, name := range g.Members {
			if _, ok := m[name]; !ok && g.Name != "" {
				m[name] = g.Name
			}
		}
	}
	return m
}

// leafNote is the counts beside a figure.
func (s *Suite) leafNote(l *leaf, counts map[string]int, replaced bool) string {
	var parts []string
	if l.truncated > 0 {
		parts = append(parts, fmt.Sprintf("%d truncated", l.truncated))
	}
	if replaced || l.extra {
		if n := counts[SplitNotLabeled]; n > 0 {
			in := "in no split"
			if !s.clean {
				in = "clean ones among them"
			}
			parts = append(parts, fmt.Sprintf("%d of the suite's items not labeled, %s", n, in))
		}
	}
	if s.skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d rows left out", s.skipped))
	}
	if len(l.clusterKeys) != l.n {
		parts = append(parts, fmt.Sprintf("standard error over %d clusters", len(l.clusterKeys)))
	}
	return strings.Join(parts, "; ")
}

// averages makes the groups' rows. A group that lacks a member is left out; a
// suite that has other subsets than its groups gets averages of what it has,
// named by their number.
func (s *Suite) averages(leaves map[string]*leaf, suite, rule string) (results []reports.Result, notes []string) {
	have := map[string]*leaf{}
	for _, subset := range s.subsets {
		if l := leaves[s.figureName(subset, rule)]; l != nil && l.n > 0 {
			have[subset] = l
		}
	}
	whole := false
	for _, g := range s.prog.def.Groups {
		var missing []string
		for _, m := range g.Members {
			if have[m] == nil {
				missing = append(missing, m)
			}
		}
		if len(missing) > 0 {
			if len(missing) < len(g.Members) {
				notes = append(notes, fmt.Sprintf("%s: left out, %d of its %d members have no figure", averageName(suite, g), len(missing), len(g.Members)))
			}
			continue
		}
		whole = whole || g.Name == ""
		var weights []float64
		if g.Weighted {
			for _, w := range g.Weights {
				weights = append(weights, float64(w))
			}
		}
		results = append(results, average(averageName(suite, g), groupHeading(suite, g.Name), suite, g.Members, weights, have))
	}
	if whole || len(have) < 2 {
		return results, notes
	}
	var members []string
	var sizes []float64
	for _, subset := range s.subsets {
		if l := have[subset]; l != nil {
			members = append(members, subset)
			sizes = append(sizes, float64(l.n))
		}
	}
	of := fmt.Sprintf(" of %d subjects", len(members))
	return append(results,
		average(suite+" naive_average"+of, suite, suite, members, nil, have),
		average(suite+" weighted_average"+of, suite, suite, members, sizes, have)), notes
}

func groupHeading(suite, group string) string {
	if group == "" {
		return suite
	}
	return suite + " " + group
}

func averageName(suite string, g schema.SuiteGroup) string {
	kind := " naive_average"
	if g.Weighted {
		kind = " weighted_average"
	}
	return groupHeading(suite, g.Name) + kind
}

// average is Σ w v / Σ w over unrounded values, all w being 1 where weights is
// nil. Its standard error takes the subjects for the clusters; few of them say
// little about other subjects, so there it comes from the items within each:
// √Σ (w·se)² / Σ w, as the intervals of differences do.
func average(name, group, suite string, members []string, weights []float64, have map[string]*leaf) reports.Result {
	r := reports.Result{Suite: suite, Figure: name, Group: group, Weights: weights}
	if weights == nil {
		weights = slices.Repeat([]float64{1}, len(members))
	}
	values := make([]float64, len(members))
	var sum, total, squares float64
	for i, m := range members {
		l := have[m]
		values[i] = l.value()
		sum += float64(weights[i] * values[i])
		total += weights[i]
		se := float64(weights[i] * l.stdErr())
		squares += float64(se * se)
		r.Items += int32(l.n)
		r.Members = append(r.Members, l.name)
	}
	r.Value = sum / total
	if len(members) < reports.FewMembers {
		r.StdErr = math.Sqrt(squares) / total
		r.Note = fmt.Sprintf("standard error over the items within %d subjects", len(members))
	} else {
		r.StdErr = clusteredError(values, weights, r.Value)
		r.Note = fmt.Sprintf("standard error over %d subjects", len(members))
	}
	return r
}
