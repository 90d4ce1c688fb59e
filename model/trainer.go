package model

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"xrun/kernels"
	"xrun/kernels/num"
)

// StepResult describes one optimizer step.
type StepResult struct {
	Step int // from 0
	// Loss is Σ wᵢ·CEᵢ / Σ wᵢ in nats over all targets of the step.
	Loss float64
	LR   float64
	// GradNorm is the global norm of the gradients before clipping.
	GradNorm float64
	Tokens   int // tokens of all rows
	Targets  int // targets with a positive weight
	// WeightSum is Σ wᵢ. If it is 0 the step is Skipped: the schedule advances, but
	// weights and moments do not change.
	WeightSum float64
	Skipped   bool
}

// NonFiniteError reports a loss or a gradient norm that is not a finite number. The weights
// are unchanged.
type NonFiniteError struct {
	Step  int
	What  string // "loss" or "gradient norm"
	Value float64
}

func (e *NonFiniteError) Error() string {
	return fmt.Sprintf("training step %d: the %s is %v; a lower learning rate or clipping may help", e.Step, e.What, e.Value)
}

// Trainer updates the weights of a model with AdamW. It holds the gradients, the moments,
// and the activations of the largest micro-batch so far.
type Trainer struct {
	m      *Model
	recipe Recipe
	step   int // steps of the schedule so far, including skipped ones
	update int // updates of AdamW so far

	grads, m1, m2      weights
	gradOf, m1Of, m2Of []Param          // in the model's order of parameters
	byName             []kernels.Tensor // gradients, names in byte order
	squares            []float64        // their sums of squares
	decayed, others    []kernels.Tensor // p, g, m, v of parameters with and without weight decay
	buffers            trainBuffers
	lookup             kernels.Tensor // [ids of a step, hidden] gradient of the lookup
	plan               stepPlan
	micro              microBatch
}

// trainBuffers are the activations and the gradients between blocks of a
// micro-batch of at most tokens tokens.
type trainBuffers struct {
	tokens int
	layers []activations
	views  []activations // layers, restricted to the tokens of the current micro-batch
	again  activations   // shared by the recomputed blocks, which only have their own x
	s      scratch
	g      gradients
	last   kernels.Tensor // [R, hidden] the last block's output
	dlast  kernels.Tensor // [R, hidden] its gradient
	all    []kernels.Tensor
}

