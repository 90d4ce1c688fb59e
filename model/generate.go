package model

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"sort"

	"xrun/kernels"
	"xrun/kernels/num"
)

// GenerateOptions configure generation.
type GenerateOptions struct {
	MaxNew int // maximum number of new tokens
	// EOS lists the tokens that end a sequence; the end token is part of the result.
	EOS []int32

	// Temperature 0 is greedy: it picks the lowest id among the largest logits. With a
	// higher temperature, TopK > 0 keeps the TopK largest logits, and 0 < TopP < 1
	// keeps the smallest set of largest probabilities that reaches TopP.
	Temperature float64
	TopK        int
	TopP        float64
	Seed        uint64

	// Stop, if set, is called after each new token with all new tokens of its prompt.
	// If it returns true, the sequence ends, as at an end token.
	Stop func(prompt int, generated []int32) bool
	// OnToken, if set, is called with each new token as soon as it is known.
	OnToken func(prompt int, token int32)
	// Interrupted, if set, is called before each forward pass; an error from it ends
	// the work. The Err method of a context can be used.
	Interrupted func() error
}

func (o *GenerateOptions) validate(vocab int) error {
	switch {
	case o.MaxNew < 0:
		return fmt.Errorf("generating: %d new tokens; want at least 0", o.MaxNew)
	case !(o.Temperature >= 0) || math.IsInf(o.Temperature, 0):
		return fmt.Errorf("generating: temperature is %v; want a non-negative number", o.Temperature)
	case o.TopK < 0:
		return fmt.Errorf("generating: top-k is %d; want at least 0", o.TopK)
	case !(o.TopP >= 0 && o.TopP <= 1):
		return fmt.Errorf("generating: top-p is %v; want 0 to 1", o.TopP)
	}
	for _, id := range o.EOS {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("generating: end token %d is outside the vocabulary of %d", id, vocab)
		}
	}
	return nil
}

// generateGroup is the number of sequences that are continued together. Each has a cache.
// Results do not depend on the other sequences.
const generateGroup = 32

// Generate continues each prompt, positions from 0, and returns the new tokens.
// A prompt must have at least one token.
//
// Sampling, if Temperature > 0, works as follows. Logits (float32) are divided by
// Temperature in float64, giving z. Tokens are sorted by descending z, lowest id first
// among equals, and the first TopK kept. p = exp(z - z₀) is computed in float64 and summed
// in this order. With TopP, the shortest prefix whose sum reaches TopP of the whole is
// kept. Then u in [0, 1) times the kept sum selects the first token whose running sum
// exceeds it. The u of new token i is draw i of the Philox stream (Seed, PurposeSample,
// digest of the prompt), where the digest is FNV-1a 64 over the prompt's ids, 4 bytes
// little-endian each.
func (m *Model) Generate(prompts [][]int32, o GenerateOptions) ([][]int32, error) {
	if err := o.validate(m.Config.Vocab); err != nil {
		return nil, err
	}
	for i, p := range prompts {
		if len(p) == 0 {
			return nil, fmt.Errorf("generating: prompt %d is empty", i)
		}
		if err := m.checkTokens(p); err != nil {
			return nil, fmt.Errorf("generating: prompt %d: %w", i, err)
		}
	}
	out := make([][]int32, len(prompts))
	if o.MaxNew == 0 {
		return out, nil
	}
	for lo := 0; lo < len(prompts); lo += generateGroup {
		hi := min(lo+generateGroup, len(prompts))
		g := &generation{m: m, o: &o}
		for i := lo; i < hi; i++ {
			g.add(i, prompts[i])
		}
		err := g.run()
		for _, s := range g.all {
			out[s.prompt] = s.out
			s.free(m.e)
		}
		if err != nil {
			return nil, fmt.Errorf("generating: %w", err)
		}
	}
	return out, nil
}

// sequence is one text being generated, with its cache of keys and values.
type sequence struct {
	prompt int // index of the prompt
	next   []int32
	length int              // tokens in the cache
	k, v   []kernels.Tensor // by layer, [len(prompt)+MaxNew, kvHeads*headDim]
	draws  *num.Philox
	out    []int32
	done   bool
}

func (s *sequence) free(e kernels.Engine) {
	e.Free(s.k...)
	e.Free(s.v...)
}

// generation continues a group of sequences together. It is their kvStore.
type generation struct {
	m    *Model
	o    *GenerateOptions
	all  []*sequence
	live []*sequence // sequences of the current batch, in order
	b    batch
}

func (g *generation) add(prompt int, tokens []int32) {
	h := fnv.New64a()
	for _, id := range tokens {
		h.Write(binary.LittleEndian.AppendUint32(nil, uint32(id)))
	}
	s := &sequence{prompt: prompt, next: tokens, draws: num.NewPhilox(g.o.Seed, PurposeSample, h.Sum64())}
	room := len(tokens) + g.o.MaxNew - 1 // the last new token is not fed back
	for range g.m.Config.Layers {
		s.k = append(s.k, g.m.e.New(g.m.Precision, room, g.m.Config.kvDim()))
		s.v = append(s.v, g.m.e.New(g.m.Precision, room, g.m.Config.kvDim()))
	}
	g.all = append(g.all, s)
}

