package reports

// The rows of a run directory's tables. Column names are part of the format;
// a row's meaning is documented on its fields. Every number in report.md is in
// one of them.

// Result is one figure of one model: results.parquet.
type Result struct {
	Cell   string  `parquet:"cell"`   // "base:MODEL" or a cell's name
	Model  string  `parquet:"model"`  // the model as the spec names it
	Suite  string  `parquet:"suite"`  // suite name
	Figure string  `parquet:"figure"` // e.g. "hellaswag accuracy - clean", "mmlu anatomy", "mmlu weighted_average"
	Group  string  `parquet:"group"`  // heading it stands under, e.g. "mmlu stem"
	Leaf   bool    `parquet:"leaf"`   // false for averages of other figures
	Order  int32   `parquet:"order"`  // position in the report's layout
	Items  int32   `parquet:"items"`  // items counted
	Value  float64 `parquet:"value"`  // percent for accuracies
	StdErr float64 `parquet:"stderr"` // of Value; NaN where undefined
	Unit   string  `parquet:"unit"`   // "%"
	Note   string  `parquet:"note"`   // counts of truncated, unlabeled, skipped items, in words
	// Members lists the leaf figures an average is made of, Weights what each
	// weighs; without weights they weigh the same.
	Members []string  `parquet:"members,list"`
	Weights []float64 `parquet:"weights,list"`
}

// Item is one choice of one evaluation item: items.parquet.
type Item struct {
	Cell       string   `parquet:"cell"`
	Suite      string   `parquet:"suite"`
	Subset     string   `parquet:"subset"`  // MMLU subject, else ""
	ID         string   `parquet:"item"`    // the file's own id, else the row number from 0
	Row        int32    `parquet:"row"`     // row number from 0 in its file
	Prompt     string   `parquet:"prompt"`  // sha256 of the item's whole text, first 16 hex digits
	Choice     string   `parquet:"choice"`  // label of this choice
	Tokens     int32    `parquet:"tokens"`  // tokens of the sequence
	Scored     int32    `parquet:"scored"`  // tokens whose log-probability is in LogProb
	LogProb    float64  `parquet:"logprob"` // Σ log p over scored tokens, nats
	Score      float64  `parquet:"score"`   // what the protocol compares
	Prediction string   `parquet:"prediction"`
	Gold       string   `parquet:"gold"`
	Correct    bool     `parquet:"correct"`      // Prediction == Gold, the same on every choice's row
	Split      string   `parquet:"split"`        // contamination class: "clean", "input", "input-and-label", "not labeled", or ""
	Cluster    string   `parquet:"cluster"`      // items that share a passage share it; "" = its own
	Figures    []string `parquet:"figures,list"` // leaf figures this item counts in
	Truncated  bool     `parquet:"truncated"`
	// Overlap is what of the item stands in the study's training sets: "none",
	// "question", "question-and-answer", "too short", or "" when not compared.
	Overlap string `parquet:"overlap"`
}

// Step is one optimizer step of one cell: train.parquet.
type Step struct {
	Cell      string  `parquet:"cell"`
	Step      int32   `parquet:"step"` // from 1
	Epoch     float64 `parquet:"epoch"`
	Loss      float64 `parquet:"loss"` // over this step's targets, nats; NaN when skipped
	LR        float64 `parquet:"lr"`
	GradNorm  float64 `parquet:"grad_norm"` // before clipping
	Tokens    int32   `parquet:"tokens"`
	Targets   int32   `parquet:"targets"` // tokens with weight > 0
	WeightSum float64 `parquet:"weight_sum"`
	Skipped   bool    `parquet:"skipped"`   // no target in the step
	LogPoint  bool    `parquet:"log_point"` // the end of a logEvery window
}

// HeldOut is the loss on the held-out items at one step: heldout.parquet. Base
// models have one row, at step 0.
type HeldOut struct {
	Cell         string  `parquet:"cell"`
	Model        string  `parquet:"model"`
	Step         int32   `parquet:"step"`
	OutputLoss   float64 `parquet:"output_loss"` // mean nats per output token (end token included)
	PromptLoss   float64 `parquet:"prompt_loss"` // mean nats per prompt token after the first
	OutputTokens int32   `parquet:"output_tokens"`
	PromptTokens int32   `parquet:"prompt_tokens"`
}

// Sample is generated text: samples.parquet.
type Sample struct {
	Cell   string `parquet:"cell"` // "base:MODEL" or a cell's name
	Model  string `parquet:"model"`
	Prompt int32  `parquet:"prompt"` // index in the spec
	Shown  string `parquet:"shown"`  // instruction and input, or the prompt, as the spec has them
	Text   string `parquet:"text"`
	Tokens int32  `parquet:"tokens"`
	Ended  bool   `parquet:"ended"` // by an end token rather than the limit
}

// Fact is anything the report says that is no figure: facts.parquet. Section and
// Key are stable names; Cell is "" for facts of the whole run. Sections: "study"
// (question, scale, name), "cells" (one per cell: Key = axis, Value), "reference"
// (Key = axis, Value = the one its others are compared with), "pairs" (Key = an
// axis of which every two values are compared), "recipe" (what all cells share,
// Key = the spec's path), "asked" (in what form a suite was put, Key = suite),
// "ledger" (mask ledger, Key = counter), "example" (a decoded training example:
// Key = "prompt" or "target" or "end", in Order), "model" (one line of the module
// tree per row, in Order), "suite" (counts and warnings), "keys" (stage keys),
// "digests" (what each stage made), "overlap" (what of a suite stands in the
// training sets, Key = suite), "overlap item" (an item that does, Key = suite and
// item, Number = the training item's, from 1 as in messages), "reproduce"
// (commands), "warning", "deviation" (from a published run, in words), "failure"
// (a cell that is missing, and why).
type Fact struct {
	Section string  `parquet:"section"`
	Cell    string  `parquet:"cell"`
	Key     string  `parquet:"key"`
	Order   int32   `parquet:"order"`
	Value   string  `parquet:"value"`
	Number  float64 `parquet:"number"` // 0 when the fact is text
}

// Run is everything a report is made of.
type Run struct {
	Results []Result
	Items   []Item
	Steps   []Step
	HeldOut []HeldOut
	Samples []Sample
	Facts   []Fact
}
