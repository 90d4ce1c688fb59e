package suites

import (
	"slices"
	"sort"
)

// Counts is the work of a suite before it is done.
type Counts struct {
	Items     int
	Sequences int
	Tokens    int // of all sequences
	// Distinct is the tokens left when sequences of a subset share their common
	// prefixes: the nodes of the prefix tree.
	Distinct  int
	Scored    int // tokens whose log-probability is asked for
	Truncated int // items with a sequence cut to the model's length
}

// Count encodes the whole suite and counts what Score would ask for.
func (s *Suite) Count(tok Tokenizer, opt Options) (Counts, error) {
	n := Counts{Items: s.Len()}
	err := s.batches(tok, opt, func(items []Item, cands [][]candidate) error {
		var seqs [][]int32
		for _, cs := range cands {
			cut := false
			for _, c := range cs {
				seqs = append(seqs, c.Tokens)
				n.Scored += len(c.Tokens) - c.From
				n.Tokens += len(c.Tokens)
				cut = cut || c.truncated
			}
			if cut {
				n.Truncated++
			}
		}
		n.Sequences += len(seqs)
		n.Distinct += distinct(seqs)
		return nil
	})
	return n, err
}

// distinct counts the nodes of the prefix tree of sequences: in sorted order
// each adds what lies beyond its common prefix with the one before.
func distinct(seqs [][]int32) int {
	sorted := append([][]int32{}, seqs...)
	sort.Slice(sorted, func(i, j int) bool { return slices.Compare(sorted[i], sorted[j]) < 0 })
	n := 0
	var last []int32
	for _, s := range sorted {
		k := 0
		for k < len(s) && k < len(last) && s[k] == last[k] {
			k++
		}
		n += len(s) - k
		last = s
	}
	return n
}