// sequences implements kvStore.
func (g *generation) sequences(layer int) []kernels.Sequence {
	for i, s := range g.live {
		q := &g.b.seqs[i]
		q.Past = q.Past[:0]
		if s.length > 0 {
			q.Past = append(q.Past, kernels.Span{K: s.k[layer].Slice(0, s.length), V: s.v[layer].Slice(0, s.length)})
		}
	}
	return g.b.seqs
}

// keep implements kvStore.
func (g *generation) keep(layer int, k, v kernels.Tensor) {
	for i, s := range g.live {
		lo, hi := g.b.seqs[i].First, g.b.seqs[i].First+g.b.seqs[i].Len
		g.m.e.Convert(s.k[layer].Slice(s.length, s.length+hi-lo), k.Slice(lo, hi))
		g.m.e.Convert(s.v[layer].Slice(s.length, s.length+hi-lo), v.Slice(lo, hi))
	}
}

// run first computes the prompts, as many at once as fit in a batch, then one token of
// every live sequence at a time.
func (g *generation) run() error {
	for lo := 0; lo < len(g.all); {
		tokens, hi := len(g.all[lo].next), lo+1
		for hi < len(g.all) && tokens+len(g.all[hi].next) <= batchTokens {
			tokens += len(g.all[hi].next)
			hi++
		}
		if err := g.advance(g.all[lo:hi]); err != nil {
			return err
		}
		lo = hi
	}
	for {
		var live []*sequence
		for _, s := range g.all {
			if !s.done {
				live = append(live, s)
			}
		}
		if len(live) == 0 {
			return nil
		}
		if err := g.advance(live); err != nil {
			return err
		}
	}
}

// advance computes the next tokens of some sequences and picks a new token for each.
func (g *generation) advance(live []*sequence) error {
	if g.o.Interrupted != nil {
		if err := g.o.Interrupted(); err != nil {
			return err
		}
	}
	g.live = live
	g.b.reset()
	var wanted []int32
	for _, s := range live {
		g.b.add(s.next, s.length)
		wanted = append(wanted, int32(len(g.b.ids)-1))
	}
	x := g.m.forward(&g.b, g, wanted)
	picked, err := g.pick(x)
	if err != nil {
		return err
	}
	for i, s := range live {
		s.length += len(s.next)
		s.out = append(s.out, picked[i])
		s.next = []int32{picked[i]}
		s.done = len(s.out) == g.o.MaxNew || slices.Contains(g.o.EOS, picked[i]) || g.o.Stop != nil && g.o.Stop(s.prompt, s.out)
		if g.o.OnToken != nil {
			g.o.OnToken(s.prompt, picked[i])
		}
	}
	return nil
}

// pick chooses a token for each row of x [live, hidden].
func (g *generation) pick(x kernels.Tensor) ([]int32, error) {
	e, n := g.m.e, x.Rows()
	picked := make([]int32, n)
	if g.o.Temperature == 0 {
		all, targets := make([]int32, n), make([]int32, n)
		for i := range all {
			all[i] = int32(i)
		}
		e.LogProb(make([]float64, n), picked, x, g.m.w.head, all, targets)
		return picked, e.Sync()
	}
	t := e.New(kernels.F32, n, g.m.Config.Vocab)
	defer e.Free(t)
	e.Linear(t, x, g.m.w.head, nil, nil)
	logits := make([]float32, g.m.Config.Vocab)
	for i := range picked {
		e.Read(logits, t.Slice(i, i+1))
		picked[i] = sample(logits, g.o, g.live[i].draws.Float64())
	}
	return picked, e.Sync()
}

// sample picks an id as documented at Generate.
func sample(logits []float32, o *GenerateOptions, u float64) int32 {
	z, order := make([]float64, len(logits)), make([]int32, len(logits))
	for i, v := range logits {
		z[i], order[i] = float64(v)/o.Temperature, int32(i)
	}
	sort.Slice(order, func(i, j int) bool {
		a, b := order[i], order[j]
		return z[a] > z[b] || z[a] == z[b] && a < b
	})
	if o.TopK > 0 && o.TopK < len(order) {
		order = order[:o.TopK]
	}
	p, sum := make([]float64, len(order)), 0.0
	for i, id := range order {
		p[i] = num.Exp(z[id] - z[order[0]])
		sum += p[i]
	}
	if o.TopP > 0 && o.TopP < 1 {
		bound, kept := o.TopP*sum, 0.0
		for i := range p {
			kept += p[i]
			if kept >= bound {
				p, sum = p[:i+1], kept
				break
			}
		}
	}
	at, running := u*sum, 0.0
	for i := range p {
		running += p[i]
		if running > at {
			return order[i]
		}
	}
	return order[len(p)-1]
}
