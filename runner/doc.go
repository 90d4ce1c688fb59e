// Package runner is the command line: it plans a study, runs what is missing,
// assembles the tables and calls reports to write them up.
//
// It is not where numbers are computed: training and scoring are package
// model's, statistics package reports'. Most readers need [Main] and, to see how
// a study becomes stages, newStudy in study.go and addCell in stages.go.
//
// # Stages and keys
//
// A study is a graph of stages: prepare → train → {evaluate, heldout, sample} →
// report. Each stage but the last has a content key, the sha256 of the canonical
// JSON of one of the key structs in keys.go: digests of inputs and the settings
// that change the result, never paths, times, thread counts or memory choices.
// A stage whose key is in the store is not run; one that is damaged there is
// named, set aside and run again. keys.go says how to compute a key by hand.
//
// # What survives
//
// All that is written goes through package disk: a file or a finished stage
// appears whole or not at all, also when power is lost. A run holds its
// directory's lock and each stage's own (package lock); a dead holder's is taken
// over. A training writes a checkpoint every run.checkpointEvery (steps, or a time
// such as "10m"; ten minutes without it) and keeps the last two; it holds weights,
// moments, counters and the rows of the tables so far, whose number is the position
// in the data. Whatever is killed, the next run goes on from there to the same
// bytes. A checkpoint that cannot be written is told and training goes on; a result
// that cannot be kept, because the disk is full or read-only, stops the run with
// what is finished.
//
// Checkpoints are written in the background from a copy, whose memory, as much as
// weights and moments take, stays for the next one; without room for it they are
// written in the foreground. At the shape of Qwen2.5-0.5B on two cores a checkpoint
// (5.9 GB) stops the training for 0.7 s and costs it 10.8 s more while the disk
// writes for 33: 1.9 % of the time at one every ten minutes, most of it the virtual
// disk's own use of the processors; 3.8 % in the foreground (BenchmarkCheckpoint).
//
// # Weights
//
// A cell's weights stay in the store unless run.weights is "drop". Then they go, and
// with them what is left of the cell's checkpoints, as soon as every stage that
// reads them is stored; tables, log and the digest of what the training made stay.
// A cell whose evaluation failed keeps them for the next try. A stage is dropped
// from by a mark first (store.Drop), so that a removal that was cut short is never
// taken for a whole stage, and the next run ends it.
//
// Stages run cell by cell, so the disk holds the weights of one at a time, with
// Slurm of one a task. Weights that were dropped are made again, to bits that are
// compared with what they were, when a stage that is not stored reads them, or for
// xrun export -train; never for their own sake. They are not dropped while the plan
// of another run directory beside the store has them and its spec keeps weights, or
// has still to read them.
//
// Four cells of SmolLM2-135M, three steps each with a checkpoint after the second,
// took 2.15 GB in the end and 3.77 GB at most with weights kept; dropped, 83 kB and
// 2.15 GB (weights and one checkpoint). xrun plan predicts both.
//
// # Failures
//
// A stage that fails takes with it only those that need it; xrun status says
// what became of each, from plan.json and the logs (stagelog.go).
//
// # Executors
//
// The local executor runs the missing stages in this process, in order. With
// -executor slurm the same stages are grouped into tasks (tasks.go) and run by
// `xrun stage` in Slurm jobs, through the same runStage; execute_slurm.go looks after
// them, and slurm/README.md is for people.
//
// # Exit status
//
// 0 done; 1 failed, or some cell failed; 2 wrong usage; 3 runs differ (verify,
// diff -fail-on); 4 an engine is asked for that is not here; 130 interrupted: by
// the first interrupt after the step and its checkpoint, by the second at once.
package runner
