package model

import (
	"fmt"
	"slices"

	"xrun/kernels"
)

// ScoreSeq requests the log-probabilities of Tokens[From:], each given all tokens before
// it. From must be at least 1, because nothing precedes the first token.
type ScoreSeq struct {
	Tokens []int32
	From   int
}

// Score holds, for each token from From on, its log-probability in nats and whether it is
// the most likely token (the one with the lowest id among equals).
type Score struct {
	LogProb []float64
	Greedy  []bool
}

// ScoreOptions bound the work done at once. They never change a result.
type ScoreOptions struct {
	// Tokens is the number of tokens in a forward pass; 0 derives it from Memory.
	Tokens int
	// Memory bounds the bytes that scoring uses beside the weights and the engine's own
	// buffers: the activations of one pass, and the keys and values of prefixes that are
	// still needed. 0 means the engine's default. One pass of a few tokens, and the
	// prefix of the longest sequence, are held even if they need more.
	Memory int64
	// Progress, if set, is called after each forward pass with the number of tokens
	// computed so far and in total.
	Progress func(done, total int)
	// Interrupted, if set, is called before each forward pass; an error from it ends
	// the work. The Err method of a context can be used.
	Interrupted func() error
}

// ScoreStats counts work, and so shows what sharing prefixes saved.
type ScoreStats struct {
	Given    int // tokens of all sequences
	Computed int // tokens that went through the model
	Rows     int // rows of logits
	PeakKV   int // largest number of tokens whose keys and values were held at once
	Passes   int // forward passes
}

// fewestTokens is the smallest size of a pass. With smaller passes the weights would be
// read more often than the saved memory is worth.
const fewestTokens = 64

// plan divides the memory: half of it for a pass, the rest for keys and values. It returns
// both in tokens.
func (o ScoreOptions) plan(e kernels.Engine, c Config, p kernels.DType) (pass, held int) {
	most, memory := e.Pass()
	if o.Memory > 0 {
		memory = o.Memory
	}
	// A pass may need the logits of every token.
	token, cached := InferMemory(c, p, 1, 1, 0), InferMemory(c, p, 0, 0, 1)
	pass = o.Tokens
	if pass <= 0 {
		pass = int(min(max(memory/2/token, fewestTokens), int64(most)))
	}
	return pass, int(max(memory-int64(pass)*token, 0) / cached)
}

// LogProbs scores sequences, with positions from 0. It merges them into a prefix tree, so
// that a shared prefix is computed once and all its continuations read its keys and
// values. The bits are those of scoring each sequence alone.
func (m *Model) LogProbs(seqs []ScoreSeq, o ScoreOptions) ([]Score, ScoreStats, error) {
	var stats ScoreStats
	for i, s := range seqs {
		if s.From < 1 || s.From > len(s.Tokens) {
			return nil, stats, fmt.Errorf("scoring: sequence %d: from token %d of %d; want 1 to %d", i, s.From, len(s.Tokens), len(s.Tokens))
		}
		if err := m.checkTokens(s.Tokens); err != nil {
			return nil, stats, fmt.Errorf("scoring: sequence %d: %w", i, err)
		}
		stats.Given += len(s.Tokens)
	}
	pass, held := o.plan(m.e, m.Config, m.Precision)
	root := &node{} // without tokens
	for _, s := range seqs {
		root.insert(s.Tokens)
	}
	for _, s := range seqs {
		root.walk(s.Tokens, func(c *node, at int) {
			c.want(max(s.From-at, 0), min(len(s.Tokens)-at, len(c.tokens)))
		})
	}
	total := root.prepare(pass)
	run := scorer{m: m, limit: pass, mostHeld: held, stats: &stats, alive: map[*kvGroup]bool{}}
	run.push(root)
	for len(run.ready) > 0 {
		var err error
		if o.Interrupted != nil {
			err = o.Interrupted()
		}
		if err == nil {
			err = run.batch()
		}
		if err != nil {
			run.release()
			return nil, stats, fmt.Errorf("scoring: %w", err)
		}
		if o.Progress != nil {
			o.Progress(stats.Computed, total)
		}
	}
	out := make([]Score, len(seqs))
	for i, s := range seqs {
		n := len(s.Tokens) - s.From
		out[i] = Score{make([]float64, 0, n), make([]bool, 0, n)}
		root.walk(s.Tokens, func(c *node, at int) {
			lo := min(max(s.From-at, 0), len(c.tokens))
			hi := min(len(s.Tokens)-at, len(c.tokens))
			if lo < hi {
				out[i].LogProb = append(out[i].LogProb, c.logProb[lo:hi]...)
				out[i].Greedy = append(out[i].Greedy, c.greedy[lo:hi]...)
			}
		})
	}
	return out, stats, nil
}

