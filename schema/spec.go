package schema

// Spec is a validated experiment with every default filled in. Paths are as
// written in the file; the runner resolves them against the working directory.
type Spec struct {
	// Name is the file name without its extension; the run directory's name.
	Name     string `json:"name"`
	Question string `json:"question"`
	Scale    string `json:"scale,omitempty"`
	Matrix   Matrix `json:"matrix"`
	// Exclude drops the cells that have all of an entry's values, which are
	// written as in AxisValue.Value; a schedule's bare name stands for every
	// schedule of that name.
	Exclude []map[string]any `json:"exclude,omitempty"`
	Compare Compare          `json:"compare,omitzero"`
	Data    Data             `json:"data"`
	Train   Train            `json:"train"`
	Eval    Eval             `json:"eval"`
	Run     Run              `json:"run"`
	Samples []Prompt         `json:"samples,omitempty"`
}

// Matrix lists the values of each axis, in the order of the file.
type Matrix struct {
	Model    []string   `json:"model"`
	Padding  []string   `json:"padding"` // "left" or "right"
	Labels   []Labels   `json:"labels"`
	Schedule []Schedule `json:"schedule"`
	Seed     []uint64   `json:"seed"`
	// Extra holds axes over scalars of train or data, such as "train.lr".
	Extra []Axis `json:"extra,omitempty"`
}

// Axis is one further axis of the matrix: a dotted path and its values
// (float64, int64, bool or string).
type Axis struct {
	Path   string `json:"path"`
	Values []any  `json:"values"`
}

// Labels is the loss weight of prompt tokens, in [0, 1]: 0 trains on the output
// only, 1 on every token. It is written "output", "all" or a number.
type Labels float64

// Schedule names a learning-rate schedule of transformers' get_scheduler with
// its arguments. Warmup counts steps, or is a share of all steps when below 1;
// nil means train.warmup.
type Schedule struct {
	Name       string   `json:"name"`
	Warmup     *float64 `json:"warmup,omitempty"`
	NumCycles  *float64 `json:"numCycles,omitempty"`
	Power      *float64 `json:"power,omitempty"`
	LREnd      *float64 `json:"lrEnd,omitempty"`
	MinLR      *float64 `json:"minLr,omitempty"`
	MinLRRate  *float64 `json:"minLrRate,omitempty"`
	MinLRRatio *float64 `json:"minLrRatio,omitempty"`
	NumStable  *int     `json:"numStableSteps,omitempty"`
	NumDecay   *int     `json:"numDecaySteps,omitempty"`
	WarmupType string   `json:"warmupType,omitempty"`
	DecayType  string   `json:"decayType,omitempty"`
	Timescale  *float64 `json:"timescale,omitempty"`
}

// Data says what is trained on.
type Data struct {
	Source    string            `json:"source"` // file, or builtin:tiny/...
	Format    string            `json:"format"` // "instruct", "chat", "qa", "preference", "text", or "auto" by content
	Columns   map[string]string `json:"columns,omitempty"`
	Template  string            `json:"template"` // "alpaca", "chat" (the tokenizer's own), "plain"
	System    string            `json:"system,omitempty"`
	MaxLength int               `json:"maxLength"`
	Truncate  string            `json:"truncate"`        // "right", "prompt" or "drop"
	Limit     int               `json:"limit,omitempty"` // first items of the file; 0 = all
	Holdout   Holdout           `json:"holdout"`
	Shuffle   bool              `json:"shuffle"`
	BOS       string            `json:"bos"` // "auto" (as the tokenizer's post-processor adds it), "always", "never"
	End       string            `json:"end"` // "eos", "none", or the text of a special token
}

// Holdout takes items out of the training set and measures the loss on their
// outputs and prompts every Every steps, at the start and at the end.
type Holdout struct {
	Items int `json:"items"`
	Every int `json:"every"`
}

