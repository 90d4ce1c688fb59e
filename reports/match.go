package reports

import (
	"fmt"
	"math"
)

// figureKey names a figure within a run.
type figureKey struct{ suite, figure string }

// score is what a figure counts of one item.
type score struct {
	cluster string
	prompt  string
	value   float64 // 1 right, 0 wrong; the score itself for continuous figures
	print   uint64  // of every choice's score, to tell equal from nearly equal
}

// scores are the items of one figure of one cell, by subset and id.
type scores struct {
	keys []string
	at   map[string]int
	list []score
}

// indexItems sorts a run's items by cell and figure. Items of the same id within
// a subset are told apart by their place in the file. continuous tells which
// figures are means of Score rather than of Correct.
func indexItems(items []Item, continuous map[figureKey]bool) map[string]map[figureKey]*scores {
	type place struct{ cell, suite, subset, id string }
	type rows struct {
		seen []int32 // the id's rows in order
	}
	places := map[place]*rows{}
	out := map[string]map[figureKey]*scores{}
	for i := range items {
		it := &items[i]
		p := place{it.Cell, it.Suite, it.Subset, it.ID}
		r := places[p]
		if r == nil {
			r = &rows{}
			places[p] = r
		}
		nth := 0
		for nth < len(r.seen) && r.seen[nth] != it.Row {
			nth++
		}
		if nth == len(r.seen) {
			r.seen = append(r.seen, it.Row)
		}
		key := it.Subset + "\x00" + it.ID
		if nth > 0 {
			key += fmt.Sprintf("\x00%d", nth)
		}
		byFigure := out[it.Cell]
		if byFigure == nil {
			byFigure = map[figureKey]*scores{}
			out[it.Cell] = byFigure
		}
		for _, name := range it.Figures {
			fk := figureKey{it.Suite, name}
			f := byFigure[fk]
			if f == nil {
				f = &scores{at: map[string]int{}}
				byFigure[fk] = f
			}
			j, ok := f.at[key]
			if !ok {
				j = len(f.list)
				f.at[key] = j
				f.keys = append(f.keys, key)
				s := score{cluster: it.Cluster, prompt: it.Prompt, print: 0xcbf29ce484222325}
				switch {
				case continuous[fk]:
					s.value = it.Score
				case it.Correct:
					s.value = 1
				}
				f.list = append(f.list, s)
			}
			f.list[j].print = fingerprint(f.list[j].print, it)
		}
	}
	return out
}

// fingerprint mixes a choice's outcome into h (FNV-1a).
func fingerprint(h uint64, it *Item) uint64 {
	mix := func(x uint64) {
		for range 8 {
			h = (h ^ x&0xff) * 0x100000001b3
			x >>= 8
		}
	}
	mix(math.Float64bits(it.Score))
	mix(math.Float64bits(it.LogProb))
	for i := range len(it.Prediction) {
		mix(uint64(it.Prediction[i]))
	}
	return h
}

// paired holds the differences of one leaf figure between two sides.
type paired struct {
	units   []unit // of clusters; sums of B − A
	whole   []int  // the same sums times scale, where they are whole numbers
	scale   int
	binary  bool
	single  bool // every unit is one item
	items   int
	onlyA   int
	onlyB   int
	same    bool // every score of every choice is equal, as far as both sides have it
	missing int  // items that not every cell has
	changed int  // items whose text differs
	broken  int  // items with a score that is no finite number
}

// pair matches the items of one figure on two sides, each a list of cells that
// differ in their seed or, pair by pair, in their setting, and takes per item the
// mean over a side's cells.
func pair(a, b []*scores, continuous bool) *paired {
	p := &paired{scale: len(a) * len(b), binary: !continuous, single: true, same: true}
	if len(a) == len(b) {
		p.scale = len(a)
	}
	fa, fb := p.scale/len(a), p.scale/len(b)
	cells := append(append([]*scores(nil), a...), b...)
	union := map[string]bool{}
	for _, c := range cells {
		for _, k := range c.keys {
			union[k] = true
		}
	}
	var diffs []float64
	var names []string
	for i, k := range a[0].keys {
		first := &a[0].list[i]
		present, equal := true, true
		var sum float64
		for c, cell := range cells {
			j, ok := cell.at[k]
			if !ok {
				present = false
				break
			}
			s := &cell.list[j]
			mate := a[0]
			if len(a) == len(b) { // pairs may differ from each other: in their seed or setting
				mate = a[c%len(a)]
			}
			other := &mate.list[mate.at[k]]
			equal = equal && s.prompt == other.prompt
			p.same = p.same && s.print == other.print
			if c < len(a) {
				sum -= float64(s.value * float64(fa))
			} else {
				sum += float64(s.value * float64(fb))
			}
		}
		switch {
		case !present:
			continue
		case !equal:
			p.changed++
			continue
		}
		if math.IsNaN(sum) || math.IsInf(sum, 0) {
			p.broken++
		}
		diffs = append(diffs, sum)
		names = append(names, first.cluster)
		switch {
		case sum > 0:
			p.onlyB++
		case sum < 0:
			p.onlyA++
		}
	}
	p.items = len(diffs)
	p.missing = len(union) - p.items - p.changed
	p.units = clustered(len(diffs), func(i int) string { return names[i] }, func(i int) float64 { return diffs[i] })
	p.whole = make([]int, len(p.units))
	for i := range p.units {
		u := &p.units[i]
		p.single = p.single && u.count == 1
		if p.binary {
			p.whole[i] = int(u.sum)
		}
		u.sum /= float64(p.scale)
	}
	return p
}
