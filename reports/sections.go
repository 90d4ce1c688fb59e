package reports

import (
	"fmt"
	"math"
	"strings"
)

// manyFigures is the number of figures above which a table's subjects are folded.
const manyFigures = 24

// figureTable shows every model's value of every figure and the differences
// between cells.
func (r *renderer) figureTable() {
	if len(r.figures) == 0 {
		return
	}
	r.md.para("## Figures")
	r.md.para("Percent of items answered correctly, ± standard error. A difference shows its 95 %% interval and `+` or `-` where it holds after Holm's adjustment over the leaf figures; `~` where the data cannot tell, with the smallest difference this many items would have shown (80 %% power; none where even 100 points would not do); `=` where every score is equal.")
	head := []string{"figure", "items"}
	align := "<>"
	for _, b := range r.bases {
		head, align = append(head, escape(b)), align+">"
	}
	for _, a := range r.arms {
		head, align = append(head, escape(a.name)), align+">"
	}
	for _, c := range r.between {
		head, align = append(head, escape(c.bArm.name+" − "+c.aName)), align+"<"
	}
	row := func(i int, f *figure) []string {
		cells := []string{r.figureName(f), grouped(int64(f.Items))}
		for _, b := range r.bases {
			cells = append(cells, valueText(f, []string{b}))
		}
		for _, a := range r.arms {
			cells = append(cells, valueText(f, a.names()))
		}
		for _, c := range r.between {
			cells = append(cells, deltaText(&c.rows[i]))
		}
		return cells
	}
	r.foldedTable(align, head, row)
}

// baseTable shows each arm's differences from its base model.
func (r *renderer) baseTable() {
	if len(r.base) == 0 || len(r.figures) == 0 {
		return
	}
	r.md.para("## Against the base model")
	head, align := []string{"figure"}, "<"
	for _, c := range r.base {
		head, align = append(head, escape(c.bArm.name+" − base")), align+"<"
	}
	r.picture(basePlot, "Differences from the base model, figure by figure, with 95 % intervals")
	r.foldedTable(align, head, func(i int, f *figure) []string {
		cells := []string{r.figureName(f)}
		for _, c := range r.base {
			cells = append(cells, deltaText(&c.rows[i]))
		}
		return cells
	})
}

// foldedTable writes a table of all figures; where there are many, the members
// of averages are folded away behind it.
func (r *renderer) foldedTable(align string, head []string, row func(int, *figure) []string) {
	member := map[figureKey]bool{}
	for _, f := range r.figures {
		for _, m := range f.Members {
			member[figureKey{f.Suite, m}] = true
		}
	}
	var shown, folded [][]string
	for i, f := range r.figures {
		if len(r.figures) > manyFigures && member[f.figureKey] {
			folded = append(folded, row(i, f))
		} else {
			shown = append(shown, row(i, f))
		}
	}
	r.md.table(align, head, shown)
	if len(folded) > 0 {
		r.md.details(count(len(folded), "figure", "figures")+" that the averages are made of", func() { r.md.table(align, head, folded) })
	}
}

func (r *renderer) figureName(f *figure) string {
	if !f.Leaf {
		return "*" + escape(f.Figure) + "*"
	}
	return escape(f.Figure)
}

func valueText(f *figure, cells []string) string {
	if len(cells) == 1 {
		res := f.byCell[cells[0]]
		if res == nil {
			return "–"
		}
		return fixed(res.Value, 2) + plusMinus(res.StdErr)
	}
	var values []float64
	for _, c := range cells {
		values = append(values, f.value(c))
	}
	return fixed(meanValue(f, cells), 2) + plusMinus(StdErr(values, nil))
}

func plusMinus(se float64) string {
	if math.IsNaN(se) {
		return ""
	}
	return " ± " + fixed(se, 2)
}

func deltaText(d *Difference) string {
	switch {
	case d.Sign == "?":
		return "?"
	case d.Sign == "=":
		return "="
	}
	text := signed(d.Delta, 2)
	if !math.IsNaN(d.Low) {
		text += fmt.Sprintf(" [%s, %s]", signed(d.Low, 1), signed(d.High, 1))
	}
	switch d.Sign {
	case "~":
		text += " `~`"
		switch {
		case math.IsNaN(d.Detectable):
		case d.Unit == "%" && d.Detectable > 100:
			text += " none"
		default:
			text += " " + fixed(d.Detectable, 1)
		}
	default:
		text += " `" + d.Sign + "`"
		if !math.IsNaN(d.Holm) {
			text += " p " + pValue(d.Holm)
		}
	}
	return text
}

