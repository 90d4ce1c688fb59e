package runner

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"xrun/runner/disk"
	"xrun/runner/lock"
	"xrun/schema"
)

var runCommand = &command{
	name: "", args: "SPEC", summary: "run what is missing and write the report", min: 1, max: 1,
	help: `
Runs the study that SPEC (CUE or YAML) describes: trains every cell of its
matrix, evaluates base and tuned models, and writes RUNS/NAME/report.md with its
tables, plots and TensorBoard events. Finished stages are found in RUNS/.store by
content key and never run twice; an interrupted run continues from its last
checkpoint, with the same bits. The weights of trained cells stay there for xrun
export, unless run.weights is "drop".

The first interrupt (Ctrl-C or SIGTERM) lets the training step end, writes a
checkpoint and says how to go on; the second stops at once. Exit status: 0 done;
1 failed, or some cell failed and the report says which; 2 wrong usage; 4 the
engine is not here; 130 interrupted.

With -executor slurm the stages run as job arrays of a Slurm cluster that shares
RUNS with this machine (run.resources says what each asks for). This process
submits, waits and writes the report; run again after it was killed or
interrupted, it finds its jobs and submits nothing twice. An interrupt asks whether
to cancel them.`,
	define: func(f *flags) { f.defineTags(); f.defineRuns(); f.defineEngine(); f.defineExecutor() },
	run: func(e *env, f *flags, args []string) error {
		if err := oneOf("executor", f.executor, "local", "slurm"); err != nil {
			return err
		}
		tags, err := f.tagMap()
		if err != nil {
			return err
		}
		spec, err := schema.Load(args[0], schema.Options{Tags: tags})
		if err != nil {
			return err
		}
		open := newEngine
		if f.executor == "slurm" {
			open = newPlanningEngine
		}
		engine, err := open(f, spec.Run.Threads)
		if err != nil {
			return err
		}
		defer engine.Close()
		s, err := newStudy(e.disk, spec, storeDir(f.runs), identityOf(engine))
		if err != nil {
			return err
		}
		s.specPath, s.tags = args[0], f.tags
		dir := runDir(f.runs, s.spec)
		verdict, failed, err := s.runAll(e, f, engine, dir)
		if err != nil {
			return err
		}
		fmt.Fprintln(e.stdout, verdict)
		fmt.Fprintf(e.stdout, "report: %s\n", filepath.Join(dir, "report.md"))
		if failed > 0 {
			return fmt.Errorf("%s failed; the report says which and why", plural(failed, "stage"))
		}
		return nil
	},
}

// runAll executes the missing stages and writes the run directory. It returns
// the report's verdict and how many stages failed.
func (s *study) runAll(e *env, f *flags, engine *engine, dir string) (verdict string, failed int, err error) {
	if err := s.missingError(); err != nil {
		return "", 0, err
	}
	if err := disk.MkdirAll(e.disk, dir); err != nil {
		return "", 0, fmt.Errorf("making the run directory: %w", err)
	}
	show := newProgress(e.stderr)
	held, err := lockRun(e.ctx, e.locker, dir, show)
	if err != nil {
		return "", 0, err
	}
	defer held.Release()
	if err := s.store.Make(); err != nil {
		return "", 0, err
	}
	if h, held, dead := lock.State(gcLock(s.store)); held && !dead {
		return "", 0, withHint(fmt.Errorf("the store is being collected by %v", h), "run the same command when it is done")
	}
	if err := disk.RemoveUnfinished(e.disk, dir); err != nil {
		return "", 0, err
	}
	if old, err := specOf(dir); err == nil && old.Scale != s.spec.Scale {
		show.line("%s held the study at scale %q: its report is replaced, what was computed for it stays until xrun store gc -other-scales; -runs keeps the two apart", dir, old.Scale)
	}
	if err := s.writePlan(dir); err != nil {
		return "", 0, err
	}
	// Checkpoints by time are left out: how many there will be is not known here.
	if free := s.freeDisk(); free >= 0 {
		certain := pace{flops: math.Inf(1)}
		if use := s.plannedDisk(certain); use.most > free {
			show.line("this run writes up to %s: %s", byteText(use.most), s.tooFull(free, certain))
		}
	}
	x := newExecution(e.ctx, s, e.locker, show)
	x.engine = engine
	began := time.Now()
	execute := x.run
	if f.executor == "slurm" {
		execute = func() error { return x.runOnSlurm(e, f) }
	}
	if err := execute(); err != nil {
		if errors.Is(err, e.ctx.Err()) {
			return "", 0, withHint(&statusError{exitInterrupted, "interrupted; what is finished is kept"}, "to go on: %s", e.commandLine())
		}
		return "", 0, err
	}
	of := s.reportKey()
	if verdict, ok := madeBefore(dir, of); ok {
		s.in.digests.Save()
		return verdict, 0, nil
	}
	run, err := s.assemble(x.failures)
	if err != nil {
		return "", 0, err
	}
	if verdict, err = s.writeRun(dir, run); err != nil {
		return "", 0, err
	}
	if s.specPath != "" {
		if err := copySpec(e.disk, dir, s.specPath); err != nil {
			return "", 0, err
		}
	}
	made, err := reportMade(dir, of, verdict)
	if err != nil {
		return "", 0, err
	}
	if err := s.writeProvenance(e, dir, x, began, made); err != nil {
		return "", 0, err
	}
	s.in.digests.Save()
	return verdict, len(x.failures), nil
}
