package runner

import (
	"bytes"
	"regexp"
	"testing"
	"time"
)

// A training that went on after 5,000 of 10,000 steps and made 600 in a minute
// has 4,400 to go: seven minutes, not the one of 5,600 steps a minute.
func TestTimeLeftAfterAResumption(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	p.start("train", nil)
	p.resume(5000)
	p.began, p.shown = time.Now().Add(-time.Minute), time.Now().Add(-time.Minute)
	p.step(5600, 10000, 6000, "")
	m := regexp.MustCompile(`^train: 5600/10000, \d+ tokens/s, (\S+) left\n$`).FindStringSubmatch(out.String())
	if m == nil {
		t.Fatalf("%q", out.String())
	}
	if left, err := time.ParseDuration(m[1]); err != nil || left < 7*time.Minute || left > 9*time.Minute {
		t.Errorf("%v left", left)
	}
}

// A line never reaches the end of the terminal's, however long a cell's name is.
func TestProgressFitsTheTerminal(t *testing.T) {
	for _, c := range []struct {
		width int
		want  string
	}{
		{60, "train labels=output: 5/10, 3s left"},
		{34, "train labels=output: 5/10, 3s left"},
		{33, "train labels=outp…: 5/10, 3s left"},
		{18, "tr…: 5/10, 3s left"},
		{10, "…: 5/10, 3"},
		{0, ""},
		{-1, ""},
	} {
		if got := oneLine("train labels=output", "5/10, 3s left", c.width); got != c.want {
			t.Errorf("in %d columns %q, want %q", c.width, got, c.want)
		}
	}
	var out bytes.Buffer
	p := newProgress(&out)
	p.terminal, p.columns = true, func() int { return 20 }
	p.start("train padding=left,labels=output,schedule=cosine", nil)
	p.shown = time.Now().Add(-time.Minute)
	p.step(1, 2, 0, "")
	if m := regexp.MustCompile(`^\r(.*)\x1b\[K$`).FindStringSubmatch(out.String()); m == nil || len([]rune(m[1])) != 19 {
		t.Errorf("%q", out.String())
	}
}
