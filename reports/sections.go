package reports

import (
	"fmt"
	"slices"
	"strings"
)

// contamination puts the classes of each suite side by side.
func (r *renderer) contamination() {
	const mark = " accuracy - "
	if !slices.ContainsFunc(r.figures, func(f *figure) bool { return strings.Contains(f.Figure, mark) }) {
		return
	}
	r.md.para("## Contamination")
	r.md.para("Accuracy by the published annotations: *clean* items, items whose *input* stands on the public web, and items whose input stands there together with its label." +
		" A model that gains on contaminated items only has learnt to recall them rather than to answer. Items that nobody labeled are in none of the classes unless a class says so.")
	r.classes(mark)
}

// OverlapMark stands in the names of figures between a figure and the class of
// items that it counts, by their overlap with the training set.
const OverlapMark = " overlap: "

// mostListed is how many items of a list the report shows; a table has them all.
const mostListed = 100

// overlap shows which items stand in the training sets, and how the models do
// on them.
func (r *renderer) overlap() {
	suites := r.facts("overlap")
	if len(suites) == 0 {
		return
	}
	r.md.para("## Overlap with the training set")
	r.md.para("Our own comparison of every item with what the cells were trained on. Texts are compared as words, runs of letters and digits in lower case." +
		" A question is found when thirteen of its words in a row stand in one training item (the rule of Brown et al. 2020), or the whole of a question of five to twelve words does;" +
		" its answer when the right choice's words stand in that training item too. Shorter questions are too short to compare.")
	for _, f := range suites {
		r.md.line("- %s: %s.", escape(f.Key), escape(f.Value))
	}
	r.md.line("")
	r.classes(OverlapMark)
	items := r.facts("overlap item")
	if len(items) == 0 {
		return
	}
	r.md.details(fmt.Sprintf("The %s", count(len(items), "item found", "items found")), func() {
		var rows [][]string
		for _, f := range items[:min(len(items), mostListed)] {
			rows = append(rows, []string{escape(f.Key), escape(f.Value)})
		}
		r.md.table("<<", []string{"item: its id, or its row from 0", "found"}, rows)
		if n := len(items) - mostListed; n > 0 {
			r.md.para("%s more stand in %s.", grouped(int64(n)), inCode(FactsFile))
		}
	})
}

// classes puts the figures whose names hold mark side by side, by suite and
// class of items. Where the models are many it shows their values only, or axes.
func (r *renderer) classes(mark string) {
	if r.large() {
		notes, rows := &footnotes{}, make([]int, len(r.figures))
		for i := range rows {
			rows[i] = i
		}
		r.axisTables([]string{"suite", "class"}, rows, func(f *figure) []string {
			suite, class, ok := strings.Cut(f.Figure, mark)
			if !ok {
				return nil
			}
			return []string{escape(suite), escape(class)}
		}, notes)
		notes.write(&r.md)
		return
	}
	if len(r.columns()) <= wideValues && len(r.between) <= wide {
		r.classTable(mark, r.columns(), r.between)
		return
	}
	for columns := range slices.Chunk(r.columns(), wideValues) {
		r.classTable(mark, columns, nil)
	}
	r.md.para("The differences stand in the statistics of each comparison, under Figures.")
}

func (r *renderer) classTable(mark string, columns []column, contrasts []*contrast) {
	head, align := []string{"suite", "class", "items"}, "<<>"
	for _, c := range columns {
		head, align = append(head, escape(c.name)), align+">"
	}
	for _, c := range contrasts {
		head, align = append(head, escape(contrastLabel(c.name))), align+"<"
	}
	var rows [][]string
	for i, f := range r.figures {
		suite, class, ok := strings.Cut(f.Figure, mark)
		if !ok {
			continue
		}
		row := []string{escape(suite), escape(class), grouped(int64(f.Items))}
		for _, c := range columns {
			row = append(row, valueText(f, c.cells))
		}
		for _, c := range contrasts {
			row = append(row, deltaText(&c.rows[i]))
		}
		rows = append(rows, row)
	}
	r.md.table(align, head, rows)
}

// samples shows generated text before and after, side by side.
func (r *renderer) samples() {
	if len(r.run.Samples) == 0 {
		return
	}
	r.md.para("## Samples before and after")
	r.md.para("Greedy decoding. ▪ marks an end token; text without it was cut at the limit.")
	byPrompt := map[int32][]Sample{}
	var prompts []int32
	for _, s := range r.run.Samples {
		if byPrompt[s.Prompt] == nil {
			prompts = append(prompts, s.Prompt)
		}
		byPrompt[s.Prompt] = append(byPrompt[s.Prompt], s)
	}
	for _, p := range prompts {
		list := byPrompt[p]
		if r.large() {
			r.md.details(list[0].Shown, func() { r.sampleTable(list) })
			continue
		}
		r.md.para("**%s**", escape(list[0].Shown))
		r.sampleTable(list)
	}
}

// sampleTable shows what the models made of one prompt: side by side, or one below
// the other where they are many.
func (r *renderer) sampleTable(list []Sample) {
	r.md.line("<table>")
	text := func(s Sample) string {
		t := inHTML(s.Text)
		if strings.TrimSpace(s.Text) == "" {
			t = "<i>nothing</i>"
		}
		if s.Ended {
			t += " ▪"
		}
		return t
	}
	if len(list) <= 4 {
		r.md.WriteString("<tr>")
		for _, s := range list {
			fmt.Fprintf(&r.md, "<th>%s</th>", inHTML(r.modelName(s.Cell)))
		}
		r.md.line("</tr>")
		r.md.WriteString("<tr>")
		for _, s := range list {
			fmt.Fprintf(&r.md, `<td valign="top">%s</td>`, text(s))
		}
		r.md.line("</tr>")
	} else {
		for _, s := range list {
			r.md.line(`<tr><th>%s</th><td>%s</td></tr>`, inHTML(r.modelName(s.Cell)), text(s))
		}
	}
	r.md.para("</table>")
}

