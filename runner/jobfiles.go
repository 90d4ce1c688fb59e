package runner

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"xrun/runner/disk"
	"xrun/runner/slurm"
	"xrun/runner/store"
)

// jobFiles is where an executor and the stage processes it starts meet: the
// directory RUNS/.slurm/NAME. It holds, for every array ARRAY submitted,
//
//	ARRAY.tasks    one line a task: its index and the keys of its stages
//	ARRAY.sh       the batch script
//	ARRAY-N.log    what task N printed, all its attempts
//	ARRAY-N.json   how the stages of task N ended
//
// and plan-DIGEST.json, what a stage process must know of the study. The programs
// that planned are kept in RUNS/.slurm/bin, since the one that was started may be
// gone or replaced when a job's turn comes.
type jobFiles struct {
	disk disk.FS
	root string // RUNS/.slurm, absolute
	dir  string // RUNS/.slurm/NAME
}

func jobFilesOf(fsys disk.FS, runs, name string) (jobFiles, error) {
	root, err := filepath.Abs(filepath.Join(runs, ".slurm"))
	return jobFiles{disk: fsys, root: root, dir: filepath.Join(root, name)}, err
}

// jobPlan is what a stage process knows of the study: enough to plan it again.
type jobPlan struct {
	Runs     string          `json:"runs"` // absolute path
	Spec     json.RawMessage `json:"spec"` // as schema.Spec.JSON writes it
	Engine   string          `json:"engine"`
	Numerics string          `json:"numerics"` // of the engine the keys were made for
	Threads  int             `json:"threads"`
}

// writePlan writes the plan and returns its path.
func (j jobFiles) writePlan(p jobPlan) (string, error) {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	path := filepath.Join(j.dir, "plan-"+hex.EncodeToString(sum[:6])+".json")
	return path, writeBytes(j.disk, path, append(b, '\n'))
}

func readJobPlan(path string) (jobPlan, error) {
	var p jobPlan
	b, err := os.ReadFile(path)
	if err != nil {
		return p, fmt.Errorf("reading the plan: %w", err)
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return p, fmt.Errorf("reading the plan %s: %w", path, err)
	}
	return p, nil
}

// keepProgram copies the running program under its digest, once, and returns the
// copy's path.
func (j jobFiles) keepProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	f, err := os.Open(self)
	if err != nil {
		return "", fmt.Errorf("reading this program: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("reading this program: %w", err)
	}
	path := filepath.Join(j.root, "bin", "xrun-"+hex.EncodeToString(h.Sum(nil)[:6]))
	if st, err := os.Stat(path); err == nil && st.Mode()&0o111 != 0 {
		return path, nil
	}
	err = disk.WriteFile(j.disk, path, func(w io.Writer) error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err := io.Copy(w, f)
		return err
	})
	if err != nil {
		return "", err
	}
	return path, os.Chmod(path, 0o755)
}

// newArrayName returns a name that no array ever had.
func newArrayName(study string) string {
	var b [5]byte
	rand.Read(b[:])
	plain := strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '_' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '_'
	}, study)
	return "xrun-" + plain + "-" + hex.EncodeToString(b[:])
}

// jobArray is an array about to be submitted.
type jobArray struct {
	name    string
	indices []int
	tasks   []*task // parallel to indices
}

// write makes the array's files and returns the script's path.
func (j jobFiles) write(a jobArray, program, plan string) (string, error) {
	var list bytes.Buffer
	for i, t := range a.tasks {
		fmt.Fprintf(&list, "%d %s\n", a.indices[i], words(t.keys()))
	}
	base := filepath.Join(j.dir, a.name)
	if err := writeBytes(j.disk, base+".tasks", list.Bytes()); err != nil {
		return "", err
	}
	q := slurm.Quote
	script := fmt.Sprintf(`#!/bin/bash
# Written by xrun. Task N of this array runs the stages on the line of
# %s that begins with N.
set -eu
keys=$(sed -n "s/^$SLURM_ARRAY_TASK_ID //p" %s)
exec %s stage -outcome %s-"$SLURM_ARRAY_TASK_ID".json -job "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" %s $keys
`, a.name+".tasks", q(base+".tasks"), q(program), q(base), q(plan))
	return base + ".sh", writeBytes(j.disk, base+".sh", []byte(script))
}

