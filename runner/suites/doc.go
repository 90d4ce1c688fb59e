// Package suites turns evaluation suites into scored items: it reads a suite's
// original files, renders each item's candidates to the byte as the protocol
// has them, asks a scorer for log-probabilities, and makes table rows and
// figures of the answers.
//
// It is not a model and loads none: it sees a tokenizer that encodes and a
// scorer that gives log-probabilities. It writes no files and draws no report.
//
// Most readers need [Open] and [Suite.Score]; [Suite.Figures] makes figures of
// the rows that Score returns.
//
// # Protocols
//
// A suite is a [schema.Definition]: files, fields, prompt, choices, gold,
// scoring. It is data, written in CUE or YAML under a spec's eval.define, so a
// user's own multiple-choice file needs no Go code; the suites known by name are
// such definitions too (schema/suites.cue). The families:
//
//   - opencompass: each choice is one text, tokenized once as a whole. "ppl"
//     compares the mean cross-entropy of the whole sequence, context included,
//     over n tokens of which n-1 are predicted; the lowest wins. "ll" compares
//     −Σ CE/(n−m) without the first m tokens, m being the length of another
//     text tokenized alone; the highest wins. Both are OpenCompass' formulas for
//     its HuggingFaceBaseModel at batch size 1: padding adds a meaningless term
//     to its scores at any other.
//   - lm-eval: context and continuation; "acc" compares the sum of the
//     continuation's log-probabilities, "acc_norm" that sum over the number of
//     characters of the choice, "acc_bytes" over its bytes in UTF-8. The highest
//     wins.
//   - generate: a greedy answer, compared with the gold answer after a stated
//     normalization.
//
// Ties go to the first label. All arithmetic on log-probabilities is float64 in
// token order, so a row's score does not depend on what it was batched with.
//
// # Counted, never silent
//
// Rows that a protocol leaves out, sequences cut to the model's length, items
// without a contamination class and files that differ from the published ones
// are counted in [Suite.Notes] and in the Note of each figure.
package suites