// contamination puts the classes of each suite side by side.
func (r *renderer) contamination() {
	const mark = " accuracy - "
	var rows [][]string
	for _, f := range r.figures {
		suite, class, ok := strings.Cut(f.Figure, mark)
		if !ok {
			continue
		}
		row := []string{escape(suite), escape(class), grouped(int64(f.Items))}
		for _, b := range r.bases {
			row = append(row, fixed(f.value(b), 2))
		}
		for _, a := range r.arms {
			row = append(row, fixed(meanValue(f, r.scored(f, a.names())), 2))
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return
	}
	r.md.para("## Contamination")
	r.md.para("Items whose question, or question and answer, stand on the public web, by the published annotations. A model that scores higher on contaminated items than on clean ones may have seen them.")
	head, align := []string{"suite", "class", "items"}, "<<>"
	for _, b := range r.bases {
		head, align = append(head, escape(b)), align+">"
	}
	for _, a := range r.arms {
		head, align = append(head, escape(a.name)), align+">"
	}
	r.md.table(align, head, rows)
}

func (r *renderer) curves() {
	if r.report.Plots[lossesPlot] == nil && r.report.Plots[heldoutPlot] == nil {
		return
	}
	r.md.para("## Losses")
	if r.report.Plots[lossesPlot] != nil {
		r.picture(lossesPlot, "Training loss of each cell over the steps")
		r.md.para("Training losses of cells with different labels measure different things: a loss over the output counts other tokens than a loss over everything. They show that training went well, not which cell is better.")
		var rows [][]string
		for _, c := range r.cells {
			if len(c.steps) == 0 {
				continue
			}
			last := c.steps[len(c.steps)-1]
			var first, final float64 = math.NaN(), math.NaN()
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
			rows = append(rows, []string{escape(c.name), grouped(int64(last.Step)), grouped(tokens), grouped(targets), fixed(first, 4), fixed(final, 4), grouped(int64(skipped))})
		}
		r.md.table("<>>>>>>", []string{"cell", "steps", "tokens", "targets", "loss, first window", "loss, last window", "skipped steps"}, rows)
	}
	if r.report.Plots[heldoutPlot] != nil {
		r.md.para("On held-out items every cell is measured alike, whatever it trained on:")
		r.picture(heldoutPlot, "Loss on the held-out items' outputs and prompts over the steps")
		r.md.table("<>>>", []string{"model", "step", "loss on outputs", "loss on prompts"}, r.heldOutRows())
	}
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
				rows = append(rows, []string{escape(n), grouped(int64(h.Step)), fixed(h.OutputLoss, 4), fixed(h.PromptLoss, 4)})
			}
		}
	}
	return rows
}

func (r *renderer) trainedOn() {
	ledger := r.facts("ledger")
	if len(ledger) == 0 {
		return
	}
	r.md.para("## What was trained on")
	cells := []string{}
	byCell := map[string][][]string{}
	for _, f := range ledger {
		if byCell[f.Cell] == nil {
			cells = append(cells, f.Cell)
		}
		byCell[f.Cell] = append(byCell[f.Cell], []string{escape(f.Key), escape(f.Value)})
	}
	for _, c := range cells {
		if len(cells) > 1 {
			r.md.para("From %s on:", escape(c))
		}
		r.md.table("<>", []string{"mask ledger", ""}, byCell[c])
		r.example(c)
	}
}

// example shows a training row with its targets marked.
func (r *renderer) example(cell string) {
	parts := map[string]string{}
	for _, f := range r.facts("example") {
		if f.Cell == cell {
			parts[f.Key] = f.Value
		}
	}
	if len(parts) == 0 {
		return
	}
	r.md.para("A row as the model sees it. **Bold** tokens are targets under every label mode; the others carry the cell's prompt weight (0 for output, 1 for all):")
	text := inHTML(parts["prompt"])
	if t := parts["target"] + parts["end"]; t != "" {
		text += "<b>" + inHTML(t) + "</b>"
	}
	r.md.para("<blockquote>%s</blockquote>", text)
}

