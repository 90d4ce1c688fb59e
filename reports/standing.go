package reports

import (
	"fmt"
	"strings"
)

// baseTable puts every arm beside its base model: the leaf figures that the data
// tell, all figures by sign, and the last loss on held-out outputs.
func (r *renderer) baseTable() {
	against := map[*arm]*contrast{}
	compared := false
	for _, c := range r.base {
		against[c.bArm] = c
		compared = compared || tallyOf(c.rows, r.counted).all > 0
	}
	var losses []string // by column
	tokens, measured := 0, false
	for _, col := range r.columns() {
		text := "–"
		if last := r.heldOutEnd(col.cells); last != nil {
			text, tokens, measured = fixed(last.OutputLoss, 4), int(last.OutputTokens), true
		}
		losses = append(losses, text)
	}
	if !compared && !measured {
		return
	}
	head, align := []string{"model"}, "<"
	if compared {
		head, align = append(head, "better than base", "worse", "cannot tell", "ahead by sign alone", "behind", "level"), align+">>>>>>"
	}
	if measured {
		head, align = append(head, "held-out loss"), align+">"
	}
	var rows [][]string
	for i, col := range r.columns() {
		if i < len(r.bases) && !measured {
			continue
		}
		row := []string{inCode(col.name)}
		if k := i - len(r.bases); compared && k >= 0 && against[r.arms[k]] != nil {
			c := against[r.arms[k]]
			leaf, all := tallyOf(c.rows, r.leaves), tallyOf(c.rows, r.counted)
			share := "–"
			if all.all > 0 {
				share = fmt.Sprintf("%d of %d (%s %%)", all.better, all.all, fixed(100*float64(all.better)/float64(all.all), 1))
			}
			row = append(row, fmt.Sprint(leaf.toldBetter), fmt.Sprint(leaf.toldWorse), cannotTell(leaf), share, fmt.Sprint(all.worse), fmt.Sprint(all.tied))
		} else if compared {
			row = append(row, "", "", "", "", "", "")
		}
		if measured {
			row = append(row, losses[i])
		}
		rows = append(rows, row)
	}
	r.md.table(align, head, rows)
	var notes []string
	if compared {
		leaves, all := r.number(r.leaves), r.number(r.counted)
		told, signs := "", ""
		if leaves < all {
			told = fmt.Sprintf(" on the %s that are no averages, as in the verdict", count(leaves, "figure", "figures"))
			signs = fmt.Sprintf(", on all %d", all)
		}
		notes = append(notes, "Better, worse, cannot tell: what the data tell"+told+". By sign alone: whatever the size of the difference"+signs+".")
	}
	if measured {
		note := fmt.Sprintf("Held-out loss: nats per token on the outputs of the held-out items at the end (%s).", count(tokens, "token", "tokens"))
		if axes := r.dataAxes(); axes != "" {
			note = fmt.Sprintf("Held-out loss: nats per token on the outputs of each cell's own held-out items at the end; not to be compared between cells that differ in %s.", axes)
		}
		notes = append(notes, note)
	}
	r.md.para("%s", strings.Join(notes, " "))
}

func (r *renderer) number(counts func(i int) bool) (n int) {
	for i := range r.figures {
		if counts(i) {
			n++
		}
	}
	return n
}

// heldOutEnd returns the last held-out measurement of a column, the mean over its
// cells; nil if there is none.
func (r *renderer) heldOutEnd(cells []string) *HeldOut {
	var mean *HeldOut
	n := 0.0
	for _, cell := range cells {
		for i := len(r.run.HeldOut) - 1; i >= 0; i-- {
			h := r.run.HeldOut[i]
			if h.Cell != cell {
				continue
			}
			if n++; mean == nil {
				mean = &h
			} else {
				mean.OutputLoss += h.OutputLoss
				mean.PromptLoss += h.PromptLoss
			}
			break
		}
	}
	if mean != nil {
		mean.OutputLoss /= n
		mean.PromptLoss /= n
	}
	return mean
}
