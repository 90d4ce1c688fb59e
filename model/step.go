package model

// stepPlan describes the work of one optimizer step: the loss weights and their sum, and
// the rows that have a gradient. It is complete before the step runs.
type stepPlan struct {
	rows      []plannedRow
	weightSum float64         // over all targets, in order
	tokens    int             // of all rows
	targets   int             // targets with a positive weight
	ids       []int32         // distinct ids that are looked up, in order of appearance
	slots     map[int32]int32 // row of the lookup gradient for each id; see sinkRows
}

// sinkRows is the number of rows of the lookup gradient before those of ids. Row 0 takes
// the gradient of the pad token, which is dropped, as torch's nn.Embedding does for its
// padding_idx, to which transformers passes pad_token_id. This matters if an end token
// that is also the pad occurs inside a row.
const sinkRows = 1

// plannedRow is a row as it is computed. Tokens after its last target are left out, and so
// are rows without a target, because their gradients are zero.
type plannedRow struct {
	inputs   []int32
	position int       // of the first token
	labels   []int32   // indices of inputs whose successor is a target
	targets  []int32   // these targets
	weights  []float64 // their loss weights
}

// lay plans a step over rows, which must have been checked. It reuses the memory of the
// previous plan.
func (p *stepPlan) lay(rows []Row, r *Recipe, pad int32) {
	if p.slots == nil {
		p.slots = map[int32]int32{}
	}
	clear(p.slots)
	p.rows, p.weightSum, p.tokens, p.targets, p.ids = p.rows[:0], 0, 0, 0, p.ids[:0]
	if pad >= 0 {
		p.slots[pad] = 0
	}
	for lo := 0; lo < len(rows); lo += r.Batch {
		group := rows[lo:min(lo+r.Batch, len(rows))]
		longest := 0
		for _, row := range group {
			longest = max(longest, len(row.Tokens))
		}
		for _, row := range group {
			position := 0
			if r.Padding == PadLeft {
				position = longest - len(row.Tokens)
			}
			p.add(row, position, r.PromptWeight)
		}
	}
}

// next returns the memory for the next planned row, emptied.
func (p *stepPlan) next() *plannedRow {
	n := len(p.rows)
	if n == cap(p.rows) {
		p.rows = append(p.rows, plannedRow{})[:n]
	}
	q := &p.rows[:n+1][n]
	q.labels, q.targets, q.weights = q.labels[:0], q.targets[:0], q.weights[:0]
	return q
}

func (p *stepPlan) add(row Row, position int, promptWeight float64) {
	p.tokens += len(row.Tokens)
	q := p.next()
	q.position = position
	for i := 1; i < len(row.Tokens); i++ {
		w := 1.0
		if i < row.Prompt {
			w = promptWeight
		}
		if w == 0 {
			continue
		}
		p.weightSum += w
		q.labels = append(q.labels, int32(i-1))
		q.targets = append(q.targets, row.Tokens[i])
		q.weights = append(q.weights, w)
	}
	p.targets += len(q.labels)
	if len(q.labels) == 0 {
		return
	}
	q.inputs = row.Tokens[:q.labels[len(q.labels)-1]+1]
	for _, id := range q.inputs {
		if _, seen := p.slots[id]; !seen {
			p.slots[id] = int32(sinkRows + len(p.ids))
			p.ids = append(p.ids, id)
		}
	}
	p.rows = p.rows[:len(p.rows)+1]
}

// microBatch is a run of planned rows that are computed together.
type microBatch struct {
	batch
	slots   []int32   // [T] row of the lookup gradient for each token
	labels  []int32   // [R] rows of the batch whose successor is a target
	targets []int32   // [R]
	weights []float64 // [R]
	coef    []float32 // [R] weight / weightSum of the step
	byLabel []int32   // first label row of each sequence, then R
	ce      []float64 // [R] losses, filled by the forward pass
}

// fill sets b to as many of the rows as fit into limit tokens, but at least one, and
// returns the rest. limit 0 means no limit.
func (b *microBatch) fill(rows []plannedRow, p *stepPlan, limit int) []plannedRow {
	b.reset()
	b.slots, b.labels, b.targets, b.weights, b.coef, b.byLabel = b.slots[:0], b.labels[:0], b.targets[:0], b.weights[:0], b.coef[:0], b.byLabel[:0]
	n := 0
	for ; n < len(rows); n++ {
		r := &rows[n]
		if n > 0 && limit > 0 && len(b.ids)+len(r.inputs) > limit {
			break
		}
		base := int32(len(b.ids))
		b.byLabel = append(b.byLabel, int32(len(b.labels)))
		for i, at := range r.labels {
			b.labels = append(b.labels, base+at)
			b.targets = append(b.targets, r.targets[i])
			b.weights = append(b.weights, r.weights[i])
			b.coef = append(b.coef, float32(r.weights[i]/p.weightSum))
		}
		for _, id := range r.inputs {
			b.slots = append(b.slots, p.slots[id])
		}
		b.add(r.inputs, r.position)
	}
	b.byLabel = append(b.byLabel, int32(len(b.labels)))
	b.ce = sized(b.ce, len(b.labels))
	return rows[n:]
}

// Extent is the size of the largest micro-batch, and of the largest step, of some steps.
type Extent struct {
	Tokens  int // tokens computed at once
	Labels  int // label rows computed at once
	Longest int // tokens of the longest sequence
	Step    int // tokens computed in a step
}

// Extent returns the size of a step over rows, without running it. Tokens after a row's
// last target are not computed, nor are rows without a target.
func (r *Recipe) Extent(rows []Row) Extent {
	var e Extent
	tokens, labels := 0, 0
	for _, row := range rows {
		first := 1
		if r.PromptWeight == 0 {
			first = max(1, row.Prompt)
		}
		n := len(row.Tokens)
		if first >= n {
			continue
		}
		if r.MicroTokens > 0 && tokens > 0 && tokens+n-1 > r.MicroTokens {
			tokens, labels = 0, 0
		}
		tokens += n - 1
		labels += n - first
		e.Step += n - 1
		e = e.Max(Extent{Tokens: tokens, Labels: labels, Longest: n - 1})
	}
	return e
}

// Max returns the maximum of each field.
func (e Extent) Max(f Extent) Extent {
	return Extent{max(e.Tokens, f.Tokens), max(e.Labels, f.Labels), max(e.Longest, f.Longest), max(e.Step, f.Step)}
}
