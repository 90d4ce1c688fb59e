package suites

// openCompass returns the suites in OpenCompass' forms: hellaswag_clean_ppl,
// winogrande_ll and its relatives, ARC_e_ppl, ARC_c_clean_ppl,
// SuperGLUE_BoolQ_ppl and mmlu_ppl.
func openCompass() []Definition {
	const oc = "opencompass"
	def := func(name, variant, score string, fill func(*Definition)) Definition {
		d := base(name, oc, variant)
		d.Scores = []string{score}
		fill(&d)
		return d
	}
	arc := func(items int, annotated bool) func(*Definition) {
		return func(d *Definition) {
			d.Choices.Only = 4
			d.Prompt = Prompt{Context: "Question: {stem}\nAnswer: \n", Answer: "{choice}"}
			d.Expect = &Expect{Items: items}
			if annotated {
				d.Annotations = &Annotations{
					Files:  []string{"contamination/ARC_c_test_contamination_annotations.json", "ARC/ARC-c/ARC_c_test_contamination_annotations.json"},
					Key:    "{id}",
					SHA256: []string{"660090878f2277a2f7518cdb4333da528d753bb087079b545f978ec254a235f9"},
				}
			}
		}
	}
	// Both fill the blank; the text after it is what "ll" masks the length of.
	filled := []Field{
		{Name: "sentence", Path: "sentence"}, {Name: "option1", Path: "option1"}, {Name: "option2", Path: "option2"},
		{Name: "filled1", Template: "{sentence}", Replace: &Replace{Old: "_", New: "{option1}"}},
		{Name: "filled2", Template: "{sentence}", Replace: &Replace{Old: "_", New: "{option2}"}},
		{Name: "cont", Template: "{sentence}", Split: &Split{Sep: "_", Piece: 1}},
	}
	winogrande := func(p Prompt, shots *Shots) func(*Definition) {
		return func(d *Definition) {
			d.Fields = filled
			d.Choices.Texts = []string{"{filled1}", "{filled2}"}
			d.Question = "{choice}"
			d.Prompt, d.Shots = p, shots
		}
	}
	const block = "{input}\nA. {A}\nB. {B}\nC. {C}\nD. {D}\nAnswer: "
	return []Definition{
		def("hellaswag", "", "ppl", func(d *Definition) {
			// The query is "ACTIVITY: CONTEXT". Two cuts where one was meant shorten
			// the 218 contexts that hold another ": ", in the published figures too.
			d.Fields = append(d.Fields, Field{Name: "ctx", Path: "query", Split: &Split{Sep: ": ", Max: 2, Piece: -1}})
			d.Prompt = Prompt{Context: "{ctx}\n", Answer: "{choice}"}
			d.Question = "{ctx}"
			d.Annotations = &Annotations{
				Files: []string{"hellaswag/hellaswag_annotations_with_line_index.json", "contamination/hellaswag_annotations_with_line_index.json",
					"hellaswag/hellaswag_val_contamination_annotations.json", "contamination/hellaswag_val_contamination_annotations.json",
					"contamination/hellaswag_annotations.json", "contamination/hellaswag_annotations_rebuilt.json"},
				Key:    "{row}",
				SHA256: []string{"f169e2aa333d1599…27a4"}, // what is known of it
			}
		}),
		def("winogrande", "ll", "ll", winogrande(Prompt{Answer: "{choice}", Mask: "{cont}"}, nil)),
		def("winogrande", "ppl", "ppl", winogrande(Prompt{Context: "Good sentence: ", Answer: "{choice}"}, nil)),
		def("winogrande", "5shot", "ll", winogrande(Prompt{Answer: "{choice}", Mask: "{cont}"},
			&Shots{Files: []string{"winogrande/train_xs.jsonl"}, Rows: []int{0, 2, 4, 6, 8}, Text: "{choice}", Join: "\n", End: "\n"})),
		def("arc-e", "dev", "ppl", arc(567, false)),
		def("arc-e", "test", "ppl", arc(2365, false)),
		def("arc-c", "test", "ppl", arc(1165, true)),
		def("arc-c", "dev", "ppl", arc(295, false)),
		def("boolq", "", "ppl", func(d *Definition) {
			d.Prompt = Prompt{Context: "{passage}\nQuestion: {question}?\n", Answer: "{choice}"}
		}),
		def("mmlu", "", "ppl", func(d *Definition) {
			d.Prompt = Prompt{
				Head:    "The following are multiple choice questions (with answers) about  {subject}.\n\n", // both blanks are published
				Context: block, Answer: "{label}",
			}
			d.Shots.Text, d.Shots.Join, d.Shots.End = block+"{label}\n", "\n", "\n"
		}),
	}
}
