package reports

import (
	"fmt"
	"math"
	"strings"
)

// studyRun is a run in the layout of the published study: two cells and their
// base, 72 figures (HellaSwag 3, WinoGrande 1, ARC-e 1, ARC-c 3, BoolQ 1, MMLU 57
// and 6), with fewer items each. Every number comes from Philox, so it is the
// same everywhere.
func studyRun() *Run {
	s := &studyMaker{run: &Run{}, rng: newPhilox("study")}
	s.fact("study", "", "name", "mask_ablation")
	s.fact("study", "", "question", "Does loss on the output only beat loss on every token?")
	s.fact("study", "", "scale", "paper")
	s.fact("study", "", "numerics", "cpu/1")
	s.fact("study", "", "eval precision", "bf16")
	for _, labels := range []string{"output", "all"} {
		for _, v := range [][2]string{{"model", "Qwen/Qwen2.5-0.5B"}, {"padding", "left"}, {"labels", labels}, {"schedule", "linear"}, {"seed", "1"}} {
			s.fact("cells", "labels="+labels, v[0], v[1])
		}
	}
	for _, split := range []struct {
		name  string
		items int
	}{{"clean or unlabeled", 300}, {"input contaminated", 20}, {"input-and-label contaminated", 60}} {
		s.suite("hellaswag", "hellaswag accuracy - "+split.name, "hellaswag", "", split.items, 4, 0.45, [3]float64{0, 0.03, 0.02})
	}
	s.suite("winogrande", "winogrande accuracy", "winogrande", "", 200, 2, 0.55, [3]float64{0, 0.01, 0})
	s.suite("arc-e", "arc-e accuracy", "arc-e", "", 150, 4, 0.4, [3]float64{0, 0.25, 0.05})
	for _, split := range []string{"clean", "input contaminated", "input-and-label contaminated"} {
		s.suite("arc-c", "arc-c accuracy - "+split, "arc-c", "", 60, 4, 0.3, [3]float64{0, 0.02, -0.02})
	}
	s.suite("boolq", "boolq accuracy", "boolq", "", 240, 2, 0.6, [3]float64{0, 0.05, -0.1})
	groups := []struct {
		name string
		n    int
	}{{"humanities", 13}, {"stem", 19}, {"social-science", 12}, {"other", 13}}
	var all []string
	for _, g := range groups {
		var members []string
		for i := range g.n {
			subject := fmt.Sprintf("%s_subject_%02d", strings.ReplaceAll(g.name, "-", "_"), i+1)
			s.suite("mmlu", "mmlu "+subject, "mmlu "+g.name, subject, 20+3*i, 4, 0.35+0.02*float64(i%7), [3]float64{0, -0.01, -0.03})
			members = append(members, "mmlu "+subject)
		}
		s.average("mmlu "+g.name+" naive_average", "mmlu "+g.name, members, false)
		all = append(all, members...)
	}
	s.average("mmlu naive_average", "mmlu", all, false)
	s.average("mmlu weighted_average", "mmlu", all, true)
	s.training()
	s.rest()
	return s.run
}

var studyCells = []string{"base:Qwen/Qwen2.5-0.5B", "labels=output", "labels=all"}

type studyMaker struct {
	run   *Run
	rng   *philox
	order int32
	facts int32
}

func (s *studyMaker) uniform() float64 { return (float64(s.rng.uint32()) + 0.5) / (1 << 32) }

func (s *studyMaker) fact(section, cell, key, value string) {
	s.run.Facts = append(s.run.Facts, Fact{Section: section, Cell: cell, Key: key, Order: s.facts, Value: value})
	s.facts++
}

// suite adds a figure's items: an item's difficulty is shared by the models,
// whose skill is shifted; the answers of BoolQ share passages in pairs.
func (s *studyMaker) suite(name, figure, group, subset string, items, choices int, p float64, shift [3]float64) {
	right := make([][]float64, 3)
	var clusters []string
	for i := range items {
		hard, cluster := s.uniform(), ""
		if name == "boolq" {
			cluster = fmt.Sprintf("passage %d", i/2)
		}
		clusters = append(clusters, cluster)
		for c, cell := range studyCells {
			noise := float64(s.uniform()-0.5) * 0.3
			correct := hard+noise < p+shift[c]
			prediction, value := "B", 0.0
			if correct {
				prediction, value = "A", 1
			}
			right[c] = append(right[c], value)
			for k := range choices {
				s.run.Items = append(s.run.Items, Item{Cell: cell, Suite: name, Subset: subset, ID: fmt.Sprint(figure, i), Row: int32(i), Prompt: fmt.Sprintf("%016x", i),
					Choice: string(rune('A' + k)), Tokens: 40, Scored: 39, Score: noise, Prediction: prediction, Gold: "A", Correct: correct, Cluster: cluster, Figures: []string{figure}})
			}
		}
	}
	for c, cell := range studyCells {
		sum := 0.0
		for _, x := range right[c] {
			sum += x
		}
		s.run.Results = append(s.run.Results, Result{Cell: cell, Model: "Qwen/Qwen2.5-0.5B", Suite: name, Figure: figure, Group: group, Leaf: true,
			Order: s.order, Items: int32(items), Value: 100 * sum / float64(items), StdErr: 100 * StdErr(right[c], clusters), Unit: "%"})
	}
	s.order++
}

