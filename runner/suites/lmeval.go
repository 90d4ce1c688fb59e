package suites

// lmEval returns the suites in the forms of lm-evaluation-harness' tasks mmlu,
// hellaswag, winogrande, arc_easy, arc_challenge and boolq: 0-shot but for
// mmlu, whose examples are the first five of the dev file.
func lmEval() []Definition {
	def := func(name, variant string, fill func(*Definition), scores ...string) Definition {
		d := base(name, "lm-eval", variant)
		d.Annotations = nil
		d.Scores = scores
		fill(&d)
		return d
	}
	arc := func(items int) func(*Definition) {
		return func(d *Definition) {
			d.Prompt = Prompt{Context: "Question: {stem}\nAnswer:", Answer: " {choice}"}
			d.Expect = &Expect{Items: items}
		}
	}
	mmlu := func(shots bool) func(*Definition) {
		return func(d *Definition) {
			const block = "{question}\nA. {A}\nB. {B}\nC. {C}\nD. {D}\nAnswer:"
			d.Fields = append([]Field{{Name: "question", Path: "question", Trim: true}}, mmluFields[1:]...)
			d.Question = "{question}"
			d.Prompt = Prompt{
				Head:    "The following are multiple choice questions (with answers) about {subject}.\n\n",
				Context: block, Answer: " {label}",
			}
			if d.Shots.Text, d.Shots.End = block+" {label}\n\n", ""; !shots {
				d.Shots = nil
			}
		}
	}
	return []Definition{
		def("hellaswag", "", func(d *Definition) {
			d.Fields = append(d.Fields, Field{Name: "query", Path: "query"})
			d.Prompt = Prompt{Context: "{query}", Answer: " {choice}"}
			d.Question = "{query}"
		}, "acc", "acc_norm"),
		// The option stands in the context and the text after the blank is scored.
		def("winogrande", "", func(d *Definition) {
			d.Fields = []Field{
				{Name: "before", Path: "sentence", Split: &Split{Sep: "_", Max: 1, Piece: 0}},
				{Name: "after", Path: "sentence", Split: &Split{Sep: "_", Max: 1, Piece: 1}, Trim: true},
				{Name: "option1", Path: "option1"}, {Name: "option2", Path: "option2"},
			}
			d.Choices.Texts = []string{"{option1}", "{option2}"}
			d.Prompt = Prompt{Context: "{before}{choice}", Answer: " {after}"}
			d.Question = "{before}{choice} {after}"
		}, "acc"),
		def("arc-e", "test", arc(2376), "acc", "acc_norm"),
		def("arc-e", "dev", arc(570), "acc", "acc_norm"),
		def("arc-c", "test", arc(1172), "acc", "acc_norm"),
		def("arc-c", "dev", arc(299), "acc", "acc_norm"),
		def("boolq", "", func(d *Definition) {
			d.Choices.Texts = []string{"no", "yes"}
			d.Gold.Warning = `labels are not the texts "true" and "false" of the published file; they are read as meant`
			d.Prompt = Prompt{Context: "{passage}\nQuestion: {question}?\nAnswer:", Answer: " {choice}"}
		}, "acc"),
		def("mmlu", "", mmlu(true), "acc"),
		def("mmlu", "0shot", mmlu(false), "acc"),
	}
}