// scorer computes the nodes of a prefix tree. A node is ready once its parent is computed.
// Ready nodes are on a stack, so that the tree is searched depth first and few keys and
// values are held.
type scorer struct {
	m        *Model
	limit    int // tokens in a pass
	mostHeld int // bound on held, exceeded only if nothing else is ready
	ready    []*node
	stats    *ScoreStats
	held     int // tokens whose keys and values are held
	alive    map[*kvGroup]bool
}

// kvGroup holds the keys and values, for all layers, of the inner nodes of one batch.
type kvGroup struct {
	k, v   []kernels.Tensor // by layer, [tokens, kvHeads*headDim]
	tokens int
	nodes  int // nodes that still have children to compute
}

// push makes the children of a computed node ready, the first on top. Children without
// inputs are complete, because their scores were computed with the parent.
func (r *scorer) push(n *node) {
	for i := len(n.children) - 1; i >= 0; i-- {
		if c := n.children[i]; c.inputs() > 0 {
			r.ready = append(r.ready, c)
		} else {
			n.pending--
		}
	}
}

// settle frees the keys and values of n and of its ancestors, where nothing below is left
// to compute.
func (r *scorer) settle(n *node) {
	for n.pending == 0 && n.parent != nil {
		if g := n.group; g != nil {
			n.group, n.span = nil, nil
			if g.nodes--; g.nodes == 0 {
				r.drop(g)
			}
		}
		n = n.parent
		n.pending--
	}
}

func (r *scorer) drop(g *kvGroup) {
	r.m.e.Free(g.k...)
	r.m.e.Free(g.v...)
	r.held -= g.tokens
	delete(r.alive, g)
}

// release frees everything after a failure.
func (r *scorer) release() {
	for g := range r.alive {
		r.drop(g)
	}
}

// scoreBatch is a forward pass over nodes, and the kvStore of their keys and values.
type scoreBatch struct {
	batch
	nodes []*node // inner nodes first, so that the rows to keep are contiguous
	group *kvGroup
	e     kernels.Engine
	past  [][]*node // for each node, its ancestors from the root's child down
}

// sequences implements kvStore.
func (b *scoreBatch) sequences(layer int) []kernels.Sequence {
	for i, ancestors := range b.past {
		s := &b.seqs[i]
		s.Past = s.Past[:0]
		for _, a := range ancestors {
			s.Past = append(s.Past, a.span[layer])
		}
	}
	return b.seqs
}

// keep implements kvStore.
func (b *scoreBatch) keep(layer int, k, v kernels.Tensor) {
	if g := b.group; g != nil {
		b.e.Convert(g.k[layer], rows(k, g.tokens))
		b.e.Convert(g.v[layer], rows(v, g.tokens))
	}
}

