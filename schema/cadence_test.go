package schema_test

import (
	"encoding/json"
	"testing"
	"time"

	"xrun/schema"
)

func TestCadenceIsStepsOrATime(t *testing.T) {
	for text, want := range map[string]schema.Cadence{
		`0`: {}, `3`: {Steps: 3}, `"10m"`: {Time: 10 * time.Minute}, `"90s"`: {Time: 90 * time.Second}, `"2h"`: {Time: 2 * time.Hour},
	} {
		var got schema.Cadence
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s is %+v, %v; want %+v", text, got, err, want)
		}
		if b, err := json.Marshal(got); err != nil || string(b) != text {
			t.Errorf("%s is written as %s, %v", text, b, err)
		}
	}
	for _, text := range []string{`-1`, `1.5`, `"10"`, `"0m"`, `"-1m"`, `"1.5s"`, `"100ms"`, `"soon"`, `true`, `9e30`} {
		var got schema.Cadence
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s is read as %+v", text, got)
		}
	}
}

// TestCheckpointEvery reads both forms from a spec and back from spec.json.
func TestCheckpointEvery(t *testing.T) {
	load := func(every string) (*schema.Spec, error) {
		text := `question: "How often?"
matrix: {model: ["builtin:tiny"]}
data: source: "builtin:tiny/instruct.json"
run: checkpointEvery: ` + every + "\n"
		return schema.Load("s.cue", schema.Options{Read: func(string) ([]byte, error) { return []byte(text), nil }})
	}
	for every, want := range map[string]schema.Cadence{`20`: {Steps: 20}, `"15m"`: {Time: 15 * time.Minute}} {
		s, err := load(every)
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := schema.FromJSON(b)
		if err != nil {
			t.Fatal(err)
		}
		if s.Run.CheckpointEvery != want || again.Run.CheckpointEvery != want {
			t.Errorf("%s is %+v, and %+v from spec.json; want %+v", every, s.Run.CheckpointEvery, again.Run.CheckpointEvery, want)
		}
	}
	for _, every := range []string{`"10"`, `"0m"`, `-1`, `"99999999999999h"`} {
		if _, err := load(every); err == nil {
			t.Errorf("checkpointEvery: %s is taken", every)
		}
	}
}
