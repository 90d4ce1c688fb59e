package data

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Ledger counts what is trained on and what is not. Token counts are of the
// training rows; the lists name items by their number in the data set, from 1.
type Ledger struct {
	Items, Rows, HeldOut int
	Tokens, PromptTokens int64
	// OutputTargets are the tokens a loss on the output counts, AllTargets those
	// a loss on every token counts: a row's first token is in neither.
	OutputTargets, AllTargets int64
	// Truncated rows are shorter than their items; of those held out too.
	Truncated int
	// Unended training rows lack the end token they would have whole.
	Unended      int
	EmptyOutputs int
	// Dropped items are left out by truncate: "drop"; NoTokens have no token at
	// all; WithoutTarget have no output token and train under other labels only.
	Dropped, NoTokens, WithoutTarget []int
	Longest, P50, P90, P99           int // tokens of a training row
}

func (l *Ledger) count(rows, held []Row) {
	l.Rows, l.HeldOut = len(rows), len(held)
	lengths := make([]int, len(rows))
	for i, r := range rows {
		lengths[i] = len(r.Tokens)
		out, prompt := r.Targets()
		l.Tokens += int64(len(r.Tokens))
		l.PromptTokens += int64(r.Prompt)
		l.OutputTargets += int64(out)
		l.AllTargets += int64(out + prompt)
		if !r.Ended {
			l.Unended++
		}
	}
	slices.Sort(lengths)
	at := func(percent int) int { // the shortest length that so many rows do not exceed
		if len(lengths) == 0 {
			return 0
		}
		return lengths[(len(lengths)*percent+99)/100-1]
	}
	l.P50, l.P90, l.P99, l.Longest = at(50), at(90), at(99), at(100)
}

// Entry is one line of the ledger.
type Entry struct {
	Name, Text string
	Value      float64
}

// Entries lists the ledger for people, in a fixed order; counts of what did not
// happen are left out.
func (l Ledger) Entries() []Entry {
	var list []Entry
	add := func(name string, value int64, text string, args ...any) {
		list = append(list, Entry{name, strings.TrimSpace(thousands(value) + " " + fmt.Sprintf(text, args...)), float64(value)})
	}
	some := func(name string, value int, text string, args ...any) {
		if value > 0 {
			add(name, int64(value), text, args...)
		}
	}
	add("items", int64(l.Items), "")
	add("training rows", int64(l.Rows), "")
	some("held-out rows", l.HeldOut, "")
	add("tokens", l.Tokens, "")
	add("prompt tokens", l.PromptTokens, "(%s of tokens)", share(l.PromptTokens, l.Tokens))
	add("targets, labels output", l.OutputTargets, "(%s of tokens)", share(l.OutputTargets, l.Tokens))
	add("targets, labels all", l.AllTargets, "(%s of tokens)", share(l.AllTargets, l.Tokens))
	add("truncated rows", int64(l.Truncated), "")
	some("rows without end token", l.Unended, "")
	some("dropped items", len(l.Dropped), "too long (%s)", numbers(l.Dropped))
	some("items without a token", len(l.NoTokens), "left out (%s)", numbers(l.NoTokens))
	add("items without a target", int64(len(l.WithoutTarget)), "%s", bracket(numbers(l.WithoutTarget)))
	add("empty outputs", int64(l.EmptyOutputs), "")
	add("longest row", int64(l.Longest), "tokens (median %d, 90 %% up to %d, 99 %% up to %d)", l.P50, l.P90, l.P99)
	return list
}

func bracket(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

// numbers names items, the first few of many.
func numbers(list []int) string {
	if len(list) == 0 {
		return ""
	}
	const most = 10
	word := "item "
	if len(list) > 1 {
		word = "items "
	}
	var parts []string
	for _, n := range list[:min(len(list), most)] {
		parts = append(parts, strconv.Itoa(n))
	}
	s := word + strings.Join(parts, ", ")
	if len(list) > most {
		s += ", ..."
	}
	return s
}

func share(part, whole int64) string {
	if whole == 0 {
		return "-"
	}
	// In whole tenths of a percent, rounded half up, without floats.
	t := (part*2000 + whole) / (2 * whole)
	return fmt.Sprintf("%d.%d %%", t/10, t%10)
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
