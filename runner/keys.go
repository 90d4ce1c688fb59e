package runner

import "xrun/model"

// The content keys. A stage's key is the sha256 of the canonical JSON (RFC 8785)
// of its struct below; `xrun plan -json` prints them and every stored object
// holds its own as input.json, so a key can be computed by hand. Rules:
//
//   - Inputs enter by digest, never by path or time; settings by value.
//   - "output" and 0, "all" and 1 are one value: the prompt's weight.
//   - Numbers print in their shortest round-trip form. Seeds are strings,
//     because JSON numbers beyond 2^53 are not exact.
//   - A field added later carries `omitempty` and is omitted only while equal to
//     the zero value that stands for the old behaviour; otherwise Version rises.
//
// # By hand
//
// `xrun plan -json SPEC` prints every stage with its key and the input that the
// key is the digest of, already canonical but for the white space of the listing:
//
//	xrun plan -json SPEC | python3 -c 'import json,sys,hashlib
//	for s in json.load(sys.stdin):
//	    b = json.dumps(s["input"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
//	    print(hashlib.sha256(b.encode()).hexdigest() == s["key"], s["title"])'
//
// Python and RFC 8785 write some floats differently, such as 5e-05 and 0.00005;
// where that prints False, digest the input.json of the finished stage, whose
// bytes less the final newline are the canonical ones:
//
//	head -c -1 runs/.store/KEY/input.json | sha256sum
//
// The digests inside come from files as follows:
//
//	data       sha256sum FILE
//	weights    sha256 of the lines "HEX\n", HEX being the sha256sum of each
//	           *.safetensors in name order:
//	           sha256sum *.safetensors | cut -c-64 | sha256sum
//	config     sha256 of the canonical JSON of model.Config, which `xrun describe`
//	           shows: what config.json means, not its bytes
//	tokenizer  of the tables that tokenizer.json and tokenizer_config.json mean
//	           (model/tokenizer/digest.go says in which order)
//	suite      of the definition and the sha256 of each file (runner/suites,
//	           Suite.Digest)
//	prepare, train   the key of that stage
//
// Not in any key: question, scale, compare, names of axes, threads, memory, logEvery,
// checkpointEvery, weights (kept or dropped); nor the micro-batch, which follows from memory, unless the
// engine's results depend on it.

// prepareKey determines the tokens and labels of a training set.
type prepareKey struct {
	Kind         string            `json:"kind"` // "prepare"
	Version      int               `json:"version"`
	Data         string            `json:"data"` // sha256 of the file
	Format       string            `json:"format"`
	Columns      map[string]string `json:"columns,omitempty"`
	Limit        int               `json:"limit"`
	Template     string            `json:"template"`
	ChatTemplate string            `json:"chatTemplate,omitempty"` // sha256 of its text, when used
	System       string            `json:"system"`
	MaxLength    int               `json:"maxLength"`
	Truncate     string            `json:"truncate"`
	BOS          string            `json:"bos"`
	End          string            `json:"end"`
	Holdout      int               `json:"holdout"` // items taken out
	Tokenizer    string            `json:"tokenizer"`
}

// trainKey determines a tuned model and its training table.
type trainKey struct {
	Kind         string         `json:"kind"` // "train"
	Version      int            `json:"version"`
	Prepare      string         `json:"prepare"`
	Weights      string         `json:"weights"` // digest of the base weights
	Config       string         `json:"config"`  // digest of the parsed config.json
	PromptWeight float64        `json:"promptWeight"`
	Padding      string         `json:"padding"`
	Seed         string         `json:"seed"`
	Shuffle      bool           `json:"shuffle"`
	Steps        int            `json:"steps"`
	Batch        int            `json:"batch"`
	Accumulate   int            `json:"accumulate"`
	LR           float64        `json:"lr"`
	Schedule     model.Schedule `json:"schedule"`
	Precision    string         `json:"precision"`
	Beta1        float64        `json:"beta1"`
	Beta2        float64        `json:"beta2"`
	Eps          float64        `json:"eps"`
	WeightDecay  float64        `json:"weightDecay"`
	Decay        string         `json:"decay"`
	Clip         float64        `json:"clip"`
	// HoldoutEvery is the cadence of the held-out losses, 0 without held-out items.
	// The weights do not depend on it, but the table of those losses, which the
	// stage makes too, does: they are measured on the way.
	HoldoutEvery int    `json:"holdoutEvery"`
	Numerics     string `json:"numerics"`
	// MicroTokens is 0 where the engine is MicroBatchInvariant.
	MicroTokens int `json:"microTokens,omitempty"`
}

// modelKey identifies the weights that a stage reads: a base model by its
// files, a tuned one by the key of the stage that made it.
type modelKey struct {
	Weights   string `json:"weights,omitempty"`
	Train     string `json:"train,omitempty"`
	Config    string `json:"config"`
	Tokenizer string `json:"tokenizer"`
}

// evaluateKey determines the scored items of one model on one suite.
type evaluateKey struct {
	Kind      string   `json:"kind"` // "evaluate"
	Version   int      `json:"version"`
	Model     modelKey `json:"model"`
	Suite     string   `json:"suite"` // digest of the suite's definition and files
	Precision string   `json:"precision"`
	Numerics  string   `json:"numerics"`
	// Template is what questions go through; absent: bare prompts.
	Template *templateKey `json:"template,omitempty"`
}

// templateKey determines how a question is put to a model.
type templateKey struct {
	Name         string `json:"name"`
	ChatTemplate string `json:"chatTemplate,omitempty"` // sha256 of its text, when used
	System       string `json:"system"`
	BOS          string `json:"bos"`
}

// heldoutKey determines a base model's losses on the held-out items.
type heldoutKey struct {
	Kind      string   `json:"kind"` // "heldout"
	Version   int      `json:"version"`
	Model     modelKey `json:"model"`
	Prepare   string   `json:"prepare"`
	Precision string   `json:"precision"`
	Numerics  string   `json:"numerics"`
}

// sampleKey determines generated texts.
type sampleKey struct {
	Kind      string      `json:"kind"` // "sample"
	Version   int         `json:"version"`
	Model     modelKey    `json:"model"`
	Prompts   []promptKey `json:"prompts"`
	Precision string      `json:"precision"`
	Numerics  string      `json:"numerics"`
}

// promptKey is one prompt in tokens, after templating.
type promptKey struct {
	Tokens []int32 `json:"tokens"`
	MaxNew int     `json:"maxNew"`
}

// Versions of the stages' meanings: one rises when the same inputs and settings
// come to mean another result for a reason outside the engine's numerics.
const (
	prepareVersion  = 1
	trainVersion    = 1
	evaluateVersion = 3 // 2: items.parquet has the column overlap; 3: beginning tokens and merges as lm-eval has them
	heldoutVersion  = 1
	sampleVersion   = 1
)
