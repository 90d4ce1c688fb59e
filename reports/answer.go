package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// verdict says what the study's question comes down to, in plain text: a
// sentence for each two values of an axis, or for each arm and its base model
// where there is nothing else to compare.
func (r *renderer) verdict() string {
	var lines []string
	if n := r.incomplete(); n > 0 {
		lines = append(lines, fmt.Sprintf("Parts of %d of %s are missing; this speaks of the rest.", n, count(len(r.cells), "cell", "cells")))
	}
	switch {
	case len(r.cells) == 0 && len(r.figures) == 0:
		return "No cell was trained and no figure was measured."
	case len(r.cells) == 0:
		return fmt.Sprintf("No cell was trained: the figures are those of %s.", count(len(r.bases), "base model", "base models"))
	case len(r.figures) == 0:
		return strings.Join(append(lines, "No figure was measured, so there is nothing to compare."), "\n")
	case len(r.between)+len(r.base) == 0:
		return strings.Join(append(lines, "Nothing was measured on both sides of a comparison."), "\n")
	}
	for _, c := range r.claims() {
		lines = append(lines, strings.TrimSpace(c.lead+" "+c.rest))
	}
	return strings.Join(lines, "\n")
}

// claim is a line of the verdict: what the data tell, and what stands behind it.
type claim struct {
	lead, rest string
	of         *match // nil for what is said of several
}

// claims says a line of each match, or where they are many of each that the data
// tell apart and one of all others.
func (r *renderer) claims() (out []claim) {
	matches := r.matches()
	var others []*contrast
	for _, m := range matches {
		if t := r.tally(m.headline()); len(matches) > mostMarks && t.toldBetter+t.toldWorse == 0 {
			others = append(others, m.headline())
			continue
		}
		lead, rest := r.sentence(m)
		out = append(out, claim{lead, rest, m})
	}
	switch n := len(others); {
	case n == 0:
	case n == len(matches):
		out = append(out, claim{lead: fmt.Sprintf("In none of %d comparisons can the data tell the two sides apart on any figure, %s.", n, seedWords(others...))})
	default:
		out = append(out, claim{lead: fmt.Sprintf("In the other %d of %d comparisons the data cannot tell the two sides apart on any figure, %s.", n, len(matches), seedWords(others...))})
	}
	return out
}

// match is two values of an axis, or an arm and its base model, compared in each
// setting of the other axes and, where these are several, in the mean over them.
type match struct {
	subject, other string
	settings       []*contrast
	main           *contrast
}

// headline is the comparison that the verdict speaks of.
func (m *match) headline() *contrast {
	if m.main != nil {
		return m.main
	}
	return m.settings[0]
}

// matches gathers the comparisons that the verdict speaks of.
func (r *renderer) matches() (out []*match) {
	for _, c := range r.between {
		subject, other := phrase(c.axis, c.aArm), phrase(c.axis, c.bArm)
		i := slices.IndexFunc(out, func(m *match) bool { return m.subject == subject && m.other == other })
		if i < 0 {
			i, out = len(out), append(out, &match{subject: subject, other: other})
		}
		out[i].settings = append(out[i].settings, c)
	}
	if len(out) == 0 {
		for _, c := range r.base {
			out = append(out, &match{subject: r.shortName(c.bArm), other: "its base model", settings: []*contrast{c}})
		}
	}
	for _, c := range r.mains {
		for _, m := range out {
			if m.settings[0] == c.settings[0] {
				m.main = c
			}
		}
	}
	return out
}

// incomplete counts the cells of which a part failed.
func (r *renderer) incomplete() (n int) {
	for _, c := range r.cells {
		if len(c.failed) > 0 {
			n++
		}
	}
	return n
}

// answer writes the verdict, settings by settings where an axis has several, and
// how each arm stands to its base model.
func (r *renderer) answer() {
	r.naming()
	claims := r.claims()
	lines := strings.Split(r.report.Verdict, "\n")
	if len(r.figures) == 0 || len(r.cells) == 0 {
		claims = nil
	}
	for _, line := range lines[:len(lines)-len(claims)] {
		r.md.para("**%s**", escape(line))
	}
	for _, c := range claims {
		if r.large() {
			r.md.line("- **%s**", escape(c.lead))
			continue
		}
		r.md.para("%s", strings.TrimSpace("**"+escape(c.lead)+"** "+escape(c.rest)))
		if c.of != nil && len(c.of.settings) > 1 {
			r.settingsTable(c.of)
		}
	}
	if !r.large() {
		r.baseTable()
		return
	}
	r.md.line("")
	r.mainTable()
	r.settingsDetails()
	r.ranking()
}

