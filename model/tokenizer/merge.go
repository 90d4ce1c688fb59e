package tokenizer

import "math/bits"

// pairTable maps a pair of ids to the rank of its merge and the resulting id. It uses open
// addressing with linear probing and is at most half full.
type pairTable struct {
	slots []pairSlot
	shift uint
}

type pairSlot struct {
	key    uint64
	rank   uint32
	joined int32
}

const noPair = ^uint64(0) // no pair of ids: ids are below 2^22

func pairKey(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

// newPairTable ranks each pair by its index in the list. For a pair that appears twice the
// last index counts, as in tokenizers.
func newPairTable(merges []pairMerge) pairTable {
	width := uint(bits.Len(uint(2*len(merges) + 1)))
	t := pairTable{slots: make([]pairSlot, 1<<width), shift: 64 - width}
	for i := range t.slots {
		t.slots[i].key = noPair
	}
	for rank, m := range merges {
		key := pairKey(m.left, m.right)
		i := t.home(key)
		for t.slots[i].key != noPair && t.slots[i].key != key {
			i = (i + 1) & (len(t.slots) - 1)
		}
		t.slots[i] = pairSlot{key, uint32(rank), m.joined}
	}
	return t
}

func (t *pairTable) home(key uint64) int {
	key ^= key >> 29
	return int(key * 0x9E3779B97F4A7C15 >> t.shift)
}

// find returns the merge of a pair. rank is noRank if there is none.
func (t *pairTable) find(left, right int32) (rank uint32, joined int32) {
	key := pairKey(left, right)
	for i := t.home(key); ; i = (i + 1) & (len(t.slots) - 1) {
		s := &t.slots[i]
		if s.key == key {
			return s.rank, s.joined
		}
		if s.key == noPair {
			return noRank, -1
		}
	}
}

const noRank = ^uint32(0)

// scanLimit is the length in bytes of the longest piece that is merged by repeated scans.
// For longer pieces a heap is faster, and keeps a megabyte without a space from taking
// hours.
const scanLimit = 96

// merger applies merges to one piece at a time: always the merge of lowest rank, the
// leftmost among equals, until none is left. It only holds scratch memory.
type merger struct {
	ids    []int32
	ranks  []uint32 // rank of the pair (i, i+1)
	joined []int32  // the id that this pair becomes

	symbols []symbol
	heap    []mergeCandidate
}

// start splits a piece into the tokens of its bytes. A byte that is not in the vocabulary
// becomes the unknown token, or nothing if there is none.
func (g *merger) start(m *model, piece string) {
	g.ids = g.ids[:0]
	unk := false
	for i := 0; i < len(piece); i++ {
		id := m.byteID[piece[i]]
		if id < 0 {
			if m.unkID < 0 || unk && m.fuseUnk {
				continue
			}
			unk, id = true, m.unkID
		} else {
			unk = false
		}
		g.ids = append(g.ids, id)
	}
}

// merge returns the ids of a piece, valid until the next call.
func (g *merger) merge(m *model, piece string) []int32 {
	g.start(m, piece)
	if len(piece) > scanLimit {
		g.mergeHeap(&m.merges)
		g.ids = g.ids[:0]
		for _, s := range g.symbols {
			if s.id != gone {
				g.ids = append(g.ids, s.id)
			}
		}
		return g.ids
	}
	g.mergeScan(&m.merges)
	return g.ids
}

func (g *merger) mergeScan(t *pairTable) {
	ids := g.ids
	n := len(ids)
	if n < 2 {
		return
	}
	ranks, joined := g.ranks[:0], g.joined[:0]
	for i := 0; i+1 < n; i++ {
		r, j := t.find(ids[i], ids[i+1])
		ranks, joined = append(ranks, r), append(joined, j)
	}
	g.ranks, g.joined = ranks, joined
	for {
		best, at := noRank, -1
		for i, r := range ranks {
			if r < best {
				best, at = r, i
			}
		}
		if at < 0 {
			break
		}
		ids[at] = joined[at]
		copy(ids[at+1:], ids[at+2:])
		ids = ids[:len(ids)-1]
		copy(ranks[at:], ranks[at+1:])
		copy(joined[at:], joined[at+1:])
		ranks, joined = ranks[:len(ranks)-1], joined[:len(joined)-1]
		if at > 0 {
			ranks[at-1], joined[at-1] = t.find(ids[at-1], ids[at])
		}
		if at < len(ranks) {
			ranks[at], joined[at] = t.find(ids[at], ids[at+1])
		}
	}
	g.ids = ids
}

// symbol is one token of a piece during merging. Its id is gone after it has been merged
// into its neighbour.
type symbol struct {
	id         int32
	prev, next int32
}

const gone = -1

type mergeCandidate struct {
	rank   uint32
	at     int32
	joined int32
}

// mergeHeap leaves the merged piece in symbols.
func (g *merger) mergeHeap(t *pairTable) {
	g.symbols, g.heap = g.symbols[:0], g.heap[:0]
	for i, id := range g.ids {
		g.symbols = append(g.symbols, symbol{id, int32(i - 1), int32(i + 1)})
	}
	if n := len(g.symbols); n > 0 {
		g.symbols[n-1].next = -1
	}
	s := g.symbols
	for i := 0; i+1 < len(s); i++ {
		if rank, joined := t.find(s[i].id, s[i+1].id); rank != noRank {
			g.push(mergeCandidate{rank, int32(i), joined})
		}
	}
	for len(g.heap) > 0 {
		c := g.pop()
		left := &s[c.at]
		if left.id == gone || left.next < 0 {
			continue
		}
		right := &s[left.next]
		if _, joined := t.find(left.id, right.id); joined != c.joined {
			continue // the pair of this entry no longer exists
		}
		left.id, left.next = c.joined, right.next
		right.id = gone
		if left.next >= 0 {
			s[left.next].prev = c.at
			if rank, joined := t.find(left.id, s[left.next].id); rank != noRank {
				g.push(mergeCandidate{rank, c.at, joined})
			}
		}
		if left.prev >= 0 {
			if rank, joined := t.find(s[left.prev].id, left.id); rank != noRank {
				g.push(mergeCandidate{rank, left.prev, joined})
			}
		}
	}
}

func (a mergeCandidate) before(b mergeCandidate) bool {
	return a.rank < b.rank || a.rank == b.rank && a.at < b.at
}

func (g *merger) push(c mergeCandidate) {
	h := append(g.heap, c)
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h[i].before(h[parent]) {
			break
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
	g.heap = h
}

func (g *merger) pop() mergeCandidate {
	h := g.heap
	top := h[0]
	h[0] = h[len(h)-1]
	h = h[:len(h)-1]
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(h[i]) {
			break
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
	g.heap = h
	return top
}
