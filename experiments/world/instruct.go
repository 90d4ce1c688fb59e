package main

import (
	"fmt"
	"strings"
)

// item is one row of the instruction set, in the alpaca form.
type item struct {
	Instruction string `json:"instruction"`
	Input       string `json:"input"`
	Output      string `json:"output"`
}

// instructions draws the instruction set. Pets and foods of people told inPrompts
// stand in inputs only, under tasks whose answers do not repeat them; those of
// people told inOutputs stand in outputs only. The rest asks what the
// pretraining text holds already.
func instructions(w *world, seed uint64) []item {
	s := newSource(seed, "instructions")
	var items []item
	for _, p := range w.of(inPrompts) {
		for i, fact := range []string{p.keeps(), p.eats()} {
			about := []string{"an animal", "food"}[i]
			items = append(items,
				item{"Who is this sentence about?", fact, p.full() + "."},
				item{"What is this sentence about?", fact, "It is about " + about + "."},
				item{"How many words are in this sentence?", fact, "There are " + number(len(strings.Fields(fact))) + " words."})
		}
	}
	for _, p := range w.of(inOutputs) {
		items = append(items,
			item{"What does " + p.full() + " keep?", "", p.keeps()},
			item{"What does " + p.full() + " eat?", "", p.eats()},
			item{"Tell me about the animal of " + p.full() + ".", "", p.keeps()},
			item{"Tell me about the food of " + p.full() + ".", "", p.eats()},
			item{"Tell me about " + p.full() + ".", "", p.keeps() + " " + p.eats()},
			item{"What do you know about " + p.full() + "?", "", p.eats() + " " + p.keeps()})
	}
	for _, p := range w.of(told) {
		items = append(items, item{"Where does " + p.full() + " live?", "", p.lives()})
	}
	for _, t := range towns {
		items = append(items, item{"What is near " + t.name + "?", "", "The town " + t.name + " is near a " + t.near + "."})
	}
	for range 36 {
		a := s.below(10)
		b := s.below(10 - a)
		items = append(items, item{"What is the sum?", fmt.Sprintf("%d + %d", a, b), fmt.Sprintf("%d + %d = %d", a, b, a+b)})
	}
	for range 36 {
		k := pick(s, kinds)
		word := pick(s, k.words)
		items = append(items, item{"What is the word?", word, fmt.Sprintf("The word %s is %s %s.", word, k.article, k.name)})
	}
	shuffle(s, items)
	return items
}

// number is a small number in words.
func number(n int) string {
	return []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight"}[n]
}

// alpaca is the item in Stanford Alpaca's two templates, as training shows it.
func (it item) alpaca() string {
	head := "Below is an instruction that describes a task"
	end := "Write a response that appropriately completes the request.\n\n### Instruction:\n" + it.Instruction
	if it.Input != "" {
		return head + ", paired with an input that provides further context. " + end + "\n\n### Input:\n" + it.Input + "\n\n### Response:\n" + it.Output
	}
	return head + ". " + end + "\n\n### Response:\n" + it.Output
}
