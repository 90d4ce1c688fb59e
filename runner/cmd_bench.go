package runner

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/kernels/cuda"
	"xrun/model"
	"xrun/model/tokenizer"
	"xrun/runner/bench"
	"xrun/runner/data"
	"xrun/runner/store"
)

var benchCommand = &command{
	name: "bench", args: "[MODEL]", summary: "speed of this machine: kernels, training steps, generation, as shares of its limits", min: 0, max: 1,
	help: `
Measures what MODEL asks of this machine: each kernel at its shapes, training
steps, and greedy generation, as shares of the machine's limits (a loop of
multiply-adds, a streaming copy, a loop that reads memory), all in the same
minute. MODEL is a directory, a hub id, builtin:tiny, or one of the shapes
SmolLM2-135M (the default) and Qwen2.5-0.5B, whose weights are then random.
Steps train on rows of the lengths of Alpaca's, or on those of -data. Nothing
else should run meanwhile.`,
	define: func(f *flags) {
		f.defineEngine()
		f.set.BoolVar(&f.json, "json", false, "print JSON")
		f.set.StringVar(&f.only, "only", "kernels,step,generate", "`parts` to measure")
		f.set.StringVar(&f.dtype, "precision", "f32,bf16", "`precisions` to measure")
		f.set.IntVar(&f.steps, "steps", 4, "measured training `steps`")
		f.set.IntVar(&f.batch, "batch", 4, "`rows` of a step")
		f.set.IntVar(&f.length, "length", 1024, "most `tokens` of a row")
		f.set.IntVar(&f.tokens, "tokens", 512, "`tokens` that the kernels work on at once, at most the model's positions")
		f.set.StringVar(&f.labels, "labels", "output", "`output|all`: tokens that the loss counts")
		f.set.BoolVar(&f.recompute, "recompute", false, "compute activations again in the backward pass")
		f.set.StringVar(&f.data, "data", "", "instruction `file` whose rows are trained on, in Alpaca's template")
		f.set.StringVar(&f.model, "tokenizer", "", "model `directory` whose tokenizer cuts -data; MODEL's by default")
	},
	run: (*env).bench,
}

func (e *env) bench(f *flags, args []string) error {
	name := "SmolLM2-135M"
	if len(args) > 0 {
		name = args[0]
	}
	parts, precisions := strings.Split(f.only, ","), strings.Split(f.dtype, ",")
	for _, p := range parts {
		if err := oneOf("only", p, "limits", "kernels", "step", "generate"); err != nil {
			return err
		}
	}
	for _, p := range precisions {
		if err := oneOf("precision", p, "f32", "bf16"); err != nil {
			return err
		}
	}
	if err := oneOf("labels", f.labels, "output", "all"); err != nil {
		return err
	}
	if f.steps > 10_000 || f.batch > 10_000 {
		return usagef("-steps %d -batch %d: want at most 10,000 each", f.steps, f.batch)
	}
	if f.steps < 1 || f.batch < 1 || f.length < 2 || f.tokens < 8 {
		return usagef("-steps %d -batch %d -length %d -tokens %d: want at least 1 step of 1 row of 2 tokens, kernels on 8", f.steps, f.batch, f.length, f.tokens)
	}
	in := &inputs{digests: store.OpenDigests(e.disk, "")}
	c, load, err := in.benchModel(name)
	if err != nil {
		return err
	}
	if f.tokens > c.MaxPositions {
		fmt.Fprintf(e.stderr, "xrun: the kernels work on %d tokens, as many as the model has positions\n", c.MaxPositions)
	}
	rows := bench.SyntheticRows((f.steps+1)*f.batch, c.Vocab, f.length)
	if f.data != "" {
		if rows, err = in.benchRows(f, name, (f.steps+1)*f.batch); err != nil {
			return err
		}
	}
	r := &bench.Report{Model: name}
	for _, precision := range precisions {
		engine, err := newEngine(f, 0) // of its own: its memory is measured
		if err != nil {
			return err
		}
		r.Engine, r.Where = engine.Name(), engine.String()
		r.AddLimits(engine.Engine)
		err = e.benchPrecision(f, r, engine.Engine, c, load, rows, parts, precisionOf(precision))
		r.AddLimits(engine.Engine)
		if err := errors.Join(err, engine.Close()); err != nil {
			return err
		}
	}
	r.SetShares()
	if !f.json {
		r.Print(e.stdout)
		return nil
	}
	return e.printJSON(r)
}