// settingsDetails folds what each setting alone tells.
func (r *renderer) settingsDetails() {
	if len(r.mains) == 0 {
		return
	}
	r.md.details("Each setting by itself", func() {
		r.md.para("Each setting is adjusted by itself: of twenty in which nothing differs, about one marks a figure all the same.")
		for _, m := range r.matches() {
			if len(m.settings) > 1 {
				r.md.para("%s", escape(r.settingsSentence(m)))
				r.settingsTable(m)
			}
		}
	})
}

// settingsTable shows each setting, unless every score is equal in all of them.
func (r *renderer) settingsTable(m *match) {
	var rows [][]string
	same := true
	for _, c := range m.settings {
		t := r.tally(c)
		same = same && t.equal == t.all && t.missing == 0
		rows = append(rows, []string{escape(r.shortContext(c)), withNames(t.toldBetter, t.betterOn), withNames(t.toldWorse, t.worseOn), cannotTell(t),
			fmt.Sprint(t.better), fmt.Sprint(t.worse), fmt.Sprint(t.tied)})
	}
	if same {
		return
	}
	r.md.table("<<<>>>>", []string{"with", "better on", "worse on", "cannot tell", "ahead by sign alone", "behind", "level"}, rows)
}

func withNames(n int, names []string) string {
	if len(names) == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d: %s", n, escape(strings.Join(names, ", ")))
}

func cannotTell(t tally) string {
	text := fmt.Sprint(t.all - t.toldBetter - t.toldWorse)
	if t.missing > 0 {
		text += fmt.Sprintf(" (%d missing)", t.missing)
	}
	return text
}

// tally counts a comparison's figures.
type tally struct {
	all, better, worse, tied int // by the sign of the difference
	toldBetter, toldWorse    int // those the data can tell
	equal                    int // of the tied ones, those with equal scores on every item
	missing                  int
	betterOn, worseOn        []string // the told ones, where they are few
}

func tallyOf(rows []Difference, counts func(i int) bool) (t tally) {
	for i := range rows {
		d := &rows[i]
		if !counts(i) {
			continue
		}
		if d.Sign == "?" {
			t.missing++
			continue
		}
		t.all++
		switch {
		case d.Delta > 0:
			t.better++
		case d.Delta < 0:
			t.worse++
		default:
			t.tied++
		}
		switch d.Sign {
		case "+":
			t.toldBetter++
			t.betterOn = append(t.betterOn, sizeOf(d))
		case "-":
			t.toldWorse++
			t.worseOn = append(t.worseOn, sizeOf(d))
		case "=":
			t.equal++
		}
	}
	const few = 2
	if len(t.betterOn) > few {
		t.betterOn = nil
	}
	if len(t.worseOn) > few {
		t.worseOn = nil
	}
	return t
}

// sizeOf says a difference in words.
func sizeOf(d *Difference) string {
	if d.Unit == "%" {
		return fmt.Sprintf("%s points on %s", fixed(math.Abs(d.Delta), 1), d.Figure)
	}
	return fmt.Sprintf("%s on %s", short(math.Abs(d.Delta)), d.Figure)
}

func (r *renderer) leaves(i int) bool  { return r.figures[i].Leaf }
func (r *renderer) counted(i int) bool { return r.figures[i].counts() }

// tally counts a comparison's leaf figures from the side of its subject: the first
// value of an axis, or the tuned cell where the other side is the base model.
func (r *renderer) tally(c *contrast) tally {
	t := tallyOf(c.rows, r.leaves)
	if c.aArm != nil {
		// The rows are other − subject, so the signs turn.
		t.better, t.worse, t.toldBetter, t.toldWorse = t.worse, t.better, t.toldWorse, t.toldBetter
		t.betterOn, t.worseOn = t.worseOn, t.betterOn
	}
	return t
}

