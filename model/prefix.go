package model

import "xrun/kernels"

// A prefix tree (radix tree) over token sequences. Sequences with a common prefix share
// nodes, so that the prefix is computed once.

// node is a run of tokens that follow its parent's. Its tokens are a slice of a sequence
// given by the caller.
type node struct {
	tokens   []int32
	parent   *node
	children []*node
	byFirst  map[int32]*node // children by first token, once there are many

	// [wantFrom, wantTo) are the tokens whose log-probability is wanted, given all
	// tokens before them. The results go to logProb and greedy.
	wantFrom, wantTo int
	logProb          []float64
	greedy           []bool

	// span holds the node's keys and values by layer, a part of group, as long as a
	// node below needs them. pending counts the children whose subtrees are not
	// complete.
	span    []kernels.Span
	group   *kvGroup
	pending int
}

// manyChildren is the number of children above which a map is faster.
const manyChildren = 8

func (n *node) child(first int32) *node {
	if n.byFirst != nil {
		return n.byFirst[first]
	}
	for _, c := range n.children {
		if c.tokens[0] == first {
			return c
		}
	}
	return nil
}

func (n *node) addChild(c *node) {
	c.parent = n
	n.children = append(n.children, c)
	switch {
	case n.byFirst != nil:
		n.byFirst[c.tokens[0]] = c
	case len(n.children) > manyChildren:
		n.byFirst = make(map[int32]*node)
		for _, c := range n.children {
			n.byFirst[c.tokens[0]] = c
		}
	}
}

// split cuts n before token k: n keeps the first k tokens, and a new child takes the rest
// and n's children.
func (n *node) split(k int) {
	rest := &node{tokens: n.tokens[k:], children: n.children, byFirst: n.byFirst}
	for _, c := range rest.children {
		c.parent = rest
	}
	n.tokens, n.children, n.byFirst = n.tokens[:k], nil, nil
	n.addChild(rest)
}

// insert adds a sequence below n.
func (n *node) insert(tokens []int32) {
	for len(tokens) > 0 {
		c := n.child(tokens[0])
		if c == nil {
			n.addChild(&node{tokens: tokens})
			return
		}
		k := 1
		for k < len(tokens) && k < len(c.tokens) && tokens[k] == c.tokens[k] {
			k++
		}
		if k < len(c.tokens) {
			c.split(k)
		}
		n, tokens = c, tokens[k:]
	}
}

// walk calls f for each node on the path of an inserted sequence, with the index in the
// sequence of the node's first token.
func (n *node) walk(tokens []int32, f func(c *node, at int)) {
	for at := 0; at < len(tokens); {
		c := n.child(tokens[at])
		f(c, at)
		at += len(c.tokens)
		n = c
	}
}

// want requests the log-probabilities of tokens [from, to).
func (n *node) want(from, to int) {
	if from >= to {
		return
	}
	if n.wantTo == 0 {
		n.wantFrom, n.wantTo = from, to
		return
	}
	n.wantFrom, n.wantTo = min(n.wantFrom, from), max(n.wantTo, to)
}

func (n *node) wants(i int) bool { return i >= n.wantFrom && i < n.wantTo }

// inputs returns the number of the node's tokens that must be computed. The last token of
// a leaf need not be, because it has no successor.
func (n *node) inputs() int {
	if len(n.children) == 0 {
		return len(n.tokens) - 1
	}
	return len(n.tokens)
}

// prepare cuts nodes longer than limit, allocates results, counts children and returns the
// number of tokens to compute. It does not recurse, because a chain of cut nodes may be
// long.
func (n *node) prepare(limit int) (inputs int) {
	stack := []*node{n}
	for len(stack) > 0 {
		c := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if len(c.tokens) > limit {
			from, to := c.wantFrom, c.wantTo
			c.split(limit)
			rest := c.children[0]
			c.wantFrom, c.wantTo = 0, 0
			c.want(from, min(to, limit))
			rest.want(max(from-limit, 0), to-limit)
		}
		if c.wantTo > 0 {
			c.logProb, c.greedy = make([]float64, len(c.tokens)), make([]bool, len(c.tokens))
		}
		c.pending = len(c.children)
		if c.parent != nil {
			inputs += c.inputs()
		}
		stack = append(stack, c.children...)
	}
	return inputs
}
