package reports

import (
	"math"
	"slices"
	"strings"
)

// group is the cells that one curve stands for: an arm's, or where the arms are
// many those with one value of an axis.
type group struct {
	name  string
	cells []*cell
}

// lossPicture names the two plots of losses of some groups.
type lossPicture struct {
	loss, heldout string
	groups        []group
}

// lossPictures lists the plots of losses: one of all arms, or where these are many
// one of each axis whose values have a colour and a dash of their own.
func (s *study) lossPictures() (out []lossPicture) {
	if !s.large() {
		p := lossPicture{loss: lossPlot, heldout: heldoutPlot}
		for _, a := range s.arms {
			p.groups = append(p.groups, group{a.name, a.cells})
		}
		return append(out, p)
	}
	for _, axis := range s.axes {
		p := lossPicture{loss: "loss_" + fileName(axis) + ".svg", heldout: "heldout_" + fileName(axis) + ".svg"}
		for _, v := range s.values(axis) {
			g := group{name: axis + "=" + v}
			for _, a := range s.arms {
				if a.axes[axis] == v {
					g.cells = append(g.cells, a.cells...)
				}
			}
			p.groups = append(p.groups, g)
		}
		if len(p.groups) <= 2*len(palette) {
			out = append(out, p)
		}
	}
	return out
}

func (r *renderer) curves() {
	trained := slices.ContainsFunc(r.run.Steps, func(s Step) bool { return finite(s.Loss) })
	if !trained && len(r.run.HeldOut) == 0 {
		return
	}
	pictures := r.lossPictures()
	r.md.para("## Losses")
	if trained {
		for _, p := range pictures {
			r.show(p.loss, "Training loss of each cell over the steps")
		}
		lines := "Strong: means of the log windows, the last of which holds the steps that remained; pale: every step."
		if r.large() {
			lines = "Means of the log windows. Strong: the mean over the cells with a value of the axis; pale: each cell, in its value's colour."
		}
		r.md.para("%s Losses of cells with different labels measure different things: with labels on every token the mean counts prompt tokens too, which are easier or harder to foretell than answers. These curves show whether training went well, not which cell is better.", lines)
		r.folded("The cells' training losses", r.lossTable)
	}
	r.paddingLine()
	if len(r.run.HeldOut) > 0 && r.heldOutText() {
		for _, p := range pictures {
			r.show(p.heldout, "Loss on the held-out items' outputs (left) and prompts (right)")
		}
	}
	if rows := r.heldOutRows(); len(rows) > 0 {
		r.folded("The cells' held-out losses", func() {
			r.md.table("<>>>", []string{"model", "step", "nats per output token", "nats per prompt token"}, rows)
		})
	}
}

// folded writes a section that is folded where the arms are many.
func (r *renderer) folded(summary string, body func()) {
	if r.large() {
		r.md.details(summary, body)
		return
	}
	body()
}

func (r *renderer) lossTable() {
	var rows [][]string
	for _, c := range r.cells {
		if len(c.steps) == 0 {
			continue
		}
		last := c.steps[len(c.steps)-1]
		first, final := math.NaN(), math.NaN()
		if len(c.points) > 0 {
			first, final = c.points[0].Loss, c.points[len(c.points)-1].Loss
		}
		skipped := 0
		var tokens, targets int64
		for _, s := range c.steps {
			if s.Skipped {
				skipped++
			}
			tokens += int64(s.Tokens)
			targets += int64(s.Targets)
		}
		rows = append(rows, []string{escape(r.cellName(c.name)), grouped(int64(last.Step)), grouped(tokens), grouped(targets), fixed(first, 4), fixed(final, 4), grouped(int64(skipped))})
	}
	r.md.table("<>>>>>>", []string{"cell", "steps", "tokens", "targets", "loss, first window", "loss, last window", "skipped steps"}, rows)
}

// heldOutText introduces the plots of held-out losses, if there is one.
func (r *renderer) heldOutText() bool {
	has := func(p lossPicture) bool { return r.report.Plots[p.heldout] != nil }
	if !slices.ContainsFunc(r.lossPictures(), has) {
		return false
	}
	if axes := r.dataAxes(); axes != "" {
		r.md.para("Every cell is measured on the items held out of its own data, on outputs and on prompts, whatever its labels, and a base model on those of its first cell."+
			" Losses of cells that differ in %s are of other items, or of the same in another form, and cannot be compared:", axes)
		return true
	}
	r.md.para("On the held-out items, which no cell trains on, every model is measured alike, on outputs and on prompts, whatever its labels:")
	return true
}

// heldOutRows shows base models and the last measurement of each cell.
func (r *renderer) heldOutRows() (rows [][]string) {
	last := map[string]HeldOut{}
	var names []string
	for _, h := range r.run.HeldOut {
		if _, ok := last[h.Cell]; !ok {
			names = append(names, h.Cell)
		}
		if h.Step >= last[h.Cell].Step {
			last[h.Cell] = h
		}
	}
	for _, base := range []bool{true, false} {
		for _, n := range names {
			if h := last[n]; strings.HasPrefix(n, basePrefix) == base {
				rows = append(rows, []string{escape(r.modelName(n)), grouped(int64(h.Step)), fixed(h.OutputLoss, 4), fixed(h.PromptLoss, 4)})
			}
		}
	}
	return rows
}
