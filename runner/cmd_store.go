package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"xrun/reports"
	"xrun/runner/lock"
	"xrun/runner/store"
)

var storeCommand = &command{
	name: "store", args: "ls|gc|verify", summary: "list, tidy or check the finished stages", min: 1, max: 1,
	help: `
The store, RUNS/.store, holds the result of every finished stage under its content
key, the checkpoints of those in progress, and nothing else.

ls      lists what is in it: state, key, kind of stage, size, age, and the run
        directories whose plan names it.
gc      removes what no run directory's plan names, what was set aside as damaged,
        and what killed processes left; first with -dry-run to see it. What a run
        directory was planned as at another scale stays too, unless -other-scales
        is given. Refuses while a run goes on.
        Weights that run.weights "drop" removed are shown as dropped; a training
        that is half trained again is kept while a run names it.
verify  reads every finished stage and checks its digests. Names each damaged
        file, and with -set-aside moves its stage out of the way so that the next
        run makes it again. Exit status 1 when something is damaged.`,
	define: func(f *flags) {
		f.defineRuns()
		f.set.BoolVar(&f.json, "json", false, "ls: print JSON")
		f.set.BoolVar(&f.dryRun, "dry-run", false, "gc: say what would be removed, remove nothing")
		f.set.BoolVar(&f.otherScales, "other-scales", false, "gc: remove too what run directories use at earlier scales only")
		f.set.BoolVar(&f.setAside, "set-aside", false, "verify: move damaged stages out of the way")
	},
	run: func(e *env, f *flags, args []string) error {
		s := store.At(e.disk, storeDir(f.runs))
		switch args[0] {
		case "ls":
			return e.storeList(s, f)
		case "gc":
			return e.storeCollect(s, f)
		case "verify":
			return e.storeVerify(s, f.setAside)
		}
		return unknown("store command", args[0], []string{"ls", "gc", "verify"})
	},
}

// runsIn lists the run directories beside a store.
func runsIn(runs string) ([]string, error) {
	entries, err := os.ReadDir(runs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	var out []string
	for _, d := range entries {
		if d.IsDir() && !strings.HasPrefix(d.Name(), ".") {
			out = append(out, d.Name())
		}
	}
	return out, nil
}

// usersOf says which run directories name a key in their plan, with the earlier
// scales of each if they count too.
func usersOf(runs string, earlier bool) (map[store.Key][]string, error) {
	plans, err := plansIn(runs)
	if err != nil {
		return nil, err
	}
	users := map[store.Key][]string{}
	for _, p := range plans {
		if p.Earlier && !earlier {
			continue
		}
		for _, st := range p.Stages {
			if u, name := users[st.Key], p.name(); len(u) == 0 || u[len(u)-1] != name {
				users[st.Key] = append(u, name)
			}
		}
	}
	return users, nil
}

// plannedIn finds the stages of a run directory; none where it is no run's.
func plannedIn(dir string) ([]stageRecord, error) {
	if _, err := os.Stat(filepath.Join(dir, planName)); errors.Is(err, fs.ErrNotExist) {
		return plannedByFacts(dir)
	}
	return readPlan(dir)
}

// plannedByFacts finds the stages of a run directory without a plan, such as a
// committed report, by its facts.
func plannedByFacts(dir string) ([]stageRecord, error) {
	facts, err := reports.ReadTable[reports.Fact](filepath.Join(dir, reports.FactsFile))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, specName)); errors.Is(err, fs.ErrNotExist) {
			return nil, nil // no run at all
		}
	}
	if err != nil {
		return nil, err
	}
	var out []stageRecord
	for _, f := range facts {
		if f.Section == "keys" {
			out = append(out, stageRecord{Title: f.Key, Key: store.Key(f.Value)})
		}
	}
	return out, nil
}

// storeEntry is one line of ls.
type storeEntry struct {
	State string    `json:"state"`
	Key   store.Key `json:"key,omitempty"`
	Name  string    `json:"name"`
	Stage string    `json:"stage,omitempty"`
	// Dropped are the files removed by run.weights "drop".
	Dropped []string  `json:"dropped,omitempty"`
	Size    int64     `json:"size"`
	Since   time.Time `json:"modified"`
	Runs    []string  `json:"runs,omitempty"`
}

func (e *env) storeList(s *store.Store, f *flags) error {
	entries, err := s.List()
	if err != nil {
		return err
	}
	users, err := usersOf(f.runs, true)
	if err != nil {
		return err
	}
	lines := make([]storeEntry, len(entries))
	var total int64
	for i, x := range entries {
		lines[i] = storeEntry{string(x.State), x.Key, x.Name, x.Stage, x.Dropped, x.Size, x.Modified.UTC(), users[x.Key]}
		total += x.Size
	}
	if f.json {
		return e.printJSON(lines)
	}
	t := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		name := l.Name
		if l.Key != "" {
			name = l.Key.Short()
		}
		used := strings.Join(l.Runs, ", ")
		if used == "" && l.Key != "" {
			used = "no run"
		}
		stage := l.Stage
		if l.Dropped != nil {
			stage += ", weights dropped"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", l.State, name, stage, byteText(l.Size), ageText(time.Since(l.Since)), used)
	}
	t.Flush()
	root := s.Root()
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		root += ", which does not exist"
	}
	_, err = fmt.Fprintf(e.stdout, "%s in %s\n", byteText(total), root)
	return err
}

