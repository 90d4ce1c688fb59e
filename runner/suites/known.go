package suites

import (
	"fmt"
	"sort"
	"strings"
)

// Find returns the definition of a suite known by name. protocol "" is
// opencompass, variant "" the suite's default.
func Find(suite, protocol, variant string) (Definition, error) {
	if protocol == "" {
		protocol = "opencompass"
	}
	var protocols, variants, names []string
	for _, d := range Known() {
		if !contains(names, d.Name) {
			names = append(names, d.Name)
		}
		if d.Name != suite {
			continue
		}
		if !contains(protocols, d.Protocol) {
			protocols = append(protocols, d.Protocol)
		}
		if d.Protocol != protocol {
			continue
		}
		if variant == "" || d.Variant == variant {
			return d, nil
		}
		variants = append(variants, d.Variant)
	}
	switch {
	case len(protocols) == 0:
		sort.Strings(names)
		return Definition{}, fmt.Errorf("finding suite %q: the suites known are %s", suite, strings.Join(names, ", "))
	case len(variants) == 0:
		return Definition{}, fmt.Errorf("finding suite %s: protocol %q is unknown to it; it has %s", suite, protocol, strings.Join(protocols, ", "))
	case len(variants) == 1 && variants[0] == "":
		return Definition{}, fmt.Errorf("finding suite %s of %s: it has no variants, so no %q", suite, protocol, variant)
	}
	return Definition{}, fmt.Errorf("finding suite %s of %s: variant %q is unknown; it has %s", suite, protocol, variant, strings.Join(variants, ", "))
}

// Known returns the definitions that come with the program. The first of a name
// and protocol is its default.
func Known() []Definition {
	return append(append(openCompass(), lmEval()...), generated()...)
}

// Files and rows shared by the protocols.

const openCompassData = "OpenCompass' data pack, OpenCompassData-core"

var (
	four    = []string{"A", "B", "C", "D"}
	letters = strings.Split("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "")

	mmluColumns = []string{"question", "A", "B", "C", "D", "answer"}
	mmluFields  = []Field{
		{Name: "input", Path: "question"}, {Name: "A", Path: "A"}, {Name: "B", Path: "B"},
		{Name: "C", Path: "C"}, {Name: "D", Path: "D"},
	}
	fiveShots = []int{0, 1, 2, 3, 4}
)

// base is what the protocols' forms of one suite share.
func base(name, protocol, variant string) Definition {
	d := Definition{Name: name, Protocol: protocol, Variant: variant, Origin: openCompassData}
	switch name {
	case "hellaswag":
		d.Files = Files{Test: []string{"hellaswag/hellaswag.jsonl"}, Format: "jsonl"}
		d.Fields = []Field{{Name: "A", Path: "choices[0]"}, {Name: "B", Path: "choices[1]"}, {Name: "C", Path: "choices[2]"}, {Name: "D", Path: "choices[3]"}}
		d.Choices = Choices{Labels: []string{"0", "1", "2", "3"}, Texts: []string{"{A}", "{B}", "{C}", "{D}"}}
		d.Gold = Gold{Path: "gold", Index: true}
		d.Expect = &Expect{Items: 10042}
	case "winogrande":
		d.Files = Files{Test: []string{"winogrande/dev.jsonl"}, Format: "jsonl"}
		d.ID = "qID"
		d.Choices = Choices{Labels: []string{"1", "2"}}
		d.Gold = Gold{Path: "answer"}
		d.Expect = &Expect{Items: 1267}
	case "arc-e", "arc-c":
		file := map[string]string{"arc-edev": "ARC-e/ARC-Easy-Dev", "arc-etest": "ARC-e/ARC-Easy-Test",
			"arc-cdev": "ARC-c/ARC-Challenge-Dev", "arc-ctest": "ARC-c/ARC-Challenge-Test"}[name+variant]
		d.Files = Files{Test: []string{"arc/" + file + ".jsonl", "ARC/" + file + ".jsonl"}, Format: "jsonl"}
		d.Fields = []Field{{Name: "stem", Path: "question.stem"}}
		d.ID = "id"
		d.Choices = Choices{Labels: letters, List: "question.choices[].text"}
		d.Gold = Gold{Path: "answerKey", Among: "question.choices[].label"}
		d.Question = "{stem}"
	case "boolq":
		d.Files = Files{Test: []string{"boolq/val.jsonl", "SuperGLUE/BoolQ/val.jsonl"}, Format: "jsonl"}
		d.Fields = []Field{{Name: "question", Path: "question"}, {Name: "passage", Path: "passage"}}
		d.ID = "idx"
		d.Cluster = "{passage}"
		d.Question = "{passage} {question}"
		d.Choices = Choices{Labels: []string{"0", "1"}, Texts: []string{"No", "Yes"}}
		d.Gold = Gold{Path: "label", Map: map[string]string{"false": "0", "true": "1", "0": "0", "1": "1"}, JSONType: "string",
			Warning: `labels are not the texts "true" and "false" of the published file; they are read as meant, where OpenCompass would take every one for No`}
		d.Expect = &Expect{Items: 3270}
	case "mmlu":
		d.Files = Files{Test: []string{"mmlu/test/{subset}_test.csv"}, Format: "csv", Columns: mmluColumns, Header: "drop"}
		d.Fields = mmluFields
		d.Choices = Choices{Labels: four, Texts: []string{"{A}", "{B}", "{C}", "{D}"}}
		d.Gold = Gold{Path: "answer"}
		d.Question = "{input}"
		d.Shots = &Shots{Files: []string{"mmlu/dev/{subset}_dev.csv"}, Rows: fiveShots}
		groups, items := mmluGroups()
		d.Groups, d.Expect = groups, &Expect{Subsets: items}
		// The keys count the file's rows from 0: so read, no row labelled has a
		// query above the annotators' limit of 1,000 characters and each of the
		// 1,048 rows above it is unlabeled; counted from 1, 279 of them are labelled.
		// Row 0 has no key in 55 subjects: whoever made the file took it for a header.
		d.Annotations = &Annotations{
			Files:  []string{"contamination/MMLU_test_contamination_annotations.json", "mmlu/MMLU_test_contamination_annotations.json"},
			Key:    "{subset} {row}",
			Extra:  true,
			Suffix: "rows keyed from 0",
			SHA256: []string{"7342cea3f4f3d7204b83082567eea238ce1965d6b7e717e149fbaa590c4e2c49"},
		}
	}
	return d
}
