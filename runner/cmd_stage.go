package runner

import (
	"errors"
	"fmt"

	"xrun/runner/store"
)

// stageCommand runs one stage in a process of its own. It is how a job of
// another machine does its part; people have no need of it, and help does not
// list it.
var stageCommand = &command{
	name: "stage", args: "RUN KEY", summary: "run one stage of a run", min: 2, max: 2, hidden: true,
	help: `
Runs the stage KEY of the run directory RUN, whose plan xrun wrote there, and
stores its result; finds it done if it is. The stages it needs must be done. An
interrupt makes a training write a checkpoint first, from which the next attempt
goes on.`,
	define: func(f *flags) { f.defineEngine() },
	run: func(e *env, f *flags, args []string) error {
		run, key := args[0], store.Key(args[1])
		s, err := readStudy(e.disk, run, storeOf(e.disk, run).Root())
		if err != nil {
			return err
		}
		if err := s.missingError(); err != nil {
			return err
		}
		st := s.byKey[key]
		if st == nil {
			return withHint(fmt.Errorf("no stage %s in %s as this machine sees it", key.Short(), run),
				"its inputs, or this build of xrun, are not those that planned the run")
		}
		for _, need := range st.needs {
			if !s.done(need) {
				return fmt.Errorf("%s needs %s, which is not done", st.title, need.title)
			}
		}
		engine, err := newEngine(f, s.spec.Run.Threads)
		if err != nil {
			return err
		}
		defer engine.Close()
		x := &execution{study: s, ctx: e.ctx, engine: engine, locker: e.locker, progress: newProgress(e.stderr), failures: map[*stage]error{}}
		defer x.unload()
		err = x.runStage(st)
		if errors.Is(err, e.ctx.Err()) && err != nil {
			return &statusError{exitInterrupted, st.title + ": interrupted"}
		}
		return err
	},
}
