package runner

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"

	"xrun/model"
	"xrun/runner/data"
	"xrun/runner/store"
	"xrun/schema"
)

// stage is a unit of work with a content key.
type stage struct {
	kind  string // prepare, train, evaluate, heldout, sample
	title string
	key   store.Key
	input []byte
	needs []*stage
	// readers are, of a training, the stages that read its weights.
	readers []*stage
	// tokens and flops estimate the work, for plan and progress.
	tokens int64
	flops  float64
	// updates is how many parameters the optimizer updates, in all steps.
	updates int64
	steps   int         // of a training
	disk    int64       // bytes of the result that matter: weights
	suite   *suiteInput // of an evaluation
	model   *modelInput // of an evaluation
	ask     asking      // of an evaluation
	// weights names the model that a stage measures: base:NAME or a cell.
	weights string
	run     func(*execution, *stage) error
}

// addCell lays out the stages of one cell and of its base model.
func (s *study) addCell(c schema.Cell) error {
	m := s.models[c.Model]
	if m == nil {
		return nil // named in s.missing
	}
	p, err := s.prepare(c, m)
	if err != nil || p == nil {
		return err
	}
	if err := checkVocabulary(p, m, c); err != nil {
		return err
	}
	s.prepares[c.Name] = p
	prep := s.stage(&stage{kind: "prepare", title: "prepare " + c.Data.Source, key: p.key, input: p.input, run: runPrepare(p)})
	base := modelKey{Weights: m.weights, Config: m.configSum, Tokenizer: m.tokenizer.Digest()}
	if name := baseName(c.Model); s.spec.Eval.Base && !s.bases[name] {
		s.bases[name] = true
		ref := &weightsRef{name: name, input: m, precision: s.spec.Eval.Precision}
		if err := s.addMeasures(name, ref, base, p, c.Data); err != nil {
			return err
		}
		if c.Data.Holdout.Items > 0 {
			if err := s.addHeldout(name, ref, base, p, prep); err != nil {
				return err
			}
		}
	}
	train, err := s.trainStage(c, m, p, prep)
	if err != nil {
		return err
	}
	s.trains[c.Name] = train
	tuned := modelKey{Train: string(train.key), Config: m.configSum, Tokenizer: m.tokenizer.Digest()}
	ref := &weightsRef{name: c.Name, input: m, train: train, precision: s.spec.Eval.Precision}
	return s.addMeasures(c.Name, ref, tuned, p, c.Data)
}

// stage adds a stage, or returns the one with the same key.
func (s *study) stage(st *stage) *stage {
	if old := s.byKey[st.key]; old != nil {
		return old
	}
	s.byKey[st.key] = st
	s.stages = append(s.stages, st)
	for _, need := range st.needs {
		if need.kind == "train" {
			need.readers = append(need.readers, st)
		}
	}
	return st
}

func (s *study) prepare(c schema.Cell, m *modelInput) (*preparation, error) {
	sum, err := s.in.digestFile(c.Data.Source)
	if err != nil {
		err = withHint(fmt.Errorf("opening data %s: %w", c.Data.Source, err), "%s", whereToGet(c.Data.Source))
		s.missing = append(s.missing, err)
		return nil, nil
	}
	k := prepareKey{
		Kind: "prepare", Version: prepareVersion, Data: sum, Format: c.Data.Format, Columns: c.Data.Columns, Limit: c.Data.Limit,
		Template: c.Data.Template, System: c.Data.System, MaxLength: c.Data.MaxLength, Truncate: c.Data.Truncate,
		BOS: c.Data.BOS, End: c.Data.End, Holdout: c.Data.Holdout.Items, Tokenizer: m.tokenizer.Digest(),
	}
	if c.Data.Template == "chat" {
		k.ChatTemplate = digestBytes([]byte(m.tokenizer.ChatTemplate()))
	}
	key, input, err := store.KeyOf(k)
	if err != nil {
		return nil, err
	}
	if p := s.preparations[key]; p != nil {
		return p, nil
	}
	p := &preparation{key: key, input: input, model: m, set: c.Data}
	if p.Prepared, err = s.loadPrepared(key); err != nil {
		return nil, err
	}
	if p.Prepared == nil {
		if p.Prepared, err = s.tokenize(c.Data, m); err != nil {
			return nil, err
		}
	}
	s.preparations[key] = p
	return p, nil
}