// batch computes ready nodes from the top of the stack.
func (r *scorer) batch() error {
	b := &scoreBatch{e: r.m.e}
	var leaves []*node
	for tokens, kept := 0, r.held; len(r.ready) > 0; {
		n := r.ready[len(r.ready)-1]
		if tokens > 0 && (tokens+n.inputs() > r.limit || n.keeps() && kept+n.inputs() > r.mostHeld) {
			break
		}
		tokens += n.inputs()
		r.ready = r.ready[:len(r.ready)-1]
		if n.keeps() {
			kept += n.inputs()
			b.nodes = append(b.nodes, n)
		} else {
			leaves = append(leaves, n)
		}
	}
	inner := len(b.nodes)
	b.nodes = append(b.nodes, leaves...)
	for _, n := range b.nodes {
		var path []*node
		position := 0
		for a := n.parent; a != nil && a.parent != nil; a = a.parent {
			path = append(path, a)
			position += len(a.tokens)
		}
		slices.Reverse(path)
		b.past = append(b.past, path)
		b.add(n.tokens[:n.inputs()], position)
	}
	r.hold(b, inner)
	if err := r.compute(b); err != nil {
		return err
	}
	r.stats.Computed += len(b.ids)
	r.stats.Passes++
	for i := len(b.nodes) - 1; i >= 0; i-- {
		n := b.nodes[i]
		r.push(n)
		r.settle(n)
	}
	return nil
}

// keeps reports whether the node's keys and values will be read, because some child has
// tokens to compute.
func (n *node) keeps() bool {
	for _, c := range n.children {
		if c.inputs() > 0 {
			return true
		}
	}
	return false
}

// hold allocates storage for the keys and values of the batch's inner nodes.
func (r *scorer) hold(b *scoreBatch, inner int) {
	if inner == 0 {
		return
	}
	m, g := r.m, &kvGroup{nodes: inner}
	g.tokens = b.seqs[inner-1].First + b.seqs[inner-1].Len
	for range m.Config.Layers {
		g.k = append(g.k, m.e.New(m.Precision, g.tokens, m.Config.kvDim()))
		g.v = append(g.v, m.e.New(m.Precision, g.tokens, m.Config.kvDim()))
	}
	for i, n := range b.nodes[:inner] {
		lo, hi := b.seqs[i].First, b.seqs[i].First+b.seqs[i].Len
		n.group = g
		n.span = make([]kernels.Span, m.Config.Layers)
		for l := range n.span {
			n.span[l] = kernels.Span{K: g.k[l].Slice(lo, hi), V: g.v[l].Slice(lo, hi)}
		}
	}
	b.group = g
	r.alive[g] = true
	r.held += g.tokens
	r.stats.PeakKV = max(r.stats.PeakKV, r.held)
}

// compute runs the batch and stores the resulting log-probabilities.
func (r *scorer) compute(b *scoreBatch) error {
	type place struct {
		n  *node
		at int
	}
	var wanted, rowOf, targets []int32
	var places []place
	for i, n := range b.nodes {
		first := b.seqs[i].First
		ask := func(input int, c *node, at int) {
			if !c.wants(at) {
				return
			}
			if row := int32(first + input); len(wanted) == 0 || wanted[len(wanted)-1] != row {
				wanted = append(wanted, row)
			}
			rowOf = append(rowOf, int32(len(wanted)-1))
			targets = append(targets, c.tokens[at])
			places = append(places, place{c, at})
		}
		for j := range n.inputs() {
			if j+1 < len(n.tokens) {
				ask(j, n, j+1)
				continue
			}
			for _, c := range n.children {
				ask(j, c, 0)
			}
		}
	}
	x := r.m.forward(&b.batch, b, wanted)
	if x != nil {
		logProb, best := make([]float64, len(targets)), make([]int32, len(targets))
		r.m.e.LogProb(logProb, best, x, r.m.w.head, rowOf, targets)
		r.stats.Rows += len(wanted)
		for i, p := range places {
			p.n.logProb[p.at], p.n.greedy[p.at] = logProb[i], best[i] == targets[i]
		}
	}
	return r.m.e.Sync()
}