// NewTrainer prepares training of m from step 0 with zero moments. The trainer must be
// closed before the model.
func NewTrainer(m *Model, r Recipe) (*Trainer, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if m.frozen {
		return nil, errors.New("preparing training: the model was loaded frozen; use Load or New")
	}
	t := &Trainer{m: m, recipe: r}
	t.grads, t.gradOf = newWeights(m.e, m.Config, kernels.F32)
	t.m1, t.m1Of = newWeights(m.e, m.Config, kernels.F32)
	t.m2, t.m2Of = newWeights(m.e, m.Config, kernels.F32)
	sorted := slices.Clone(t.gradOf)
	slices.SortFunc(sorted, func(a, b Param) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range sorted {
		t.byName = append(t.byName, p.Tensor)
	}
	t.squares = make([]float64, len(t.byName))
	for i, p := range m.params {
		of := &t.decayed
		if r.Decay == DecayMatrices && len(p.Shape) == 1 {
			of = &t.others
		}
		*of = append(*of, p.Tensor, t.gradOf[i].Tensor, t.m1Of[i].Tensor, t.m2Of[i].Tensor)
	}
	if err := m.e.Sync(); err != nil {
		t.Close()
		return nil, fmt.Errorf("preparing training: %w", err)
	}
	return t, nil
}

// Close frees the trainer's memory, but not the model.
func (t *Trainer) Close() error {
	freeParams(t.m.e, t.gradOf)
	freeParams(t.m.e, t.m1Of)
	freeParams(t.m.e, t.m2Of)
	t.buffers.free(t.m.e)
	if t.lookup != nil {
		t.m.e.Free(t.lookup)
	}
	t.gradOf, t.m1Of, t.m2Of, t.lookup = nil, nil, nil, nil
	return t.m.e.Sync()
}

// Grads lists the gradients of the last step, before clipping, in the model's
// order of parameters. A tied head's gradient is part of the embedding's.
func (t *Trainer) Grads() []Param { return t.gradOf }

// Step performs one optimizer step over all rows, which are batch × accumulate rows of a
// study. Rows padded together must be next to each other.
func (t *Trainer) Step(rows []Row) (StepResult, error) {
	for i, r := range rows {
		if err := t.m.checkRow(r); err != nil {
			return StepResult{}, fmt.Errorf("training step %d: row %d: %w", t.step, i, err)
		}
	}
	p := &t.plan
	p.lay(rows, &t.recipe, t.m.Config.Pad)
	res := StepResult{
		Step: t.step, LR: t.recipe.Schedule.LR(t.step, t.recipe.LR),
		Tokens: p.tokens, Targets: p.targets, WeightSum: p.weightSum,
	}
	if p.weightSum == 0 {
		res.Skipped = true
		t.step++
		return res, nil
	}
	lossSum, err := t.gradients(p)
	if err != nil {
		return res, fmt.Errorf("training step %d: %w", t.step, err)
	}
	res.Loss = lossSum / p.weightSum
	if notFinite(res.Loss) {
		return res, &NonFiniteError{t.step, "loss", res.Loss}
	}
	res.GradNorm = t.gradNorm()
	if err := t.m.e.Sync(); err != nil {
		return res, fmt.Errorf("training step %d: %w", t.step, err)
	}
	if notFinite(res.GradNorm) {
		return res, &NonFiniteError{t.step, "gradient norm", res.GradNorm}
	}
	t.adamW(res.LR, res.GradNorm)
	t.step++
	if err := t.m.e.Sync(); err != nil {
		return res, fmt.Errorf("training step %d: %w", res.Step, err)
	}
	return res, nil
}

func notFinite(v float64) bool { return v-v != 0 }

// gradients runs the step forward and backward, micro-batch by micro-batch, and returns
// Σ wᵢ·CEᵢ. Every gradient is one chain over the step's tokens in data order.
func (t *Trainer) gradients(p *stepPlan) (lossSum float64, err error) {
	e := t.m.e
	n := sinkRows + len(p.ids)
	if t.lookup == nil || t.lookup.Rows() < n {
		if t.lookup != nil {
			e.Free(t.lookup)
		}
		t.lookup = e.New(kernels.F32, n, t.m.Config.Hidden)
	}
	lookup := rows(t.lookup, n)
	carry := false
	for rest := p.rows; len(rest) > 0; carry = true {
		rest = t.micro.fill(rest, p, t.recipe.MicroTokens)
		t.forwardBackward(&t.micro, lookup, carry)
		if err := e.Sync(); err != nil {
			return 0, err
		}
		for i, w := range t.micro.weights {
			lossSum += float64(w * t.micro.ce[i])
		}
	}
	if t.m.Config.Tied {
		e.AddRows(t.grads.embed, lookup.Slice(sinkRows, n), p.ids)
	} else {
		e.ScatterRows(t.grads.embed, lookup.Slice(sinkRows, n), p.ids)
	}
	return lossSum, nil
}

// forwardBackward computes the losses of a micro-batch and its part of the gradients.
func (t *Trainer) forwardBackward(b *microBatch, lookup kernels.Tensor, carry bool) {
	m, e := t.m, t.m.e
	T, R := len(b.ids), len(b.labels)
	t.reserve(T)
	m.extendRotary(int(maxOf(b.positions)) + 1)
	f, s, g := &t.buffers, t.buffers.s.rows(T), t.buffers.g.rows(T)
	final := len(m.w.layers) - 1
	last := rows(f.last, R)

	f.views = f.views[:0]
	for i := range f.layers {
		f.views = append(f.views, f.layers[i].rows(T))
	}
	layers := f.views
	// The last block's MLP is computed for label rows only. The output of its attention
	// for all rows goes to dx, which is not in use yet.
	lastMLP, lastS := layers[final], s.rows(R)
	lastMLP.x1, lastMLP.gate, lastMLP.up = rows(lastMLP.x1, R), rows(lastMLP.gate, R), rows(lastMLP.up, R)
	layers[final].x1 = g.dx

	m.embedTokens(layers[0].x, b.ids)
	for i := range layers {
		m.keysValues(&m.w.layers[i], &layers[i], &s, &b.batch)
		m.attend(&m.w.layers[i], &layers[i], b.seqs)
		if i < final {
			m.mlp(&m.w.layers[i], &layers[i], &s, layers[i+1].x)
		}
	}
	e.GatherRows(lastMLP.x1, g.dx, b.labels)
	m.mlp(&m.w.layers[final], &lastMLP, &lastS, last)

	// Head and loss, forward and backward together.
	gl := g.rows(R)
	e.RMSNorm(lastS.norm, last, m.w.norm, m.eps())
	e.CrossEntropy(b.ce, gl.dnorm, t.grads.head, lastS.norm, m.w.head, b.targets, b.coef, b.byLabel, carry)
	gl.dx = rows(f.dlast, R)
	e.ScatterRows(gl.dx, gl.dx.Slice(0, 0), nil) // zero
	e.RMSNormGrad(gl.dx, t.grads.norm, gl.dnorm, last, m.w.norm, m.eps(), carry)
	m.mlpGrad(&m.w.layers[final], &t.grads.layers[final], &lastMLP, &lastS, &gl, b.byLabel, carry)
	e.ScatterRows(g.dx, gl.dx, b.labels)

	for i := final; i >= 0; i-- {
		if i < t.recomputed() {
			m.keysValues(&m.w.layers[i], &layers[i], &s, &b.batch)
			m.attend(&m.w.layers[i], &layers[i], b.seqs)
			m.gateUp(&m.w.layers[i], &layers[i], &s)
		}
		if i < final {
			m.mlpGrad(&m.w.layers[i], &t.grads.layers[i], &layers[i], &s, &g, b.starts, carry)
		}
		m.attentionGrad(&m.w.layers[i], &t.grads.layers[i], &layers[i], &s, &g, &b.batch, carry)
	}
	e.EmbedGrad(lookup, g.dx, b.slots, carry)
}

// recomputed returns the number of recomputed blocks.
func (t *Trainer) recomputed() int { return min(t.recipe.Recompute, t.m.Config.Layers-1) }

// reserve makes the buffers large enough for a micro-batch.
func (t *Trainer) reserve(tokens int) {
	f, e, c, p := &t.buffers, t.m.e, t.m.Config, t.m.Precision
	if tokens <= f.tokens {
		return
	}
	f.free(e)
	f.tokens = tokens
	for _, s := range trainShapes(c, p, t.recipe.Recompute) {
		x := e.New(s.dtype, f.tokens, s.cols)
		f.all = append(f.all, x)
		s.place(f, x)
	}
	for i := range t.recomputed() {
		x := f.layers[i].x
		f.layers[i] = f.again
		f.layers[i].x = x
	}
	if p != kernels.F32 { // q and k before rotary are no longer needed when dq and dk are computed
		f.s.q, f.s.k = f.g.dq, f.g.dk
	}
}

func (f *trainBuffers) free(e kernels.Engine) {
	e.Free(f.all...)
	*f = trainBuffers{}
}

// bufferShape is one buffer of cols columns and a row for each token.
type bufferShape struct {
	dtype kernels.DType
	cols  int
	place func(f *trainBuffers, x kernels.Tensor)
}

// trainShapes lists the buffers of training with the given number of recomputed blocks. It
// alone determines the memory of a micro-batch.
func trainShapes(c Config, p kernels.DType, recompute int) []bufferShape {
	var out []bufferShape
	add := func(d kernels.DType, cols int, place func(f *trainBuffers, x kernels.Tensor)) {
		out = append(out, bufferShape{d, cols, place})
	}
	const f32 = kernels.F32
	q, kv, mid := c.qDim(), c.kvDim(), c.Intermediate
	recompute = min(recompute, c.Layers-1)
	inner := func(layer func(f *trainBuffers) *activations) {
		if c.headNorms() {
			add(f32, q, func(f *trainBuffers, x kernels.Tensor) { layer(f).rawQ = x })
			add(f32, kv, func(f *trainBuffers, x kernels.Tensor) { layer(f).rawK = x })
		}
		add(p, q, func(f *trainBuffers, x kernels.Tensor) { layer(f).q = x })
		add(p, kv, func(f *trainBuffers, x kernels.Tensor) { layer(f).k = x })
		add(p, kv, func(f *trainBuffers, x kernels.Tensor) { layer(f).v = x })
		add(p, q, func(f *trainBuffers, x kernels.Tensor) { layer(f).attn = x })
		add(f32, 2*c.Heads, func(f *trainBuffers, x kernels.Tensor) { layer(f).stats = x })
		add(f32, c.Hidden, func(f *trainBuffers, x kernels.Tensor) { layer(f).x1 = x })
		add(p, mid, func(f *trainBuffers, x kernels.Tensor) { layer(f).gate = x })
		add(p, mid, func(f *trainBuffers, x kernels.Tensor) { layer(f).up = x })
	}
	for i := range c.Layers {
		layer := func(f *trainBuffers) *activations {
			if f.layers == nil {
				f.layers = make([]activations, c.Layers)
			}
			return &f.layers[i]
		}
		add(f32, c.Hidden, func(f *trainBuffers, x kernels.Tensor) { layer(f).x = x })
		if i >= recompute {
			inner(layer)
		}
	}
	if recompute > 0 {
		inner(func(f *trainBuffers) *activations { return &f.again })
	}
	add(p, c.Hidden, func(f *trainBuffers, x kernels.Tensor) { f.s.norm = x })
	add(p, mid, func(f *trainBuffers, x kernels.Tensor) { f.s.prod = x })
	add(f32, c.Hidden, func(f *trainBuffers, x kernels.Tensor) { f.last = x })
	add(f32, c.Hidden, func(f *trainBuffers, x kernels.Tensor) { f.dlast = x })
	add(f32, c.Hidden, func(f *trainBuffers, x kernels.Tensor) { f.g.dx = x })
	add(f32, c.Hidden, func(f *trainBuffers, x kernels.Tensor) { f.g.dnorm = x })
	add(f32, mid, func(f *trainBuffers, x kernels.Tensor) { f.g.dprod = x })
	add(f32, q, func(f *trainBuffers, x kernels.Tensor) { f.g.dattn = x })
	add(f32, q, func(f *trainBuffers, x kernels.Tensor) { f.g.dq = x })
	add(f32, kv, func(f *trainBuffers, x kernels.Tensor) { f.g.dk = x })
	add(f32, kv, func(f *trainBuffers, x kernels.Tensor) { f.g.dv = x })
	if c.headNorms() {
		add(f32, q, func(f *trainBuffers, x kernels.Tensor) { f.g.dRawQ = x })
		add(f32, kv, func(f *trainBuffers, x kernels.Tensor) { f.g.dRawK = x })
	}
	if p == kernels.F32 {
		return out
	}
	add(p, c.Hidden, func(f *trainBuffers, x kernels.Tensor) { f.g.dxA = x })
	add(p, q, func(f *trainBuffers, x kernels.Tensor) { f.g.dattnA = x })
	add(p, q, func(f *trainBuffers, x kernels.Tensor) { f.g.dqA = x })
	add(p, kv, func(f *trainBuffers, x kernels.Tensor) { f.g.dkA = x })
	add(p, kv, func(f *trainBuffers, x kernels.Tensor) { f.g.dvA = x })
	return out
}

// gradNorm returns the global norm of the gradients: the sums of squares of the tensors,
// added in the byte order of their names, in float64.
func (t *Trainer) gradNorm() float64 {
	t.m.e.SumSquares(t.squares, t.byName...)
	sum := 0.0
	for _, s := range t.squares {
		sum += s
	}
	return math.Sqrt(sum)
}

// adamW updates every parameter. Scalars are computed in float64 and rounded
// once.
func (t *Trainer) adamW(lr, norm float64) {
	t.update++
	r := &t.recipe
	n := float64(t.update)
	scale := 1.0
	if r.Clip > 0 {
		scale = min(1, r.Clip/(norm+1e-6))
	}
	h := kernels.AdamW{
		Scale:         float32(scale),
		LRDecay:       float32(lr * r.WeightDecay),
		OneMinusBeta1: float32(1 - r.Beta1),
		Beta2:         float32(r.Beta2),
		OneMinusBeta2: float32(1 - r.Beta2),
		StepSize:      float32(lr / (1 - num.Pow(r.Beta1, n))),
		SqrtBC2:       float32(math.Sqrt(1 - num.Pow(r.Beta2, n))),
		Eps:           float32(r.Eps),
	}
	t.m.e.AdamW(h, t.decayed...)
	h.LRDecay = 0
	t.m.e.AdamW(h, t.others...)
}
