package runner

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"xrun/model"
	"xrun/model/tokenizer"
	"xrun/reports"
	"xrun/runner/data"
	"xrun/runner/disk"
	"xrun/runner/store"
	"xrun/runner/suites"
	"xrun/schema"
)

// study is a spec with its inputs opened and its stages laid out.
type study struct {
	spec  *schema.Spec
	cells []schema.Cell
	in    *inputs
	disk  disk.FS
	store *store.Store
	engineID

	models       map[string]*modelInput
	preparations map[store.Key]*preparation
	suites       []*suiteInput
	stages       []*stage
	byKey        map[store.Key]*stage

	trains    map[string]*stage       // by cell name
	evaluates map[string][]*stage     // by cell name or base name, in suite order
	heldouts  map[string]*stage       // likewise
	samples   map[string]*stage       // likewise
	bases     map[string]bool         // base models whose stages are laid out
	prepares  map[string]*preparation // by cell name
	missing   []error                 // inputs that are not here

	specPath string // the spec as given, for run.json and the copy beside the report
	tags     []string
	// Filled by estimate.
	counts []suiteCount
	notes  map[*suiteInput][]string
}

// modelInput is a model the spec names: what planning needs of it.
type modelInput struct {
	dir       dir
	config    model.Config
	tokenizer *tokenizer.Tokenizer
	weights   string // digest; "" when the files are not here
	configSum string
}

// preparation is a training set turned into tokens.
type preparation struct {
	key   store.Key
	input []byte
	model *modelInput
	set   schema.Data
	*data.Prepared
}

// stage is a unit of work with a content key.
type stage struct {
	kind  string // prepare, train, evaluate, heldout, sample
	title string
	key   store.Key
	input []byte
	needs []*stage
	// tokens and flops estimate the work, for plan and progress.
	tokens int64
	flops  float64
	disk   int64       // bytes of the result that matter: weights
	suite  *suiteInput // of an evaluation
	model  *modelInput // of an evaluation
	ask    asking      // of an evaluation
	// weights names the model that a stage measures: base:NAME or a cell.
	weights string
	run     func(*execution, *stage) error
}

// baseName is how the tables call an untuned model.
func baseName(m string) string { return "base:" + m }

// openStudy loads a spec and lays out its stages. Inputs that are not here are
// collected in study.missing, so that a plan can name them all; any other
// fault is an error.
func openStudy(fsys disk.FS, path string, tags map[string]string, storeRoot string) (*study, error) {
	spec, err := schema.Load(path, schema.Options{Tags: tags, Suite: suites.Check})
	if err != nil {
		return nil, err
	}
	return newStudy(fsys, spec, storeRoot, planned)
}

// specOf reads the spec of a run directory.
func specOf(dir string) (*schema.Spec, error) {
	raw, err := readSpec(dir)
	if err != nil {
		return nil, err
	}
	return schema.FromJSON(raw)
}

// runNamed is the run directory that is named by its path or by that of the
// report in it.
func runNamed(path string) string {
	if filepath.Base(path) == reports.ReportFile {
		return filepath.Dir(path)
	}
	return path
}

// readTables reads the tables of a run whose study is finished.
func readTables(run string) (*reports.Run, error) {
	dir := runNamed(run)
	if _, err := os.Stat(filepath.Join(dir, reports.ResultsFile)); err != nil {
		return nil, withHint(fmt.Errorf("reading the run %s: it has no %s", dir, reports.ResultsFile), "name the directory of a finished run, such as runs/mask_ablation")
	}
	return reports.ReadTables(dir)
}

// readSpec reads the spec as resolved out of a run directory.
func readSpec(dir string) ([]byte, error) {
	raw, err := os.ReadFile(filepath.Join(dir, specName))
	if err != nil {
		return nil, withHint(fmt.Errorf("reading the run: %w", err), "name a run directory, which holds %s", specName)
	}
	return raw, nil
}