func (s *studyMaker) average(name, group string, members []string, weighted bool) {
	for _, cell := range studyCells {
		r := Result{Cell: cell, Model: "Qwen/Qwen2.5-0.5B", Suite: "mmlu", Figure: name, Group: group, Order: s.order, Unit: "%", Members: members, StdErr: math.NaN()}
		var sum, total float64
		for _, m := range s.run.Results {
			for _, want := range members {
				if m.Cell == cell && m.Figure == want {
					w := 1.0
					if weighted {
						w = float64(m.Items)
						r.Weights = append(r.Weights, w)
					}
					sum += float64(w * m.Value)
					total += w
					r.Items += m.Items
				}
			}
		}
		r.Value = sum / total
		s.run.Results = append(s.run.Results, r)
	}
	s.order++
}

func (s *studyMaker) training() {
	const steps = 240
	for c, cell := range studyCells[1:] {
		for i := 1; i <= steps; i++ {
			at := float64(i) / steps
			loss := 1.4 + float64(c)*0.35 + 1.1/(1+20*at) + float64(s.uniform()-0.5)*0.4
			s.run.Steps = append(s.run.Steps, Step{Cell: cell, Step: int32(i), Epoch: 3 * at, Loss: loss, LR: 5e-5 * (1 - at), GradNorm: 1 + s.uniform(),
				Tokens: int32(700 + s.rng.index(200)), Targets: int32(300 + 400*c), WeightSum: 300, LogPoint: i%20 == 0})
		}
	}
	for c, cell := range studyCells {
		for i := 0; i <= steps; i += 40 {
			at := float64(i) / steps
			s.run.HeldOut = append(s.run.HeldOut, HeldOut{Cell: cell, Model: "Qwen/Qwen2.5-0.5B", Step: int32(i), OutputTokens: 5120, PromptTokens: 9000,
				OutputLoss: 1.9 - float64(c)*0.2*at/(at+0.2), PromptLoss: 2.6 - 0.4*float64(c*(c-1))*at/(at+0.1)})
			if c == 0 {
				break
			}
		}
	}
}

func (s *studyMaker) rest() {
	for _, k := range [][2]string{{"items", "52,002"}, {"tokens", "5,620,114"}, {"targets, labels output", "3,401,200 (60.5 % of tokens)"}, {"truncated rows", "0"}} {
		s.fact("ledger", "labels=output", k[0], k[1])
	}
	s.fact("example", "labels=output", "prompt", "### Instruction:\nName <three> fruits, e.g. *two*.\n\n### Response:\n")
	s.fact("example", "labels=output", "target", "Apple, pear & plum.")
	s.fact("example", "labels=output", "end", "<|endoftext|>")
	for i, cell := range studyCells {
		for p, shown := range []string{"Name three primary colours.", "Write code | with `ticks`"} {
			s.run.Samples = append(s.run.Samples, Sample{Cell: cell, Model: "Qwen/Qwen2.5-0.5B", Prompt: int32(p), Shown: shown,
				Text: strings.Repeat("Red, blue\n\n  and <yellow>. ", 1+i), Tokens: int32(8 * (i + 1)), Ended: i > 0})
		}
	}
	s.fact("model", "base:Qwen/Qwen2.5-0.5B", "", "Qwen2ForCausalLM(")
	s.fact("model", "base:Qwen/Qwen2.5-0.5B", "", ")")
	for _, k := range [][2]string{{"data.source", "data/alpaca_data_cleaned.json"}, {"data.template", "alpaca"}, {"train.lr", "5e-05"}, {"train.precision", "bf16"}} {
		s.fact("recipe", "", k[0], k[1])
	}
	s.fact("asked", "", "hellaswag", "opencompass; scored by ppl")
	s.fact("asked", "", "mmlu", "opencompass; 5 examples before each question; scored by ppl")
	s.fact("suite", "", "hellaswag", "0 rows left out")
	s.fact("warning", "", "", "the annotation file is not the published one")
	s.fact("deviation", "", "", "bf16 instead of fp16")
	s.fact("keys", "", "train labels=output", "455e5d5b387582f4e2c676747b62da4996526bdfec103a992199fbf3a1261c54")
	s.fact("reproduce", "", "run", "xrun mask_ablation.cue -t scale=paper")
}