// remove takes back the files of an array that was not submitted.
func (j jobFiles) remove(base string) {
	j.disk.Remove(base + ".tasks")
	j.disk.Remove(base + ".sh")
}

// place is a task of a submitted array: the common beginning of its files' names
// and its index. The zero place is none.
type place struct {
	base  string
	index int
}

func (p place) file(ending string) string { return fmt.Sprintf("%s-%d.%s", p.base, p.index, ending) }

// submissions knows every array below RUNS/.slurm, those of other studies too:
// they share the store.
type submissions struct {
	bases map[string]string // by array name
	keys  map[place][]store.Key
}

func (j jobFiles) submissions() (submissions, error) {
	all := submissions{map[string]string{}, map[place][]store.Key{}}
	lists, err := filepath.Glob(filepath.Join(globQuote(j.root), "*", "*.tasks"))
	if err != nil {
		return all, err
	}
	for _, path := range lists {
		b, err := os.ReadFile(path)
		if err != nil {
			return all, fmt.Errorf("reading %s: %w", path, err)
		}
		base := strings.TrimSuffix(path, ".tasks")
		all.bases[filepath.Base(base)] = base
		if err := parseTasks(b, func(index int, keys []store.Key) { all.keys[place{base, index}] = keys }); err != nil {
			return all, fmt.Errorf("%s:%w", path, err)
		}
	}
	return all, nil
}

// globQuote makes a pattern that matches a path itself.
func globQuote(path string) string {
	return strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]").Replace(path)
}

// place finds a task that Slurm lists; ok is false if it is none of ours.
func (s submissions) place(t slurm.Task) (p place, ok bool) {
	base, ok := s.bases[t.Name]
	return place{base, t.Index}, ok
}

// parseTasks reads a list of tasks. An error begins with the line's number.
func parseTasks(b []byte, each func(index int, keys []store.Key)) error {
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, len(b)+1)
	for n := 1; sc.Scan(); n++ {
		f := strings.Fields(sc.Text())
		if len(f) < 2 {
			return fmt.Errorf("%d: want an index and keys", n)
		}
		index, err := strconv.Atoi(f[0])
		if err != nil || index < 0 {
			return fmt.Errorf("%d: %q is no index", n, f[0])
		}
		keys := make([]store.Key, len(f)-1)
		for i, k := range f[1:] {
			keys[i] = store.Key(k)
			if !keys[i].Valid() {
				return fmt.Errorf("%d: %q is no key", n, k)
			}
		}
		each(index, keys)
	}
	return sc.Err()
}

// outcome is how the stages of one task ended, as far as they did.
type outcome struct {
	Job    string         `json:"job"`
	Host   string         `json:"host"`
	Starts int            `json:"starts"` // 1 for a task that was never requeued
	Stages []stageOutcome `json:"stages"`
}

type stageOutcome struct {
	Key     store.Key `json:"key"`
	Seconds float64   `json:"seconds"`
	Error   string    `json:"error,omitempty"`
}

func (o outcome) of(k store.Key) (stageOutcome, bool) {
	for _, s := range o.Stages {
		if s.Key == k {
			return s, true
		}
	}
	return stageOutcome{}, false
}

// set replaces or adds the outcome of a stage.
func (o *outcome) set(s stageOutcome) {
	for i := range o.Stages {
		if o.Stages[i].Key == s.Key {
			o.Stages[i] = s
			return
		}
	}
	o.Stages = append(o.Stages, s)
}

// readOutcome reads an outcome; one that is not there is empty.
func readOutcome(path string) (outcome, error) {
	var o outcome
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err != nil {
		return o, err
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return o, fmt.Errorf("reading %s: %w", path, err)
	}
	return o, nil
}

func writeOutcome(fsys disk.FS, path string, o outcome) error {
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return writeBytes(fsys, path, append(b, '\n'))
}