// benchPrecision adds to r the measurements in one precision.
func (e *env) benchPrecision(f *flags, r *bench.Report, engine kernels.Engine, c model.Config, load bench.Loader, rows []model.Row, parts []string, p kernels.DType) error {
	if slices.Contains(parts, "step") {
		o := bench.StepOptions{Precision: p, Steps: f.steps, Recipe: model.Recipe{
			Padding: model.PadRight, Batch: f.batch, LR: 5e-5, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: model.DecayAll, Clip: 1,
			Schedule: model.Schedule{Name: "constant"},
		}}
		if f.labels == "all" {
			o.Recipe.PromptWeight = 1
		}
		var extent model.Extent
		for i := 0; i < len(rows); i += f.batch {
			extent = extent.Max(o.Recipe.Extent(rows[i : i+f.batch]))
		}
		if f.recompute {
			o.Recipe.Recompute = c.Layers
		}
		o.Planned = model.TrainMemory(c, p, o.Recipe.Recompute, extent).Total()
		switch e := engine.(type) {
		case *cpu.Engine:
			o.Planned += e.Overhead(overheadOf(c, extent, extent.Labels))
		case *cuda.Engine:
			over := cudaTraining(c, p.String(), extent, extent.Labels).Overhead()
			o.Planned += over.Total() - over.Context - over.Staging // which are no tensors
		}
		s, err := bench.MeasureSteps(engine, load, rows, o)
		if err != nil {
			return err
		}
		r.Steps = append(r.Steps, s)
	}
	if err := e.ctx.Err(); err != nil {
		return err
	}
	if slices.Contains(parts, "generate") {
		g, err := bench.MeasureGeneration(engine, load, p, 32, 32)
		if err != nil {
			return err
		}
		r.Generations = append(r.Generations, g)
	}
	if err := e.ctx.Err(); err != nil {
		return err
	}
	if slices.Contains(parts, "kernels") {
		k, err := bench.MeasureKernels(engine, c, p, min(f.tokens, c.MaxPositions))
		if err != nil {
			return err
		}
		r.Kernels = append(r.Kernels, k...)
	}
	return nil
}

// shapes are models that need not be here: their weights are random.
var shapes = map[string]model.Config{
	"SmolLM2-135M": {
		Architecture: model.Llama, Vocab: 49152, Hidden: 576, Intermediate: 1536, Layers: 30, Heads: 9, KVHeads: 3, HeadDim: 64,
		MaxPositions: 8192, RopeTheta: 1e5, NormEps: 1e-5, Tied: true, InitRange: 0.02, BOS: 1, EOS: []int32{2}, Pad: 2,
	},
	"Qwen2.5-0.5B": {
		Architecture: model.Qwen2, Vocab: 151936, Hidden: 896, Intermediate: 4864, Layers: 24, Heads: 14, KVHeads: 2, HeadDim: 64,
		MaxPositions: 32768, RopeTheta: 1e6, NormEps: 1e-6, Tied: true, QKVBias: true, InitRange: 0.02, BOS: -1, EOS: []int32{151643}, Pad: -1,
	},
}

func (in *inputs) benchModel(name string) (model.Config, bench.Loader, error) {
	if c, ok := shapes[name]; ok {
		return c, func(e kernels.Engine, p kernels.DType, frozen bool) (*model.Model, error) {
			make := model.New
			if frozen {
				make = model.NewFrozen
			}
			m, err := make(e, c, p)
			if err != nil {
				return nil, err
			}
			if err := m.InitRandom(1); err != nil {
				m.Close()
				return nil, err
			}
			return m, nil
		}, nil
	}
	d, err := in.model(name)
	if err != nil {
		return model.Config{}, nil, err
	}
	c, err := model.ReadConfig(d.FS)
	if err != nil {
		return c, nil, fmt.Errorf("reading model %s: %w", name, err)
	}
	return c, func(e kernels.Engine, p kernels.DType, frozen bool) (*model.Model, error) {
		if frozen {
			return model.LoadFrozen(e, d.FS, p)
		}
		return model.Load(e, d.FS, p)
	}, nil
}

// benchRows reads the first n rows of -data.
func (in *inputs) benchRows(f *flags, name string, n int) ([]model.Row, error) {
	if f.model != "" {
		name = f.model
	}
	d, err := in.model(name)
	if err != nil {
		return nil, withHint(err, "-data needs a tokenizer: name its directory with -tokenizer")
	}
	tok, err := tokenizer.Load(d.FS)
	if err != nil {
		return nil, fmt.Errorf("reading model %s: %w", name, err)
	}
	file, err := in.file(f.data)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return nil, err
	}
	items, err := data.Read(file, st.Size(), f.data, "", nil)
	if err != nil {
		return nil, err
	}
	if len(items) < n {
		return nil, usagef("%s has %d items; -steps %d -batch %d takes %d", f.data, len(items), f.steps, f.batch, n)
	}
	p, err := data.Prepare(items[:n], tok, data.Options{Template: "alpaca", MaxLength: f.length, Truncate: "right", BOS: "auto", End: "eos", Name: f.data})
	if err != nil {
		return nil, err
	}
	rows := make([]model.Row, len(p.Rows))
	for i, r := range p.Rows {
		rows[i] = model.Row{Tokens: r.Tokens, Prompt: r.Prompt}
	}
	return rows, nil
}
