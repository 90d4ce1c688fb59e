package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"xrun/runner/disk"
)

// A run directory holds the report of one scale, the last that was run. What the
// study was planned as at the others is remembered in hidden files, which no
// comparison of runs reads, so that collecting the store does not take what days were
// spent on because a smoke test came after.
const scalePrefix = ".scale-"

// runPlan is what one run directory wants of the store, at one scale.
type runPlan struct {
	Run     string        `json:"-"` // the directory's name
	Earlier bool          `json:"-"` // than the plan that the directory holds
	Scale   string        `json:"scale"`
	Drops   bool          `json:"drops"` // weights, see run.weights
	Stages  []stageRecord `json:"stages"`
}

// name is the run's, with an earlier scale.
func (p runPlan) name() string {
	switch {
	case !p.Earlier:
		return p.Run
	case p.Scale == "":
		return p.Run + " (no scale)"
	}
	return fmt.Sprintf("%s (scale %s)", p.Run, p.Scale)
}

func scalePath(dir, scale string) string {
	return filepath.Join(dir, scalePrefix+digestBytes([]byte(scale))[:16]+".json")
}

// rememberScale keeps the plan that a run directory holds if it is of another scale
// than the study, and forgets the one kept of the study's own.
func (s *study) rememberScale(dir string) error {
	old, err := specOf(dir)
	if err != nil || old.Scale == s.spec.Scale {
		return nil
	}
	p := runPlan{Scale: old.Scale, Drops: dropsWeights(dir)}
	if p.Stages, err = readPlan(dir); err != nil {
		return nil
	}
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return rewriteBytes(s.disk, scalePath(dir, old.Scale), append(b, '\n'))
}

// forgetScale removes what was remembered of the study's own scale: the plan says
// it now.
func (s *study) forgetScale(dir string) error {
	path := scalePath(dir, s.spec.Scale)
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	return s.disk.Remove(path)
}

// forgetScales removes what every run directory remembers of earlier scales.
func forgetScales(fsys disk.FS, runs string) error {
	remembered, err := filepath.Glob(filepath.Join(globQuote(runs), "*", scalePrefix+"*.json"))
	for _, path := range remembered {
		err = errors.Join(err, fsys.Remove(path))
	}
	return err
}

// plansIn lists what the run directories beside a store were planned as: the plan
// that each holds, and those of its earlier scales.
func plansIn(runs string) ([]runPlan, error) {
	names, err := runsIn(runs)
	if err != nil {
		return nil, err
	}
	var plans []runPlan
	for _, name := range names {
		dir := filepath.Join(runs, name)
		now := runPlan{Run: name, Drops: dropsWeights(dir)}
		if now.Stages, err = plannedIn(dir); err != nil {
			return nil, withHint(err, "what this run uses cannot be told; run it again or remove its directory")
		}
		plans = append(plans, now)
		earlier, err := filepath.Glob(filepath.Join(globQuote(dir), scalePrefix+"*.json"))
		if err != nil {
			return nil, err
		}
		for _, path := range earlier {
			p := runPlan{Run: name, Earlier: true}
			raw, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue // forgotten meanwhile
			}
			if err == nil {
				err = json.Unmarshal(raw, &p)
			}
			if err != nil {
				return nil, withHint(fmt.Errorf("reading %s: %w", path, err), "it says what an earlier scale of the run uses; remove it to have that collected")
			}
			plans = append(plans, p)
		}
	}
	return plans, nil
}
