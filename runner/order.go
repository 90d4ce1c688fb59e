package runner

import (
	"math"

	"xrun/kernels/num"
	"xrun/schema"
)

// stepsOf returns the optimizer steps of a training run over rows rows: the last
// batch of an epoch may be short, a step never spans two epochs, and a
// fractional number of epochs is rounded up to whole steps (as transformers'
// Trainer counts them).
func stepsOf(t schema.Train, rows int) (perEpoch, total int) {
	if rows == 0 {
		return 0, 0
	}
	perStep := t.Batch * t.Accumulate
	perEpoch = (rows + perStep - 1) / perStep
	return perEpoch, int(math.Ceil(float64(t.Epochs * float64(perEpoch))))
}

// warmupSteps resolves a warm-up given in steps or, below 1, as a share of all.
func warmupSteps(w float64, steps int) int {
	if w < 1 {
		w = math.Ceil(float64(w * float64(steps)))
	}
	return int(w)
}

// purposeShuffle separates the generator's uses; see num.Philox.
const purposeShuffle = 1

// epochOrder returns the order in which an epoch visits n rows. It depends on
// (seed, epoch, n) only: a Fisher–Yates shuffle from the end. The positions i = n−1
// … 1 take the draws of Philox4x32-10 keyed by (seed, purpose, epoch) one after the
// other, each mapped to j in [0, i] by the high half of its 128-bit product with
// i + 1; see num.Philox.
func epochOrder(n int, seed uint64, epoch int, shuffle bool) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	if !shuffle {
		return order
	}
	draws := num.NewPhilox(seed, purposeShuffle, uint64(epoch))
	for i := n - 1; i > 0; i-- {
		j := draws.Below(uint64(i) + 1)
		order[i], order[j] = order[j], order[i]
	}
	return order
}