// checkVocabulary refuses a row with a token that the model has no embedding for:
// a tokenizer may know tokens that were added without one.
func checkVocabulary(p *preparation, m *modelInput, c schema.Cell) error {
	if m.tokenizer.VocabSize() <= m.config.Vocab {
		return nil
	}
	for _, rows := range [][]data.Row{p.Rows, p.HeldOut} {
		for _, r := range rows {
			for _, id := range r.Tokens {
				if int(id) >= m.config.Vocab {
					return fmt.Errorf("%s:%d: item %d: its token %q has id %d, and %s has embeddings for %d; remove the token from the data, or use the tokenizer that the model was made with",
						c.Data.Source, r.Line, r.Item+1, m.tokenizer.Token(id), id, c.Model, m.config.Vocab)
				}
			}
		}
	}
	return nil
}

// whereToGet says how to come by well-known data.
func whereToGet(source string) string {
	if filepath.Base(source) == "alpaca_data_cleaned.json" {
		return "get alpaca_data_cleaned.json (51,760 items) from the alpaca-cleaned data set and put it at " + source
	}
	return "paths are relative to the working directory"
}

func (s *study) trainStage(c schema.Cell, m *modelInput, p *preparation, prep *stage) (*stage, error) {
	_, steps := stepsOf(c.Train, len(p.Rows))
	k := trainKey{
		Kind: "train", Version: trainVersion, Prepare: string(p.key), Weights: m.weights, Config: m.configSum,
		PromptWeight: float64(c.Labels), Padding: c.Padding, Seed: strconv.FormatUint(c.Seed, 10), Shuffle: c.Data.Shuffle,
		Steps: steps, Batch: c.Train.Batch, Accumulate: c.Train.Accumulate, LR: c.Train.LR, Schedule: scheduleOf(c, steps),
		Precision: c.Train.Precision, Beta1: c.Train.Beta1, Beta2: c.Train.Beta2, Eps: c.Train.Eps,
		WeightDecay: c.Train.WeightDecay, Decay: c.Train.Decay, Clip: c.Train.Clip, Numerics: s.numerics,
	}
	if s.microShows {
		k.MicroTokens = microTokens(s.spec.Run, m.config, c)
	}
	if c.Data.Holdout.Items > 0 {
		k.HoldoutEvery = c.Data.Holdout.Every
	}
	if err := k.Schedule.Validate(c.Train.LR); err != nil {
		return nil, err
	}
	key, input, err := store.KeyOf(k)
	if err != nil {
		return nil, err
	}
	tokens, pairs := p.Over(steps, c.Train.Batch*c.Train.Accumulate)
	return s.stage(&stage{
		kind: "train", title: "train " + c.Name, key: key, input: input, needs: []*stage{prep},
		tokens: tokens, flops: model.TrainFLOPs(m.config, tokens, pairs), updates: int64(steps) * m.config.Parameters(), steps: steps,
		disk: 4 * m.config.Parameters(), run: runTrain(c, m, p, k),
	}), nil
}

func scheduleOf(c schema.Cell, steps int) model.Schedule {
	warmup := c.Train.Warmup
	if c.Schedule.Warmup != nil {
		warmup = *c.Schedule.Warmup
	}
	q := c.Schedule
	return model.Schedule{
		Name: q.Name, Warmup: warmupSteps(warmup, steps), Steps: steps, NumCycles: q.NumCycles, Power: q.Power, LREnd: q.LREnd,
		MinLR: q.MinLR, MinLRRate: q.MinLRRate, MinLRRatio: q.MinLRRatio, NumStable: q.NumStable, NumDecay: q.NumDecay,
		WarmupType: q.WarmupType, DecayType: q.DecayType, Timescale: q.Timescale,
	}
}