// sentence says what the data tell of two sides over the leaf figures; the rest
// says what stands behind it.
func (r *renderer) sentence(m *match) (lead, rest string) {
	c := m.headline()
	t := r.tally(c)
	if t.all == 0 {
		return fmt.Sprintf("%s and %s have no figure in common, so they cannot be compared.", capital(m.subject), m.other), ""
	}
	figures, told := count(t.all, "figure", "figures"), t.toldBetter+t.toldWorse
	var b strings.Builder
	switch {
	case t.equal == t.all:
		fmt.Fprintf(&b, "%s and %s give every item of %s the same scores, %s.", capital(m.subject), m.other, figures, seedWords(c))
	case told == 0:
		fmt.Fprintf(&b, "The data cannot tell %s from %s on any of %s, %s.", m.subject, m.other, figures, seedWords(c))
	default:
		fmt.Fprintf(&b, "%s is ", capital(m.subject))
		if t.toldBetter > 0 {
			fmt.Fprintf(&b, "better than %s on %d of %s%s", m.other, t.toldBetter, figures, inParentheses(t.betterOn))
		}
		switch {
		case t.toldBetter > 0 && t.toldWorse > 0:
			fmt.Fprintf(&b, " and worse on %d%s", t.toldWorse, inParentheses(t.worseOn))
		case t.toldWorse > 0:
			fmt.Fprintf(&b, "worse than %s on %d of %s%s", m.other, t.toldWorse, figures, inParentheses(t.worseOn))
		}
		fmt.Fprintf(&b, ", %s", seedWords(c))
		switch left := t.all - told; {
		case left == 1:
			b.WriteString("; on the other the data cannot tell the two apart")
		case left > 1:
			fmt.Fprintf(&b, "; on the other %d the data cannot tell the two apart", left)
		}
		b.WriteString(".")
	}
	var more []string
	if told < t.all && t.equal < t.all {
		more = append(more, fmt.Sprintf("By sign alone it is ahead on %d, behind on %d and level on %d.", t.better, t.worse, t.tied))
	}
	if t.missing > 0 {
		more = append(more, count(t.missing, "figure cannot", "figures cannot")+" be compared.")
	}
	return b.String(), strings.Join(more, " ")
}

// settingsSentence says in how many settings the data tell two values apart.
func (r *renderer) settingsSentence(m *match) string {
	n := len(m.settings)
	var better, worse, neither, equal int
	for _, c := range m.settings {
		t := r.tally(c)
		if t.toldBetter > 0 {
			better++
		}
		if t.toldWorse > 0 {
			worse++
		}
		if t.toldBetter+t.toldWorse == 0 {
			neither++
		}
		if t.equal == t.all && t.all > 0 {
			equal++
		}
	}
	seeds := seedWords(m.settings...)
	var b strings.Builder
	switch {
	case equal == n:
		return fmt.Sprintf("%s and %s give every item the same scores in all %d settings, %s.", capital(m.subject), m.other, n, seeds)
	case neither == n:
		return fmt.Sprintf("The data cannot tell %s from %s on any figure in any of %d settings, %s.", m.subject, m.other, n, seeds)
	case worse == 0:
		fmt.Fprintf(&b, "%s is better than %s on some figure in %d of %d settings", capital(m.subject), m.other, better, n)
	case better == 0:
		fmt.Fprintf(&b, "%s is worse than %s on some figure in %d of %d settings", capital(m.subject), m.other, worse, n)
	default:
		fmt.Fprintf(&b, "%s is better than %s on some figure in %d of %d settings, worse on some in %d", capital(m.subject), m.other, better, n, worse)
	}
	fmt.Fprintf(&b, ", %s", seeds)
	switch {
	case neither == 1:
		b.WriteString("; in the other the data cannot tell the two apart on any")
	case neither > 1:
		fmt.Fprintf(&b, "; in the other %d the data cannot tell the two apart on any", neither)
	}
	return b.String() + "."
}

func inParentheses(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// seedWords says for what the verdict holds: over how many settings it is the mean,
// and how many seeds stand on the side that has more, in each of the comparisons.
func seedWords(list ...*contrast) string {
	least, most := math.MaxInt, 0
	settings := ""
	for i, c := range list {
		n := max(len(c.a), len(c.b))
		switch {
		case c.settings == nil:
		case i > 0 && len(c.settings) != len(list[0].settings):
			n, settings = distinct(c.seed), "in the mean over the settings"
		default:
			n, settings = distinct(c.seed), fmt.Sprintf("in the mean over %d settings", len(c.settings))
		}
		least, most = min(least, n), max(most, n)
	}
	over, seed := "in the mean over ", "for this seed"
	if settings != "" {
		over, seed = settings+" and ", settings+", for this seed"
	}
	switch {
	case most == 1:
		return seed
	case least < most:
		return fmt.Sprintf("%s%d to %d seeds", over, least, most)
	}
	return fmt.Sprintf("%s%d seeds", over, most)
}

// phrase names an arm by what its value on an axis means.
func phrase(axis string, a *arm) string {
	value := a.axes[axis]
	switch axis {
	case "labels":
		switch value {
		case "output", "0":
			return "training on the output only"
		case "all", "1":
			return "training on every token"
		}
		return "training with weight " + value + " on prompt tokens"
	case "padding":
		return "padding on the " + value
	case "schedule":
		return "the schedule " + value
	case "model":
		return "the model " + value
	case "cell":
		return a.name
	}
	return axis + "=" + value
}

// capital begins a sentence; names stay as they are.
func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' || strings.Contains(s, "=") {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}
