package reports

import (
	"fmt"
	"strings"
)

// verdict says what the study's question comes down to, in plain text: a
// sentence for each comparison of two arms, or of each arm with its base model
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
	for _, c := range r.between {
		lines = append(lines, r.sentence(c))
	}
	if len(r.between) == 0 {
		for _, c := range r.base {
			lines = append(lines, r.sentence(c))
		}
	}
	return strings.Join(lines, "\n")
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

// answer writes the verdict and how each arm stands to its base model.
func (r *renderer) answer() {
	for _, line := range strings.Split(r.report.Verdict, "\n") {
		r.md.para("**%s**", escape(line))
	}
	var bullets []string
	for _, c := range r.base {
		if line := r.againstBase(c); line != "" {
			bullets = append(bullets, line)
		}
	}
	if line := r.heldOutLine(); line != "" {
		bullets = append(bullets, line)
	}
	for _, b := range bullets {
		r.md.line("- %s", b)
	}
	if len(bullets) > 0 {
		r.md.line("")
	}
}

// tally counts a comparison's figures.
type tally struct {
	all, better, worse, tied int // by the sign of the difference
	toldBetter, toldWorse    int // those the data can tell
	equal                    int // of the tied ones, those with equal scores on every item
	missing                  int
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
		case "-":
			t.toldWorse++
		case "=":
			t.equal++
		}
	}
	return t
}

func (r *renderer) leaves(i int) bool  { return r.figures[i].Leaf }
func (r *renderer) counted(i int) bool { return r.figures[i].counts() }

// sentence compares two sides over the leaf figures. Its subject is the first
// cell of an axis, or the tuned cell where the other side is the base model.
func (r *renderer) sentence(c *contrast) string {
	t := tallyOf(c.rows, r.leaves)
	var subject, other string
	if c.aArm != nil {
		// The rows are other − subject, so the signs turn.
		subject, other = phrase(c.axis, c.aArm), phrase(c.axis, c.bArm)
		t.better, t.worse, t.toldBetter, t.toldWorse = t.worse, t.better, t.toldWorse, t.toldBetter
	} else {
		subject, other = c.bArm.name, "its base model"
	}
	if t.all == 0 {
		return fmt.Sprintf("%s and %s have no figure in common, so they cannot be compared.", capital(subject), other)
	}
	var b strings.Builder
	figures := count(t.all, "leaf figure", "leaf figures")
	switch {
	case t.equal == t.all:
		fmt.Fprintf(&b, "%s and %s give every item of %s the same scores", capital(subject), other, figures)
	default:
		fmt.Fprintf(&b, "%s beat %s on %d of %s", capital(subject), other, t.better, figures)
		switch {
		case t.worse > 0 && t.tied > 0:
			fmt.Fprintf(&b, ", lost on %d and tied on %d", t.worse, t.tied)
		case t.worse > 0:
			fmt.Fprintf(&b, " and lost on %d", t.worse)
		case t.tied > 0:
			fmt.Fprintf(&b, " and tied on %d", t.tied)
		}
	}
	if c.context != "" {
		fmt.Fprintf(&b, " (%s)", c.context)
	}
	fmt.Fprintf(&b, ", %s", seedWords(c))
	switch told := t.toldBetter + t.toldWorse; {
	case t.equal == t.all:
		b.WriteString(".")
	case told == 0:
		b.WriteString("; the data can tell the two apart on none of them.")
	default:
		fmt.Fprintf(&b, "; the data can tell the two apart on %d of them: better on %d, worse on %d.", told, t.toldBetter, t.toldWorse)
	}
	if t.missing > 0 {
		fmt.Fprintf(&b, " %s be compared.", count(t.missing, "figure cannot", "figures cannot"))
	}
	return b.String()
}

// seedWords says for what the verdict holds.
func seedWords(c *contrast) string {
	n := max(len(c.a), len(c.b))
	if n == 1 {
		return "for this seed"
	}
	return fmt.Sprintf("in the mean over %d seeds", n)
}

// againstBase counts the figures on which an arm is better than its base model.
func (r *renderer) againstBase(c *contrast) string {
	t := tallyOf(c.rows, r.counted)
	if t.all == 0 {
		return ""
	}
	leaf := tallyOf(c.rows, r.leaves)
	line := fmt.Sprintf("%s: better than its base model on **%d of %s** (%s %%), worse on %d", inCode(c.bArm.name), t.better,
		count(t.all, "figure", "figures"), fixed(100*float64(t.better)/float64(t.all), 1), t.worse)
	if t.tied > 0 {
		line += fmt.Sprintf(", equal on %d", t.tied)
	}
	if leaf.all < t.all {
		line += fmt.Sprintf("; of the %s among them, %d better and %d worse", count(leaf.all, "leaf figure", "leaf figures"), leaf.better, leaf.worse)
	}
	if leaf.toldBetter+leaf.toldWorse == 0 {
		return line + "; the data can tell on none."
	}
	return line + fmt.Sprintf("; the data can tell on %d (%d better, %d worse).", leaf.toldBetter+leaf.toldWorse, leaf.toldBetter, leaf.toldWorse)
}

// heldOutLine tells the last loss on held-out outputs of every model.
func (r *renderer) heldOutLine() string {
	var parts []string
	tokens := int32(0)
	for _, col := range r.columns() {
		first, last := r.heldOutEnds(col.cells)
		if first == nil {
			continue
		}
		tokens = last.OutputTokens
		parts = append(parts, fmt.Sprintf("%s nats for %s", fixed(last.OutputLoss, 4), inCode(col.name)))
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("Loss on the outputs of the held-out items, at the end (%s): %s.", count(int(tokens), "token", "tokens"), strings.Join(parts, ", "))
}

// heldOutEnds returns the first and the last held-out measurement of a column,
// means over its cells.
func (r *renderer) heldOutEnds(cells []string) (first, last *HeldOut) {
	var firsts, lasts []HeldOut
	for _, cell := range cells {
		var f, l *HeldOut
		for i := range r.run.HeldOut {
			h := &r.run.HeldOut[i]
			if h.Cell != cell {
				continue
			}
			if f == nil {
				f = h
			}
			l = h
		}
		if f != nil {
			firsts, lasts = append(firsts, *f), append(lasts, *l)
		}
	}
	if len(firsts) == 0 {
		return nil, nil
	}
	avg := func(list []HeldOut) *HeldOut {
		out := list[0]
		for _, h := range list[1:] {
			out.OutputLoss += h.OutputLoss
			out.PromptLoss += h.PromptLoss
		}
		out.OutputLoss /= float64(len(list))
		out.PromptLoss /= float64(len(list))
		return &out
	}
	return avg(firsts), avg(lasts)
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