// modelName is a model's heading in tables that hold base models and cells.
func (r *renderer) modelName(name string) string {
	if strings.HasPrefix(name, basePrefix) {
		return baseName(r.bases, name)
	}
	return r.cellName(name)
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
	r.md.para("Engine numerics %s, evaluation in %s. The same spec and numerics give these bytes on any machine. The command as it was given, with its tags, the machine, versions, times and the digest of every input stand in %s and %s, which differ from run to run.",
		inCode(r.fact("study", "numerics")), inCode(r.fact("study", "eval precision")), inCode("run.json"), inCode("timing.parquet"))
	if keys := r.facts("keys"); len(keys) > 0 && r.large() {
		r.md.para("The content keys of the %d stages stand in %s, section `keys`.", len(keys), inCode(FactsFile))
	} else if len(keys) > 0 {
		r.md.details("Content keys of the stages", func() {
			var rows [][]string
			for _, k := range keys {
				rows = append(rows, []string{escape(k.Key), inCode(k.Value)})
			}
			r.md.table("<<", []string{"stage", "key"}, rows)
		})
	}
}

// howToRead explains the statistics and the two choices that differ from common
// software. The numbers in it are none of the run's.
func (r *renderer) howToRead() {
	family, whose := "one comparison", "its"
	if r.joint() {
		family, whose = "one comparison with a base model, of all comparisons along one axis in one setting of the others, or of all main effects of an axis", "their"
	}
	r.md.para("## How to read this")
	r.md.line("- **Paired.** Both models of a difference answered the same items. p is exact: McNemar's test (1947) on the items that only one of them has right; where items share a passage, whole passages are flipped. Scores that are no right or wrong use %s sampled sign patterns.", grouped(Resamples))
	r.md.line("- **Many figures.** p is adjusted by Holm (1979) over the leaf figures of %s, and over %s figures that split the same items again (by overlap, or by class beside the whole), a family of their own. Averages of other figures are in neither and marked by their own interval.%s", family, whose, r.manyComparisons())
	if len(r.mains) > 0 {
		r.md.line("- **Main effects.** The difference of two values of an axis is taken in each setting of the other axes and for each seed, and averaged item by item; p comes from flipping the signs of these averages, item by item or passage by passage. It speaks of the mean over these settings: where the single ones disagree (the last column of the statistics shows how far), the mean hides it. A setting that lacks a figure on one side, or a seed, is left out.")
	}
	r.md.line("- **Intervals** hold for one figure alone, so one may leave out 0 and still be marked `~`. They are Tango's score interval (1998) for single items, and a bootstrap over passages or subjects otherwise: %s resamples of Philox4x32-10, percentiles stretched for few units (Hesterberg 2015); averages of fewer than %d members draw items within each.", grouped(Resamples), FewMembers)
	r.md.line("- **Detectable.** The number behind `~` supposes as many items on which the two differ as were seen, and at least as many as it needs itself, in some 80 of 100 repetitions (Connor 1987). A leaf figure must pass 0.05 divided by its family's size, Holm's first step: enough by itself, more than needed where other figures are told. An average has no family.%s", r.seedsDetectable())
	if r.seeds <= 1 {
		r.md.line("- **One seed** was trained. Intervals tell what other items would have said, not what another seed would have.")
	} else {
		r.md.line("- **Seeds.** Values of cells are means over seeds and their ± is over seeds; that of a base model, which has no seed, is over items. An interval over seeds of no length says that these seeds agree, not that all would. A difference is told only if items and seeds both tell it: p is the larger of the two (Student's t over seeds), and an average's intervals both leave out 0.")
	}
	r.md.line("- **Padding.** No pad is ever computed; the side decides the positions of a row's tokens in training: counted from the padded length with `left`, as transformers does when it gets no position_ids, from 0 with `right`. Evaluation and generation start at 0.")
	r.md.line("- **First token.** It is never a target. With left padding and labels on every token, transformers makes it one and predicts it from a pad: its loss then holds a term per padded row that means nothing.")
	r.md.line("- **Batches.** Scores do not depend on the batch size, the order of items or the number of threads.")
	r.md.line("- **Data.** Every number here stands in a table beside this file; differences and their statistics in %s.", inCode(ComparisonsFile))
	r.md.line("")
}

// manyComparisons says what several comparisons do to the chance of a mark.
func (r *renderer) manyComparisons() string {
	n := len(r.between) + len(r.mains) + len(r.base)
	if n < 2 {
		return ""
	}
	if !r.joint() {
		return fmt.Sprintf(" The %d comparisons here are adjusted each by itself: one between models that do not differ still marks a leaf figure in up to 5 of 100 studies.", n)
	}
	var families []string
	for _, c := range slices.Concat(r.mains, r.between, r.base) {
		families = append(families, c.family())
	}
	return fmt.Sprintf(" The %d comparisons here are %d such families (column %s of %s), adjusted each by itself: one between models that do not differ still marks a leaf figure in up to 5 of 100 studies.", n, distinct(families), inCode("family"), inCode(ComparisonsFile))
}

func (r *renderer) seedsDetectable() string {
	if r.seeds < 2 {
		return ""
	}
	return " It is the larger of what the items and what the seeds would tell."
}
