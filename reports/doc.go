// Package reports holds what a run found: its tables, the statistics over them,
// the report in Markdown with its plots, and the comparison of two runs. It reads
// tables only, never weights, data sets or clocks, so a report can be remade
// from its run directory alone and is the same to the byte wherever that is done.
//
// Most readers need two calls: [ReadTables] and [Render]; two runs go to [Diff].
// [WriteTables], [Report.Write] and [WriteEvents] are for the program that makes a run.
//
// # Tables
//
// A run directory holds seven parquet tables; the fields of the Go type of their
// rows document every column, and column names are part of the format.
//
//	results.parquet      Result      a figure of a model: cell, suite, figure, value, stderr, items
//	items.parquet        Item        a choice of an item: prediction, gold, correct, score, logprob
//	train.parquet        Step        an optimizer step of a cell: loss, lr, grad_norm, tokens, targets
//	heldout.parquet      HeldOut     losses on held-out items: cell, step, output_loss, prompt_loss
//	samples.parquet      Sample      generated text, before ("base:MODEL") and after training
//	facts.parquet        Fact        what is no figure: axes of cells, mask ledger, model, warnings
//	comparisons.parquet  Difference  paired differences with interval, p, p_holm, detectable
//
// They are plain parquet (zstd, no nested types but lists of strings) for any
// reader. In DuckDB:
//
//	SELECT figure, cell, round(value, 2) FROM 'runs/mask_ablation/results.parquet' ORDER BY "order", cell;
//
//	-- items that only one of two cells has right
//	SELECT a.suite, a.subset, a.item FROM 'items.parquet' a JOIN 'items.parquet' b USING (suite, subset, item, row, choice)
//	WHERE a.cell = 'labels=output' AND b.cell = 'labels=all' AND a.correct <> b.correct AND a.choice = a.gold;
//
// In pandas: pd.read_parquet("train.parquet").query("log_point").plot(x="step", y="loss").
// NaN stands for "there is none": the loss of a step without targets, a standard
// error of one item.
//
// A file carries a digest of its pages, which [ReadRows] checks with the pages'
// own sums: bits that turn on disk become an error, never another number.
//
// # Statistics
//
// Differences are paired by item. For right and wrong, p is exact: [McNemar], or
// [SignFlip] over clusters where items share a passage; for other scores it is
// sampled. [Holm] adjusts it over the leaf figures of a family of comparisons, and
// over those that split their items again as another family; averages of figures
// stand in neither. A family is the comparisons along one axis in one setting of the
// others (one, of two values), the main effects of one axis, or one arm and its base
// model; the column family of comparisons.parquet names it. Intervals are [TangoInterval] for single items
// and else a bootstrap over clusters, or over the members of an average. Random
// numbers are Philox4x32-10 keyed by the figure's name, so that equal items give
// equal intervals in every report. Arithmetic that reaches a table or report.md
// is kept from being fused (float64(x*y) + z), so it has the same bits on every
// architecture; coordinates within plots are gonum's and are the same on one.
//
// With several seeds an item's score is its mean over seeds, and the uncertainty
// from the choice of seeds is shown apart (Student's t over the seeds'
// differences). A figure's p is then the larger of that over items and that over
// seeds, so that a difference is told only where neither could have made it.
//
// Where several axes vary, a main effect is the difference of two values of an axis
// in the mean over the settings of the others: item by item, so that it is paired
// over items, settings and seeds. The settings are those of the study, no sample of
// any; a setting without every seed on both sides is left out.
//
// recompute.py, beside this package, computes every figure, difference and p of a
// run directory again from its items with pandas and scipy, by other code.
package reports