// addMeasures lays out the evaluations and samples of one model.
func (s *study) addMeasures(name string, ref *weightsRef, mk modelKey, p *preparation, d schema.Data) error {
	ask, err := s.asking(d, ref.input)
	if err != nil {
		return err
	}
	keys, err := s.evaluateKeys(mk, d, ref.input)
	if err != nil {
		return err
	}
	for i, suite := range s.suites {
		key, input := store.KeyOfCanonical(keys[i]), keys[i]
		s.evaluates[name] = append(s.evaluates[name], s.stage(&stage{
			kind: "evaluate", title: "evaluate " + name + " on " + suite.name, key: key, input: input,
			needs: needsOf(ref), suite: suite, model: ref.input, ask: ask, weights: name, run: runEvaluate(ref, suite, ask),
		}))
	}
	if len(s.spec.Samples) == 0 {
		return nil
	}
	k := sampleKey{Kind: "sample", Version: sampleVersion, Model: mk, Precision: s.spec.Eval.Precision, Numerics: s.numerics}
	prompts, err := s.prompts(p)
	if err != nil {
		return err
	}
	k.Prompts = prompts
	key, input, err := store.KeyOf(k)
	if err != nil {
		return err
	}
	s.samples[name] = s.stage(&stage{kind: "sample", title: "sample " + name, key: key, input: input, needs: needsOf(ref), weights: name, run: runSample(ref, prompts)})
	return nil
}

// evaluateKeys returns the canonical JSON of a model's evaluateKey for every
// suite. Only the suite's digest differs, which is hexadecimal, and whether it is
// asked under the template, so the rest is encoded once: a plan of 100,000 stages
// spends its time here otherwise.
func (s *study) evaluateKeys(mk modelKey, d schema.Data, m *modelInput) ([][]byte, error) {
	const stand = "SUITE"
	k := evaluateKey{Kind: "evaluate", Version: evaluateVersion, Model: mk, Suite: stand, Precision: s.spec.Eval.Precision, Numerics: s.numerics}
	bare, err := store.Canonical(k)
	if err != nil {
		return nil, err
	}
	templated := bare
	if s.spec.Eval.Template == "data" {
		k.Template = templateKeyOf(d, m)
		if templated, err = store.Canonical(k); err != nil {
			return nil, err
		}
	}
	out := make([][]byte, len(s.suites))
	for i, suite := range s.suites {
		b := templated
		if suite.bare {
			b = bare
		}
		before, after, _ := bytes.Cut(b, []byte(`"`+stand+`"`))
		out[i] = fmt.Appendf(nil, "%s%q%s", before, suite.digest, after)
	}
	return out, nil
}

// asking is how the study's suites are put to a model: eval.template "data" is
// the template of its cells' data.
func (s *study) asking(d schema.Data, m *modelInput) (a asking, err error) {
	if a.memory, err = parseBytes(s.spec.Eval.Memory); err != nil {
		return a, fmt.Errorf("eval.memory: %w", err)
	}
	if s.spec.Eval.Template == "data" {
		a.key = templateKeyOf(d, m)
		a.template, err = templateOf(d, m)
	}
	return a, err
}

func templateKeyOf(d schema.Data, m *modelInput) *templateKey {
	k := &templateKey{Name: d.Template, System: d.System, BOS: d.BOS}
	if d.Template == "chat" {
		k.ChatTemplate = digestBytes([]byte(m.tokenizer.ChatTemplate()))
	}
	return k
}

func needsOf(ref *weightsRef) []*stage {
	if ref.train == nil {
		return nil
	}
	return []*stage{ref.train}
}

func (s *study) addHeldout(name string, ref *weightsRef, mk modelKey, p *preparation, prep *stage) error {
	k := heldoutKey{Kind: "heldout", Version: heldoutVersion, Model: mk, Prepare: string(p.key), Precision: s.spec.Eval.Precision, Numerics: s.numerics}
	key, input, err := store.KeyOf(k)
	if err != nil {
		return err
	}
	s.heldouts[name] = s.stage(&stage{kind: "heldout", title: "held-out loss of " + name, key: key, input: input, needs: []*stage{prep}, weights: name, run: runHeldout(ref, p)})
	return nil
}

// tables names the files of a stage's result that every run reads: all but
// weights.
func (st *stage) tables() []string {
	switch st.kind {
	case "prepare":
		return []string{preparedFile}
	case "train":
		return []string{stepsTable, heldoutTable}
	case "evaluate":
		return []string{itemsTable}
	case "heldout":
		return []string{heldoutTable}
	}
	return []string{samplesTable}
}
