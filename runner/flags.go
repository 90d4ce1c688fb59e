package runner

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"xrun/kernels/cuda"
)

// flags holds the flags of one command. Commands share names and meanings, so
// each flag is defined once, here.
type flags struct {
	capability string // of -engine cuda:8.9

	set     *flag.FlagSet
	tags    []string
	runs    string
	out     string
	engine  string
	threads int
	json    bool
	failOn  string
	format  string
	dtype   string
	maxNew  int
	temp    float64
	topK    int
	topP    float64
	seed    uint64
	suites  string
	root    string
	limit   int
	proto   string
	item    int
	model   string
	only    string
	steps   int
	tokens  int
	batch   int
	length  int
	labels  string
	data    string

	recompute, train bool
	dryRun, setAside bool
	otherScales      bool

	executor   string
	cancelJobs bool
	outcome    string
	job        string

	subjects string
	template string
	memory   string
}

// maxThreads is the most that run.threads of a spec may be, too.
const maxThreads = 4096

func newFlags(c *command) *flags {
	f := &flags{set: flag.NewFlagSet(c.name, flag.ContinueOnError)}
	f.set.SetOutput(io.Discard)
	if c.define != nil {
		c.define(f)
	}
	return f
}

func (f *flags) count() (n int) {
	f.set.VisitAll(func(*flag.Flag) { n++ })
	return n
}

// parse accepts flags anywhere on the line, with one dash or two, up to "--".
func (f *flags) parse(args []string) (positional []string, err error) {
	for {
		if err := f.set.Parse(args); err != nil {
			return nil, f.explain(err)
		}
		rest := f.set.Args()
		if len(rest) == 0 {
			return positional, nil
		}
		if n := len(args) - len(rest); n > 0 && args[n-1] == "--" {
			return append(positional, rest...), nil
		}
		positional = append(positional, rest[0])
		args = rest[1:]
	}
}

func (f *flags) explain(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	const undefined = "flag provided but not defined: -"
	if name, ok := strings.CutPrefix(err.Error(), undefined); ok {
		var known []string
		f.set.VisitAll(func(g *flag.Flag) { known = append(known, g.Name) })
		return unknown("flag", "-"+name, dashed(known))
	}
	if wrong := invalidValue.FindStringSubmatch(err.Error()); wrong != nil {
		if g := f.set.Lookup(wrong[2]); g != nil {
			value, _ := strconv.Unquote(wrong[1])
			if strings.HasSuffix(err.Error(), "value out of range") {
				return usagef("-%s %s: is beyond what a computer's word holds; want %s", g.Name, value, wanted(g.Value))
			}
			return usagef("-%s %s: want %s", g.Name, value, wanted(g.Value))
		}
	}
	return usagef("%v", err)
}

// invalidValue is package flag's report of a value that a flag cannot take.
var invalidValue = regexp.MustCompile(`^invalid (?:boolean )?value ("(?:[^"\\\\]|\\\\.)*") for (?:flag )?-([^:]+): `)

// wanted says what a flag's value must be.
func wanted(v flag.Value) string {
	if g, ok := v.(flag.Getter); ok {
		switch g.Get().(type) {
		case int:
			return "a whole number"
		case uint64:
			return "a whole number, at least 0"
		case float64:
			return "a number"
		}
	}
	return "true or false"
}

func dashed(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = "-" + n
	}
	return out
}

// list collects a flag that may be repeated.
type list struct{ to *[]string }

func (l list) String() string { return "" }
func (l list) Set(s string) error {
	*l.to = append(*l.to, s)
	return nil
}

func (f *flags) defineTags() {
	f.set.Var(list{&f.tags}, "t", "set a @tag of the spec: `name=value` (repeatable)")
}

func (f *flags) defineRuns() {
	f.set.StringVar(&f.runs, "runs", "runs", "`directory` of runs and of the store of finished stages")
}

func (f *flags) defineEngine() {
	f.set.StringVar(&f.engine, "engine", "auto", "`auto|cpu|cuda|emulated`: where to compute; auto is the GPU, if there is one. cuda:8.9 insists on a compute capability; plan and -executor slurm then need no GPU here. emulated runs the GPU's kernels on an interpreter, slowly")
	f.set.IntVar(&f.threads, "threads", 0, "worker threads, a `number`; 0 = one per processor (changes no bit of the result)")
}

func (f *flags) defineExecutor() {
	f.set.StringVar(&f.executor, "executor", "local", "`local|slurm`: run stages in this process, or as Slurm jobs")
	f.set.BoolVar(&f.cancelJobs, "cancel-jobs", false, "when interrupted, cancel the Slurm jobs without asking; without it they are kept, or a terminal is asked")
}

// defineSuites defines what eval and describe suite share.
func (f *flags) defineSuites() {
	f.set.StringVar(&f.root, "root", "builtin:tiny/suites", "`directory` of the suites' files")
	f.set.StringVar(&f.proto, "protocol", "", "`opencompass|lm-eval|generate`; default: the suite's first")
	f.set.StringVar(&f.subjects, "subjects", "", "`names` of the subjects of mmlu to ask; default: all")
	f.set.StringVar(&f.template, "template", "none", "`none|alpaca|chat|plain`: what each question goes through")
}

func (f *flags) tagMap() (map[string]string, error) {
	m := map[string]string{}
	for _, t := range f.tags {
		name, value, ok := strings.Cut(t, "=")
		if !ok || name == "" {
			return nil, usagef("-t %s: want name=value", t)
		}
		if old, twice := m[name]; twice && old != value {
			return nil, usagef("-t %s is given twice, as %q and %q", name, old, value)
		}
		m[name] = value
	}
	return m, nil
}

func oneOf(flagName, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return withHint(usagef("-%s %s is not known", flagName, value), "want %s", strings.Join(allowed, ", "))
}

// engineChoice checks -threads and -engine, and takes the latter apart.
func (f *flags) engineChoice() error {
	if f.threads < 0 || f.threads > maxThreads {
		return withHint(usagef("-threads %d is out of range", f.threads), "want 1 to %d, or 0 for one per processor", maxThreads)
	}
	if kind, capability, ok := strings.Cut(f.engine, ":"); ok && kind == "cuda" {
		major, minor, ok := parseCapability(capability)
		if !ok || major < cuda.MinMajor {
			return withHint(usagef("-engine %s names no compute capability of at least %d.%d", f.engine, cuda.MinMajor, cuda.MinMinor),
				"want one such as cuda:8.9; nvidia-smi --query-gpu=compute_cap --format=csv tells that of a GPU")
		}
		f.engine, f.capability = kind, fmt.Sprintf("%d.%d", major, minor)
	}
	return oneOf("engine", f.engine, "auto", "cpu", "cuda", "emulated")
}

func parseCapability(s string) (major, minor int, ok bool) {
	a, b, ok := strings.Cut(s, ".")
	major, err1 := strconv.Atoi(a)
	minor, err2 := strconv.Atoi(b)
	return major, minor, ok && err1 == nil && err2 == nil && minor >= 0 && minor <= 9
}
