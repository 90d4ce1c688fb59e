package schema

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SlurmTime reads a time limit in one of sbatch's forms: minutes,
// minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes or
// days-hours:minutes:seconds.
func SlurmTime(s string) (time.Duration, error) {
	days, rest, dashed := strings.Cut(s, "-")
	if !dashed {
		days, rest = "0", s
	}
	parts := strings.Split(rest, ":")
	units := []time.Duration{time.Hour, time.Minute, time.Second}
	switch {
	case len(parts) > 3:
		return 0, badTime(s)
	case !dashed && len(parts) < 3: // minutes come first
		units = units[1:]
	}
	total, err := timePart(days, 24*time.Hour)
	for i, p := range parts {
		d, perr := timePart(p, units[i])
		if err != nil || perr != nil {
			return 0, badTime(s)
		}
		total += d
	}
	if total <= 0 {
		return 0, badTime(s)
	}
	return total, nil
}

// timePart reads up to six digits, which keeps every sum far from overflow.
func timePart(s string, unit time.Duration) (time.Duration, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || len(s) > 6 || n > 100000 {
		return 0, badTime(s)
	}
	return time.Duration(n) * unit, nil
}

const timeForms = `write "90" (minutes), "12:00:00" or "2-00:00:00" (days-hours:minutes:seconds)`

func badTime(s string) error {
	return fmt.Errorf("%q is not a time limit above zero; %s", s, timeForms)
}

// checkResources refuses a time limit that sbatch would refuse hours later.
func (c *checker) checkResources(s *Spec) {
	if r := s.Run.Resources; r != nil && r.Time != "" {
		if _, err := SlurmTime(r.Time); err != nil {
			c.add("run.resources.time", fmt.Sprintf("is %q, which is not a time limit above zero", r.Time), timeForms)
		}
	}
}
