package schema_test

import (
	"testing"
	"time"

	"xrun/schema"
)

// The six forms of sbatch's manual page, and what is none.
func TestSlurmTime(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"90":         90 * time.Minute,
		"1:30":       time.Minute + 30*time.Second,
		"2:00:05":    2*time.Hour + 5*time.Second,
		"1-2":        26 * time.Hour,
		"1-2:03":     26*time.Hour + 3*time.Minute,
		"1-02:03:04": 26*time.Hour + 3*time.Minute + 4*time.Second,
		"100000-0":   100000 * 24 * time.Hour,
	} {
		if got, err := schema.SlurmTime(s); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "0", "0:00", "-1", "1h", "1:2:3:4", "1-", "-", "1-2-3", "1.5", "9999999", "1: 2", "+5"} {
		if got, err := schema.SlurmTime(s); err == nil {
			t.Errorf("%q: read as %v", s, got)
		}
	}
}
