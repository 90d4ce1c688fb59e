package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// dataAxes names the axes on which the cells' held-out items differ, in words; ""
// if there is none.
func (r *renderer) dataAxes() string {
	var axes []string
	for _, a := range r.axes {
		if strings.HasPrefix(a, "data.") && a != "data.shuffle" {
			axes = append(axes, inCode(a))
		}
	}
	return strings.Join(axes, " or ")
}

// paddingLine tells how far the two padding sides' losses lie apart: only
// rounding should part them.
func (r *renderer) paddingLine() {
	var pairs []*contrast
	var apart []float64
	for _, c := range r.between {
		if c.axis != "padding" || len(c.aArm.cells) != len(c.bArm.cells) {
			continue
		}
		var most float64
		for i, a := range c.aArm.cells {
			b := c.bArm.cells[i]
			for j := range min(len(a.steps), len(b.steps)) {
				if d := math.Abs(a.steps[j].Loss - b.steps[j].Loss); d > most {
					most = d
				}
			}
		}
		pairs, apart = append(pairs, c), append(apart, most)
	}
	if len(pairs) == 0 {
		return
	}
	const why = "The sides differ in the positions that tokens take, which rotary attention sees through differences only, so what remains is rounding and its growth over the steps."
	most := slices.Max(apart)
	c := pairs[slices.Index(apart, most)]
	if len(pairs) == 1 {
		r.md.para("%s and %s: the losses of a step differ by at most %s nats. %s", inCode(c.aArm.name), inCode(c.bArm.name), short(most), why)
		return
	}
	r.md.para("Of the %d pairs of settings that differ in padding only, the losses of a step differ by at most %s nats, between %s and %s. %s",
		len(pairs), short(most), inCode(c.aArm.name), inCode(c.bArm.name), why)
}

// trainedOn shows the cells, the mask ledger and a decoded row.
func (r *renderer) trainedOn() {
	ledger, examples := r.facts("ledger"), r.facts("example")
	if len(r.cells) == 0 || len(ledger)+len(examples)+len(r.facts("cells")) == 0 {
		return
	}
	r.md.para("## What was trained on")
	r.folded(fmt.Sprintf("The %d cells", len(r.cells)), r.cellTable)
	r.recipe()
	var cells, keys []string
	value := map[[2]string]string{}
	for _, f := range ledger {
		if !slices.Contains(cells, f.Cell) {
			cells = append(cells, f.Cell)
		}
		if !slices.Contains(keys, f.Key) {
			keys = append(keys, f.Key)
		}
		v := f.Value
		if v == "" {
			v = short(f.Number)
		}
		value[[2]string{f.Key, f.Cell}] = v
	}
	if len(cells) > 0 {
		head, align := []string{"mask ledger"}, "<"
		for _, c := range cells {
			head, align = append(head, escape(c)), align+">"
		}
		if len(cells) == 1 {
			head[1] = "every cell"
			if len(r.cells) == 1 {
				head[1] = escape(cells[0])
			}
		}
		var rows [][]string
		for _, k := range keys {
			row := []string{escape(k)}
			for _, c := range cells {
				row = append(row, escape(value[[2]string{k, c}]))
			}
			rows = append(rows, row)
		}
		r.md.table(align, head, rows)
		if len(cells) > 1 {
			r.md.para("Cells that are not named share the prepared data of one that is.")
		}
	}
	var shown []string
	for _, f := range examples {
		if !slices.Contains(shown, f.Cell) {
			shown = append(shown, f.Cell)
			r.example(f.Cell, len(cells) > 1)
		}
	}
}

// cellTable lists the cells and their place on the axes.
func (r *renderer) cellTable() {
	var axes []string
	for _, f := range r.facts("cells") {
		if !slices.Contains(axes, f.Key) {
			axes = append(axes, f.Key)
		}
	}
	if len(axes) == 0 {
		return
	}
	head, align := []string{"cell"}, "<"
	for _, a := range axes {
		head, align = append(head, escape(a)), align+"<"
	}
	var rows [][]string
	for _, c := range r.cells {
		row := []string{escape(c.name)}
		for _, a := range axes {
			row = append(row, escape(c.axes[a]))
		}
		rows = append(rows, row)
	}
	r.md.table(align, head, rows)
}

// recipe lists what all cells share, by the spec's own paths.
func (r *renderer) recipe() {
	var rows [][]string
	for _, f := range r.facts("recipe") {
		rows = append(rows, []string{inCode(f.Key), escape(f.Value)})
	}
	r.md.table("<<", []string{"recipe", "every cell"}, rows)
}

// suiteTable says in what form the suites were put to the models.
func (r *renderer) suiteTable() {
	var rows [][]string
	for _, f := range r.facts("asked") {
		rows = append(rows, []string{escape(f.Key), escape(f.Value)})
	}
	if len(rows) > 0 {
		r.md.para("## Suites")
		r.md.table("<<", []string{"suite", "asked as"}, rows)
	}
}

// example shows a training row with its targets marked.
func (r *renderer) example(cell string, named bool) {
	parts := map[string]string{}
	for _, f := range r.facts("example") {
		if f.Cell == cell {
			parts[f.Key] += f.Value
		}
	}
	of := ""
	if named {
		of = " of " + inCode(cell)
	}
	r.md.para("A row%s, decoded. **Bold** tokens are targets in every cell (weight 1), the end token among them; the plain ones, the prompt, weigh 0 with labels `output` and 1 with `all`:", of)
	text := inHTML(parts["prompt"])
	if t := parts["target"] + parts["end"]; t != "" {
		text += "<b>" + inHTML(t) + "</b>"
	}
	r.md.para("<blockquote>%s</blockquote>", text)
}