// newStudy lays out the stages of a spec for an engine of the given identity.
func newStudy(fsys disk.FS, spec *schema.Spec, storeRoot string, id engineID) (*study, error) {
	cells, err := spec.Cells()
	if err != nil {
		return nil, err
	}
	s := &study{
		spec: spec, cells: cells, disk: fsys, store: store.At(fsys, storeRoot), engineID: id,
		in:     &inputs{digests: store.OpenDigests(fsys, storeRoot)},
		models: map[string]*modelInput{}, preparations: map[store.Key]*preparation{}, byKey: map[store.Key]*stage{},
		trains: map[string]*stage{}, evaluates: map[string][]*stage{}, heldouts: map[string]*stage{}, samples: map[string]*stage{}, bases: map[string]bool{},
		prepares: map[string]*preparation{},
	}
	if err := s.openSuites(); err != nil {
		return nil, err
	}
	for _, name := range spec.Matrix.Model {
		if err := s.openModel(name); err != nil {
			return nil, err
		}
	}
	for _, c := range cells {
		if err := s.addCell(c); err != nil {
			return nil, fmt.Errorf("cell %s: %w", c.Name, err)
		}
	}
	s.in.digests.Save()
	return s, nil
}

// absent notes an input that is not here and reports whether err was that.
func (s *study) absent(err error) bool {
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, new(*hintError)) {
		s.missing = append(s.missing, err)
		return true
	}
	return false
}

func (s *study) openSuites() error {
	for _, want := range s.spec.Eval.Suites {
		suite, err := s.in.suite(s.spec.Eval, want)
		if err == nil {
			s.suites = append(s.suites, suite)
			continue
		}
		if !s.absent(err) {
			return fmt.Errorf("suite %s: %w", want.Name, err)
		}
	}
	return nil
}

func (s *study) openModel(name string) error {
	d, err := s.in.model(name)
	if err != nil {
		if s.absent(err) {
			return nil
		}
		return err
	}
	m := &modelInput{dir: d}
	if m.config, err = model.ReadConfig(d.FS); err != nil {
		return fmt.Errorf("reading model %s: %w", name, err)
	}
	if _, b, err := store.KeyOf(m.config); err != nil {
		return err
	} else {
		m.configSum = digestBytes(b)
	}
	if m.tokenizer, err = tokenizer.Load(d.FS); err != nil {
		return fmt.Errorf("reading model %s: %w", name, err)
	}
	if m.weights, err = s.in.weightsDigest(d); err != nil && !s.absent(err) {
		return err
	} else if err == nil {
		if err := model.CheckWeights(d.FS); err != nil {
			return fmt.Errorf("reading model %s: %w", name, err)
		}
	}
	s.models[name] = m
	return nil
}

func digestBytes(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
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
	s.prepares[c.Name] = p
	prep := s.stage(&stage{kind: "prepare", title: "prepare " + c.Data.Source, key: p.key, input: p.input, run: runPrepare(p)})
	base := modelKey{Weights: m.weights, Config: m.configSum, Tokenizer: m.tokenizer.Digest()}
	if name := baseName(c.Model); s.spec.Eval.Base && !s.bases[name] {
		s.bases[name] = true
		ref := &weightsRef{name: name, input: m, precision: s.spec.Eval.Precision}
		if err := s.addMeasures(name, ref, base, p, prep, c); err != nil {
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
	return s.addMeasures(c.Name, ref, tuned, p, train, c)
}

// stage adds a stage, or returns the one with the same key.
func (s *study) stage(st *stage) *stage {
	if old := s.byKey[st.key]; old != nil {
		return old
	}
	s.byKey[st.key] = st
	s.stages = append(s.stages, st)
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
		tokens: tokens, flops: model.TrainFLOPs(m.config, tokens, pairs), disk: 4 * int64(m.config.Parameters()), run: runTrain(c, m, p, k),
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
func (s *study) addMeasures(name string, ref *weightsRef, mk modelKey, p *preparation, after *stage, c schema.Cell) error {
	ask, err := s.asking(c.Data, ref.input)
	if err != nil {
		return err
	}
	keys, err := s.evaluateKeys(mk, c.Data, ref.input)
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
	s.samples[name] = s.stage(&stage{kind: "sample", title: "sample " + name, key: key, input: input, needs: needsOf(ref), weights: name, run: runSample(ref, p, prompts)})
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

// done reports whether a stage's result is stored.
func (s *study) done(st *stage) bool { return s.store.Has(st.key) }

// runDir is where the study's report goes.
func runDir(runs string, spec *schema.Spec) string { return filepath.Join(runs, spec.Name) }

func storeDir(runs string) string { return filepath.Join(runs, ".store") }

// missingError lists every input that is not here.
func (s *study) missingError() error {
	if len(s.missing) == 0 {
		return nil
	}
	var once []error // cells share inputs
	said := map[string]bool{}
	for _, err := range s.missing {
		if text := err.Error(); !said[text] {
			said[text], once = true, append(once, err)
		}
	}
	return errors.Join(once...)
}
