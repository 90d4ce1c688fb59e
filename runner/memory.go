package runner

import (
	"fmt"
	"strconv"
	"strings"

	"xrun/model"
	"xrun/schema"
)

// defaultMemory bounds a run's activations when the spec's run.memory does not.
const defaultMemory = 4 << 30

// microTokens is how many tokens are in flight at once in training: as many as
// the memory budget holds, at least one full-length row, at most the step. It is
// a choice of memory only, and depends on the spec alone, because some engines'
// results depend on it.
func microTokens(r schema.Run, c model.Config, cell schema.Cell) int {
	budget, err := parseBytes(r.Memory)
	if err != nil || budget == 0 {
		budget = defaultMemory
	}
	step := cell.Data.MaxLength * cell.Train.Batch * cell.Train.Accumulate
	tokens := step
	for tokens > cell.Data.MaxLength && model.TrainMemory(c, precisionOf(cell.Train.Precision), tokens, step).Activations > budget {
		tokens /= 2
	}
	return max(tokens, cell.Data.MaxLength)
}

// parseBytes reads a size such as "8GiB", "500MB" or a number of bytes; "" is 0.
func parseBytes(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	units := []struct {
		suffix string
		size   float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1}}
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || v < 0 || v*u.size > 1<<62 {
			break
		}
		return int64(v * u.size), nil
	}
	return 0, fmt.Errorf("%q is not a size; write 8GiB or 500MB", s)
}

// trainMemory predicts the bytes a cell's training takes.
func trainMemory(r schema.Run, c model.Config, cell schema.Cell) model.TrainBytes {
	step := cell.Data.MaxLength * cell.Train.Batch * cell.Train.Accumulate
	return model.TrainMemory(c, precisionOf(cell.Train.Precision), microTokens(r, c, cell), step)
}
