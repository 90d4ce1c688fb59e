// Package runner is the command line: it plans a study, runs what is missing,
// assembles the tables and calls reports to write them up.
//
// It is not where numbers are computed: training and scoring are package
// model's, statistics package reports'. Most readers need [Main] and, to see how
// a study becomes stages, newStudy in study.go.
//
// # Stages and keys
//
// A study is a graph of stages: prepare → train → {evaluate, heldout, sample} →
// report. Each stage but the last has a content key, the sha256 of the canonical
// JSON of one of the key structs in keys.go: digests of inputs and the settings
// that change the result, never paths, times, thread counts or memory choices.
// A stage whose key is in the store is not run.
//
// # Exit status
//
// 0 done; 1 failed, or some cell failed; 2 wrong usage; 3 runs differ (verify,
// diff -fail-on); 4 an engine is asked for that is not here; 130 interrupted.
package runner
