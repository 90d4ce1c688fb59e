package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"xrun/kernels"
	"xrun/model"
	"xrun/runner/disk"
	"xrun/runner/store"
)

var exportCommand = &command{
	name: "export", args: "RUN CELL DIR", summary: "write a tuned model as a transformers directory", min: 3, max: 3,
	help: `
Writes the weights of one cell of RUN, with its configuration and tokenizer, as a
directory that transformers loads: model.safetensors in f32 (or -dtype bf16),
config.json, tokenizer files. DIR must not exist.

Where run.weights "drop" has removed the cell's weights, -train trains it again
first, to the same bits; the cell then needs the engine that trained it (exit
status 4). They are removed again afterwards if the spec still says so.`,
	define: func(f *flags) {
		f.defineEngine()
		f.set.BoolVar(&f.train, "train", false, "train the cell again if its weights were dropped")
		f.set.StringVar(&f.dtype, "dtype", "f32", "`f32|bf16`: type of the written weights")
	},
	run: func(e *env, f *flags, args []string) error {
		if err := oneOf("dtype", f.dtype, "f32", "bf16"); err != nil {
			return err
		}
		run, cell, to := runNamed(args[0]), args[1], args[2]
		spec, err := specOf(run)
		if err != nil {
			return err
		}
		id, ok := recorded(run)
		if !ok {
			id = planned
		}
		s, err := newStudy(e.disk, spec, storeOf(e.disk, run).Root(), id)
		if err != nil {
			return err
		}
		st := s.trains[cell]
		if st == nil {
			if err := s.missingError(); err != nil {
				return err
			}
			var names []string
			for _, c := range s.cells {
				names = append(names, c.Name)
			}
			return withHint(fmt.Errorf("no cell %q in %s", cell, run), "its cells: %s", strings.Join(names, ", "))
		}
		var base *modelInput
		for _, c := range s.cells {
			if c.Name == cell {
				base = s.models[c.Model]
			}
		}
		if _, err := os.Lstat(to); err == nil {
			return fmt.Errorf("writing %s: it is already there", to)
		}
		dropped := withHint(fmt.Errorf("the weights of cell %s were dropped once its scores were stored (run.weights)", cell),
			"`xrun export -train %s %s %s` trains the cell again, to the same bits; it took %s", quoted(args[0]), quoted(cell), quoted(to), s.took(st))
		again := s.store.Dropped(st.key)
		if again && !f.train {
			return dropped
		}
		x := newExecution(e.ctx, s, e.locker, newProgress(e.stderr))
		if !again {
			if x.engine, err = newEngine(f, 0); err != nil {
				return err
			}
			defer x.engine.Close()
			if err = s.export(x.engine, st, base, to, precisionOf(f.dtype)); err != nil && s.store.Dropped(st.key) {
				return dropped // by a run that ended meanwhile
			}
			return err
		}
		if err := s.missingError(); err != nil {
			return err
		}
		if x.engine, err = engineOf(run, f, spec.Run.Threads); err != nil {
			return err
		}
		defer x.engine.Close()
		if is := x.engine.Numerics(); is != s.numerics {
			return &statusError{exitNoEngine, fmt.Sprintf("%s was computed with %s, the engine here is %s", run, s.numerics, is)}
		}
		s.asked = st
		if err := x.runStage(st); err != nil {
			return err
		}
		err = s.export(x.engine, st, base, to, precisionOf(f.dtype))
		s.asked = nil
		return errors.Join(err, x.dropSpent(st))
	},
}

// took says how long a finished stage took the last time.
func (s *study) took(st *stage) string {
	took, _ := strings.CutPrefix(readLog(s.store.LogPath(st.key)).reason, "in ")
	return took
}

// tokenizerFiles are what a model directory holds beside weights and
// configuration.
var tokenizerFiles = []string{"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
	"chat_template.jinja", "vocab.json", "merges.txt"}

func (s *study) export(engine kernels.Engine, st *stage, base *modelInput, to string, t kernels.DType) error {
	o, err := s.store.Get(st.key)
	if errors.Is(err, store.ErrAbsent) {
		return withHint(fmt.Errorf("%s is not done", st.title), "run the study first")
	}
	if err != nil {
		return err
	}
	if err := o.Verify(); err != nil {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("writing %s: it is already there", to)
	}
	// Hidden, because what a killed export left is removed: DIR.part may be the user's.
	tmp := filepath.Join(filepath.Dir(filepath.Clean(to)), "."+filepath.Base(filepath.Clean(to))+".part")
	if err := disk.RemoveAll(s.disk, tmp); err != nil {
		return err
	}
	if err := disk.MkdirAll(s.disk, tmp); err != nil {
		return fmt.Errorf("writing %s: %w", to, err)
	}
	defer disk.RemoveAll(s.disk, tmp)
	for _, name := range tokenizerFiles {
		b, err := fs.ReadFile(base.dir.FS, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := writeBytes(s.disk, filepath.Join(tmp, name), b); err != nil {
			return err
		}
	}
	m, err := model.Load(engine, os.DirFS(o.Dir()), kernels.F32)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.Save(disk.Dir{FS: s.disk, Path: tmp}, t); err != nil {
		return err
	}
	if err := s.disk.Rename(tmp, to); err != nil {
		return fmt.Errorf("writing %s: %w", to, err)
	}
	return s.disk.SyncDir(filepath.Dir(filepath.Clean(to)))
}