// Train is the recipe shared by all cells.
type Train struct {
	Epochs      float64 `json:"epochs"`
	Batch       int     `json:"batch"`
	Accumulate  int     `json:"accumulate"`
	LR          float64 `json:"lr"`
	Warmup      float64 `json:"warmup"`    // steps, or a share of all steps when below 1
	Precision   string  `json:"precision"` // "f32" or "bf16"
	Beta1       float64 `json:"beta1"`
	Beta2       float64 `json:"beta2"`
	Eps         float64 `json:"eps"`
	WeightDecay float64 `json:"weightDecay"`
	Decay       string  `json:"decay"` // "all" or "matrices"
	Clip        float64 `json:"clip"`  // 0 = no clipping
	LogEvery    int     `json:"logEvery"`
}

// Eval says what base and tuned models are scored on.
type Eval struct {
	Base      bool    `json:"base"`
	Precision string  `json:"precision"`      // default: train's
	Root      string  `json:"root,omitempty"` // directory of the suites' files, or builtin:tiny/suites
	Suites    []Suite `json:"suites,omitempty"`
	// Define holds suites of the study's own by name.
	Define map[string]Definition `json:"define,omitempty"`
	// Template is what every question goes through: "none", or "data" for the
	// template of Data.
	Template string `json:"template"`
	// Overlap asks for the comparison of training sets and suites.
	Overlap bool `json:"overlap"`
	// Memory bounds scoring, such as "512MiB"; "" leaves it to xrun. It enters no
	// content key.
	Memory string `json:"memory,omitempty"`
}

// Suite is one evaluation suite with its options. Written as a string it is
// {suite: thatString}.
type Suite struct {
	Suite       string   `json:"suite"` // mmlu, hellaswag, winogrande, arc-e, arc-c, boolq, gsm8k, or a name in Eval.Define
	Name        string   `json:"name"`  // default: suite (and variant)
	Protocol    string   `json:"protocol"`
	Variant     string   `json:"variant,omitempty"`
	Path        string   `json:"path,omitempty"` // overrides the file or directory under eval.root
	Subjects    []string `json:"subjects,omitempty"`
	Limit       int      `json:"limit,omitempty"` // first items of each file; 0 = all
	Annotations string   `json:"annotations,omitempty"`
}

// Run says how to run, never what: nothing here enters a content key.
type Run struct {
	CheckpointEvery Cadence    `json:"checkpointEvery,omitzero"` // zero: every ten minutes
	Memory          string     `json:"memory,omitempty"`         // such as "8GiB"
	Recompute       string     `json:"recompute,omitempty"`      // "auto", "none" or "all"; "" = "auto"
	Weights         string     `json:"weights,omitempty"`        // "keep" or "drop"; "" = "keep"
	Threads         int        `json:"threads,omitempty"`        // 0 = all cores
	Resources       *Resources `json:"resources,omitempty"`
}

// Resources are what a task of a Slurm job array asks for, in sbatch's own
// forms; what is left out is the cluster's default.
type Resources struct {
	Partition  string `json:"partition,omitempty"`
	Account    string `json:"account,omitempty"`
	QOS        string `json:"qos,omitempty"`
	Constraint string `json:"constraint,omitempty"` // features of nodes, such as "a100"
	Time       string `json:"time,omitempty"`       // see [SlurmTime]
	Memory     string `json:"memory,omitempty"`
	CPUs       int    `json:"cpus,omitempty"`
	GPUs       int    `json:"gpus,omitempty"`
}

// Prompt is a sample to generate from, before and after training: an
// instruction put through the data template, or a bare prompt.
type Prompt struct {
	Instruction string `json:"instruction,omitempty"`
	Input       string `json:"input,omitempty"`
	Prompt      string `json:"prompt,omitempty"`
	MaxNew      int    `json:"maxNew"` // default 128
}

// Cell is one point of the matrix with its axis values applied.
type Cell struct {
	// Name joins the values of the axes that vary, such as
	// "labels=output,seed=2"; it is unique within the spec, in any letter case,
	// safe as a file name, and "tuned" when nothing varies.
	Name     string
	Model    string
	Padding  string
	Labels   Labels
	Schedule Schedule
	Seed     uint64
	Data     Data
	Train    Train
	// Values holds every axis' value in text, in axis order.
	Values []AxisValue
}

// AxisValue is one coordinate of a cell.
type AxisValue struct {
	Axis, Value string
	Varies      bool
}
