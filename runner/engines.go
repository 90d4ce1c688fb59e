package runner

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/kernels/cuda"
	"xrun/kernels/cuda/emulated"
	"xrun/kernels/cuda/nvidia"
	"xrun/reports"
)

// engine is an engine with what a run says about it.
type engine struct {
	kernels.Engine
	device     string // empty for the processor
	capability string // "8.9"
	reason     string // why auto did not take the GPU
}

// engineID is what of an engine enters the content keys.
type engineID struct {
	numerics string
	// microShows: gradients depend on the micro-batch.
	microShows bool
}

func identityOf(e kernels.Engine) engineID { return engineID{e.Numerics(), !e.MicroBatchInvariant()} }

// identityFor is the identity of the engines of given numerics.
func identityFor(numerics string) engineID {
	return engineID{numerics, strings.HasPrefix(numerics, "cuda")}
}

// planned is the identity of studies that are looked at and not run.
var planned = engineID{numerics: cpu.Numerics}

// newEngine makes the engine that -engine asks for. auto takes the GPU where
// there is one that can be used, and the processor otherwise.
func newEngine(f *flags, threads int) (*engine, error) {
	if err := f.engineChoice(); err != nil {
		return nil, err
	}
	if f.threads > 0 {
		threads = f.threads
	}
	switch f.engine {
	case "cuda":
		e, err := newCUDA()
		if err == nil && f.capability != "" && e.capability != f.capability {
			err := fmt.Sprintf("engine cuda:%s: %s has compute capability %s", f.capability, e.device, e.capability)
			return nil, errors.Join(&statusError{exitNoEngine, err}, e.Close())
		}
		return e, absent(err)
	case "emulated":
		o := emulated.Options{}
		o.Threads = threads
		return onDriver(emulated.Open(o))
	case "cpu":
		return newCPU(threads, "")
	}
	e, err := newCUDA()
	var none *nvidia.UnavailableError
	if errors.As(err, &none) {
		return newCPU(threads, none.Reason)
	}
	return e, err
}

// newPlanningEngine is newEngine for what plans and does not compute: with the
// compute capability of -engine cuda:8.9 it needs no GPU, so that a login node can
// plan for others.
func newPlanningEngine(f *flags, threads int) (*engine, error) {
	if err := f.engineChoice(); err != nil {
		return nil, err
	}
	major, minor, ok := parseCapability(f.capability)
	if !ok {
		return newEngine(f, threads)
	}
	return &engine{Engine: elsewhere{numerics: cuda.Numerics(major, minor)}, capability: f.capability}, nil
}

// elsewhere stands for the engine of other machines: it has the identity of
// theirs, and computes nothing.
type elsewhere struct {
	kernels.Engine
	numerics string
}

func (elsewhere) Name() string              { return "cuda" }
func (e elsewhere) Numerics() string        { return e.numerics }
func (elsewhere) MicroBatchInvariant() bool { return false }
func (elsewhere) Pass() (int, int64)        { return 0, 0 }
func (elsewhere) Close() error              { return nil }

// here reports whether the engine can compute on this machine.
func (e *engine) here() bool {
	_, away := e.Engine.(elsewhere)
	return !away
}

// absent gives the error of a GPU that is not here its exit status.
func absent(err error) error {
	var none *nvidia.UnavailableError
	if errors.As(err, &none) {
		return withHint(&statusError{exitNoEngine, "engine cuda: " + none.Reason}, "%s", none.Advice)
	}
	return err
}

func newCPU(threads int, reason string) (*engine, error) {
	e, err := cpu.New(cpu.Options{Threads: threads})
	if err != nil {
		return nil, err
	}
	return &engine{Engine: e, reason: reason}, nil
}

func newCUDA() (*engine, error) {
	d, err := nvidia.Open(nvidia.Options{})
	if err != nil {
		return nil, err
	}
	return onDriver(d)
}

func onDriver(d cuda.Driver) (*engine, error) {
	e, err := cuda.New(d, cuda.Options{})
	if err != nil {
		return nil, err
	}
	about := e.Device()
	return &engine{Engine: e, device: about.Name, capability: fmt.Sprintf("%d.%d", about.Major, about.Minor)}, nil
}

// String names the engine as plans do.
func (e *engine) String() string {
	switch {
	case !e.here():
		return fmt.Sprintf("%s of compute capability %s, on another machine", e.Name(), e.capability)
	case e.device != "":
		return fmt.Sprintf("%s on %s, compute capability %s", e.Name(), e.device, e.capability)
	case e.reason != "":
		return fmt.Sprintf("%s (no GPU: %s)", e.Name(), e.reason)
	}
	return e.Name()
}

// recorded returns the identity of the engine that computed a run, from the
// run's facts, or false.
func recorded(dir string) (engineID, bool) {
	facts, err := reports.ReadTable[reports.Fact](filepath.Join(dir, reports.FactsFile))
	if err != nil {
		return engineID{}, false
	}
	for _, f := range facts {
		if f.Section == "study" && f.Key == "numerics" {
			return identityFor(f.Value), true
		}
	}
	return engineID{}, false
}

// engineOf makes the engine that a run was computed with, or one of the same
// numerics; -engine overrides.
func engineOf(dir string, f *flags, threads int) (*engine, error) {
	was, ok := recorded(dir)
	if f.engine == "auto" && ok {
		f.engine = kindOf(was.numerics)
	}
	e, err := newEngine(f, threads)
	if err != nil {
		return nil, err
	}
	if is := e.Numerics(); ok && is != was.numerics && kindOf(is) != "cpu" {
		err := fmt.Errorf("%s was computed with %s, the engine here is %s", dir, was.numerics, is)
		return nil, errors.Join(&statusError{exitNoEngine, err.Error()}, e.Close())
	}
	return e, nil
}

// kindOf returns the value of -engine for an engine's numerics.
func kindOf(numerics string) string {
	switch {
	case strings.HasSuffix(numerics, "emulated"):
		return "emulated"
	case strings.HasPrefix(numerics, "cuda"):
		return "cuda"
	}
	return "cpu"
}