// gcLock is the lock under which a store is collected. A run takes its own lock
// first and then looks for this one; collecting takes this one first and then
// looks for the runs'. So each sees the other.
func gcLock(s *store.Store) string { return filepath.Join(s.Root(), "gc.lock") }

// storeCollect removes what nothing names.
func (e *env) storeCollect(s *store.Store, f *flags) error {
	if _, err := os.Stat(s.Root()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !f.dryRun {
		release, err := e.stopWork(s, f.runs)
		if err != nil {
			return err
		}
		defer release()
	}
	users, err := usersOf(f.runs, !f.otherScales)
	if err != nil {
		return err
	}
	entries, err := s.List()
	if err != nil {
		return err
	}
	var freed int64
	for _, x := range entries {
		why := garbage(s, x, users)
		if why == "" {
			continue
		}
		size, discard := x.Size, func() error { return s.Discard(x) }
		if why == halfDropped {
			size, discard = x.Lingering, func() error {
				_, err := s.Drop(x.Key, x.Dropped, func() bool { return false })
				return err
			}
		}
		freed += size
		fmt.Fprintf(e.stdout, "%s %s: %s, %s\n", x.State, x.Name, byteText(size), why)
		if !f.dryRun {
			if err := discard(); err != nil {
				return err
			}
		}
	}
	verb := "freed"
	if f.dryRun {
		verb = "would free"
	} else if f.otherScales {
		if err := forgetScales(e.disk, f.runs); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(e.stdout, "%s %s\n", verb, byteText(freed))
	return err
}

// leftoverAge is how old an unfinished file must be to be one that its process
// will not finish: planning takes no lock.
const leftoverAge = time.Hour

// halfDropped is why files of an object go whose removal was cut short.
const halfDropped = "weights whose removal was cut short"

// garbage says why an entry may go; "" for one that stays.
func garbage(s *store.Store, x store.Entry, users map[store.Key][]string) string {
	switch x.State {
	case store.Finished:
		if users[x.Key] == nil {
			return "no run names it"
		}
		if x.Lingering > 0 {
			return halfDropped
		}
	case store.Part:
		if users[x.Key] == nil {
			return "no run names it"
		}
		if s.Has(x.Key) && !s.Dropped(x.Key) {
			return "its stage is finished"
		}
	case store.Damaged:
		return "set aside as damaged"
	case store.Leftover:
		if time.Since(x.Modified) > leftoverAge {
			return "left by a killed process"
		}
	}
	return ""
}

// stopWork takes the locks of the store, of every run and of every stage, so
// that nobody works in the store; it takes over the dead ones. release gives
// them back.
func (e *env) stopWork(s *store.Store, runs string) (release func(), err error) {
	var held []*lock.Lock
	release = func() {
		for _, k := range held {
			k.Release()
		}
	}
	paths := []string{gcLock(s)}
	names, err := runsIn(runs)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		paths = append(paths, filepath.Join(runs, n, lockName))
	}
	stages, err := filepath.Glob(filepath.Join(s.Root(), "*"+store.LockSuffix))
	if err != nil {
		return nil, err
	}
	sort.Strings(stages)
	for _, p := range stages {
		if p != gcLock(s) {
			paths = append(paths, p)
		}
	}
	p := newProgress(e.stderr)
	for _, path := range paths {
		k, err := e.locker.Acquire(e.ctx, path, "collects the store", func(h lock.Holder) {
			p.line("%s is held by %v; watching for %s whether it lives", path, h, e.locker.Patience)
		})
		if err != nil {
			release()
			var held *lock.HeldError
			if err = fmt.Errorf("%s: %w", path, err); errors.As(err, &held) {
				err = withHint(err, "collect when it is done; -dry-run may be asked at any time")
			}
			return nil, err
		}
		held = append(held, k)
	}
	return release, nil
}

func (e *env) storeVerify(s *store.Store, setAside bool) error {
	keys, err := s.Keys()
	if err != nil {
		return err
	}
	bad, dropped := 0, 0
	for _, k := range keys {
		o, err := s.Get(k)
		if err == nil && o.Dropped != nil {
			dropped++
		}
		if err == nil {
			err = o.Verify()
		}
		var damaged *store.DamagedError
		if err != nil && !errors.As(err, &damaged) {
			return err
		}
		if err == nil {
			continue
		}
		bad++
		fmt.Fprintf(e.stdout, "%v\n", err)
		if setAside {
			to, err := s.SetAside(k)
			if err != nil {
				return err
			}
			fmt.Fprintf(e.stdout, "  set aside as %s\n", to)
		}
	}
	if bad > 0 {
		err := fmt.Errorf("%s of %d damaged", plural(bad, "stage"), len(keys))
		if setAside {
			return withHint(err, "the runs that need them make them again")
		}
		return withHint(err, "with -set-aside, the runs that need them make them again")
	}
	without := ""
	if dropped > 0 {
		without = fmt.Sprintf(", %d without the weights that were dropped", dropped)
	}
	fmt.Fprintf(e.stdout, "verified: %s in %s%s\n", plural(len(keys), "finished stage"), s.Root(), without)
	return nil
}