func (r *renderer) samples() {
	if len(r.run.Samples) == 0 {
		return
	}
	r.md.para("## Samples before and after")
	byPrompt := map[int32][]Sample{}
	var prompts []int32
	for _, s := range r.run.Samples {
		if byPrompt[s.Prompt] == nil {
			prompts = append(prompts, s.Prompt)
		}
		byPrompt[s.Prompt] = append(byPrompt[s.Prompt], s)
	}
	for _, p := range prompts {
		r.md.para("**%s**", escape(byPrompt[p][0].Shown))
		var rows [][]string
		for _, s := range byPrompt[p] {
			end := "limit"
			if s.Ended {
				end = "end token"
			}
			rows = append(rows, []string{escape(s.Cell), inHTML(strings.ReplaceAll(s.Text, "|", "¦")), fmt.Sprintf("%d, %s", s.Tokens, end)})
		}
		r.md.table("<<<", []string{"model", "text", "tokens, ended by"}, rows)
	}
}

func (r *renderer) deviations() {
	list := r.facts("deviation")
	if len(list) == 0 {
		return
	}
	r.md.para("## Known deviations from the published run")
	for _, f := range list {
		r.md.line("- %s", escape(f.Value))
	}
	r.md.line("")
}

// notes lists what was counted rather than silently handled, each once.
func (r *renderer) notes() {
	seen := map[string]bool{}
	var lines []string
	add := func(text string) {
		if !seen[text] {
			seen[text] = true
			lines = append(lines, text)
		}
	}
	for _, f := range r.facts("suite") {
		add(f.Key + ": " + f.Value)
	}
	for _, f := range r.facts("warning") {
		add(f.Value)
	}
	for _, f := range r.figures {
		if f.Note != "" {
			add(f.Suite + ": " + f.Note)
		}
	}
	for _, d := range r.report.Comparisons {
		for _, n := range d.Notes {
			add(d.Comparison + ", " + d.Figure + ": " + n)
		}
	}
	if len(lines) == 0 {
		return
	}
	r.md.para("## Notes")
	for _, l := range lines {
		r.md.line("- %s", escape(l))
	}
	r.md.line("")
}

func (r *renderer) structure() {
	var models []string
	lines := map[string][]string{}
	for _, f := range r.facts("model") {
		if lines[f.Cell] == nil {
			models = append(models, f.Cell)
		}
		lines[f.Cell] = append(lines[f.Cell], f.Value)
	}
	if len(models) == 0 {
		return
	}
	r.md.para("## Model")
	for _, m := range models {
		r.md.details(m, func() { r.md.code("", strings.Join(lines[m], "\n")) })
	}
}

func (r *renderer) reproduce() {
	list := r.facts("reproduce")
	if len(list) == 0 {
		return
	}
	r.md.para("## Reproduce")
	var text strings.Builder
	for _, f := range list {
		fmt.Fprintf(&text, "%-50s # %s\n", f.Value, f.Key)
	}
	r.md.code("sh", text.String())
	r.md.para("Numbers: engine numerics %s, training in %s, evaluation in %s. The same spec and numerics give these bytes on any machine.",
		inCode(r.fact("study", "numerics")), inCode(r.fact("study", "train precision")), inCode(r.fact("study", "eval precision")))
	if keys := r.facts("keys"); len(keys) > 0 {
		r.md.details("content keys of the stages", func() {
			var rows [][]string
			for _, k := range keys {
				rows = append(rows, []string{escape(k.Key), inCode(k.Value[:min(16, len(k.Value))])})
			}
			r.md.table("<<", []string{"stage", "key"}, rows)
		})
	}
}

func (r *renderer) howToRead() {
	r.md.para("## How to read this")
	r.md.line("- Differences are paired: both models answered the same items. p-values are exact (McNemar; sign flips over clusters where items share a passage), adjusted by Holm over a comparison's leaf figures; averages are not in the family. Intervals come from Tango's score or from a bootstrap with a fixed generator.")
	if r.seeds <= 1 {
		r.md.line("- One seed was trained. Intervals tell what other items would have said, not what another seed would have.")
	} else {
		r.md.line("- With several seeds a difference must hold over items and over seeds.")
	}
	r.md.line("- Padding: no pads are computed. The side decides the positions a row's tokens take in training: left as transformers counts them without position_ids, right from 0. Attention depends on distances only, so the sides agree but for rounding.")
	r.md.line("- A row's first token is never a target. With left padding and labels on every token, transformers makes it one, predicted from a pad; its losses differ for that reason.")
	r.md.line("- Scores are those of the protocol at batch size 1: they do not move with batch size, order or threads.")
	r.md.line("")
}
