package runner

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"xrun/kernels/cuda"
	"xrun/kernels/pages"
	"xrun/runner/disk"
	"xrun/runner/lock"
	"xrun/schema"
)

// env is what a command may touch of the world outside.
type env struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	args           []string // of the command line, for saying how to go on
	disk           disk.FS
	locker         lock.Locker
}

// command is one entry of the command table.
type command struct {
	name, args, summary string
	help                string
	min, max            int // positional arguments; max < 0: any number
	run                 func(*env, *flags, []string) error
	define              func(*flags)
	hidden              bool // from the list of commands
}

// Exit statuses.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitDiffers     = 3
	exitNoEngine    = 4
	exitInterrupted = 130
)

// statusError carries an exit status other than 1; an empty message prints
// nothing.
type statusError struct {
	status int
	msg    string
}

func (e *statusError) Error() string { return e.msg }

func usagef(format string, args ...any) error {
	return &statusError{exitUsage, fmt.Sprintf(format, args...)}
}

// hintError adds what to do to an error.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }

// Hint returns what to do.
func (e *hintError) Hint() string { return e.hint }

// hintOf returns what an error says to do about it, or "".
func hintOf(err error) string {
	var hint interface{ Hint() string }
	switch {
	case errors.As(err, &hint):
		return hint.Hint()
	case errors.As(err, new(*cuda.OutOfMemoryError)), errors.As(err, new(*pages.ExhaustedError)):
		return "lower run.memory, data.maxLength or train.batch"
	}
	return ""
}

// catchExhausted turns the panic of an engine that got no memory into an error.
func catchExhausted(err *error) {
	switch r := recover().(type) {
	case nil:
	case *pages.ExhaustedError:
		*err = r
	default:
		panic(r)
	}
}

func withHint(err error, format string, args ...any) error {
	return &hintError{err, fmt.Sprintf(format, args...)}
}

// Main runs xrun with the given arguments, without the program's name, and
// returns its exit status. Results go to stdout, progress and errors to stderr.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := interruptible(stderr)
	defer stop()
	results := &results{w: stdout}
	e := &env{ctx: ctx, stdin: stdin, stdout: results, stderr: stderr, args: args, disk: disk.OS, locker: lock.New(disk.OS)}
	err := e.dispatch(args)
	if results.err != nil && (err == nil || errors.Is(err, results.err)) {
		err = fmt.Errorf("writing the output: %w", results.err)
	}
	return report(stderr, err)
}

// results is standard output that remembers its first failure, so that a table
// cut short by a full disk does not pass for a whole one.
type results struct {
	w   io.Writer
	err error
}

func (r *results) Write(b []byte) (int, error) {
	n, err := r.w.Write(b)
	if r.err == nil {
		r.err = err
	}
	return n, err
}

// printJSON writes what -json asks for. That it could not be written is
// remembered by results.
func (e *env) printJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%s\n", b)
	return nil
}

// interruptible returns a context that the first interrupt cancels: work stops
// at the next safe point and leaves a checkpoint. The second kills the process.
func interruptible(stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		if _, ok := <-signals; !ok {
			return
		}
		fmt.Fprintln(stderr, "xrun: interrupted; finishing this step (once more to stop at once)")
		cancel()
		if _, ok := <-signals; ok {
			os.Exit(exitInterrupted)
		}
	}()
	return ctx, func() { signal.Stop(signals); close(signals); cancel() }
}

// report prints an error and returns its exit status.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	var spec schema.Errors
	if errors.As(err, &spec) {
		fmt.Fprintln(stderr, strings.TrimRight(spec.Error(), "\n"))
		return exitFailed
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintf(stderr, "xrun: error: %s\n", msg)
	}
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(stderr, "xrun: hint: %s\n", hint)
	}
	var status *statusError
	switch {
	case errors.As(err, &status):
		return status.status
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailed
}

// commandLine is what to type for the same run again.
func (e *env) commandLine() string {
	words := []string{"xrun"}
	for _, a := range e.args {
		words = append(words, quoted(a))
	}
	return strings.Join(words, " ")
}

// quoted is a word as a shell takes it for one.
func quoted(word string) string {
	if word == "" || strings.ContainsAny(word, " \t\n'\"\\$`*?[]{}()<>|&;#~!") {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

func (e *env) dispatch(args []string) (err error) {
	defer catchExhausted(&err)
	if len(args) == 0 {
		printUsage(e.stderr)
		return &statusError{exitUsage, ""}
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		return e.help(args[1:])
	case "-version", "--version":
		return e.call(versionCommand, args[1:])
	}
	for _, c := range commands {
		if c.name == args[0] {
			return e.call(c, args[1:])
		}
	}
	if strings.HasPrefix(args[0], "-") || looksLikeSpec(args) {
		return e.call(runCommand, args)
	}
	return unknown("command", args[0], commandNames())
}

func commandNames() []string {
	names := make([]string, len(commands))
	for i, c := range commands {
		names[i] = c.name
	}
	return names
}

// looksLikeSpec reports whether the words are a run rather than a mistyped
// command: one of them names a spec or an existing file.
func looksLikeSpec(args []string) bool {
	for _, a := range args {
		switch filepath.Ext(a) {
		case ".cue", ".yaml", ".yml", ".json":
			return true
		}
	}
	_, err := os.Stat(args[0])
	return err == nil
}

func unknown(what, given string, known []string) error {
	err := usagef("unknown %s %q", what, given)
	if near := schema.Nearest(given, known); near != "" {
		return withHint(err, "did you mean %q?", near)
	}
	if what == "command" {
		return withHint(err, "xrun help lists them")
	}
	return withHint(err, "known: %s", strings.Join(known, ", "))
}

func (e *env) call(c *command, args []string) error {
	f := newFlags(c)
	positional, err := f.parse(args)
	if errors.Is(err, flag.ErrHelp) {
		printHelp(e.stdout, c)
		return nil
	}
	if err != nil {
		return err
	}
	if len(positional) < c.min || c.max >= 0 && len(positional) > c.max {
		return withHint(usagef("%s takes %s, not %d", strings.TrimSpace("xrun "+c.name), c.takes(), len(positional)), "usage: xrun %s", c.usage())
	}
	return c.run(e, f, positional)
}

// takes says how many arguments.
func (c *command) takes() string {
	switch {
	case c.max < 0:
		return fmt.Sprintf("%d arguments or more", c.min)
	case c.max > c.min:
		return fmt.Sprintf("%d to %d arguments", c.min, c.max)
	}
	return plural(c.min, "argument")
}

func (c *command) usage() string {
	return strings.TrimSpace(c.name + " " + c.args)
}

func (e *env) help(args []string) error {
	if len(args) == 0 {
		printUsage(e.stdout)
		return nil
	}
	for _, c := range append([]*command{runCommand}, commands...) {
		if c.name == args[0] || c == runCommand && args[0] == "run" {
			printHelp(e.stdout, c)
			return nil
		}
	}
	return unknown("command", args[0], commandNames())
}

func printUsage(w io.Writer) {
	fmt.Fprintln(w, "xrun runs controlled fine-tuning studies and writes their reports.")
	fmt.Fprintln(w)
	for _, c := range append([]*command{runCommand}, commands...) {
		if !c.hidden {
			usage := "xrun " + c.usage()
			if len(usage) > 31 { // the summary goes below
				fmt.Fprintf(w, "  %s\n", usage)
				usage = ""
			}
			fmt.Fprintf(w, "  %-31s %s\n", usage, c.summary)
		}
	}
	fmt.Fprintln(w, "\nxrun help COMMAND explains each. Start with: xrun experiments/mask_ablation.cue")
}

func printHelp(w io.Writer, c *command) {
	fmt.Fprintf(w, "usage: xrun %s\n\n%s\n", c.usage(), strings.TrimSpace(c.help))
	f := newFlags(c)
	if n := f.count(); n > 0 {
		fmt.Fprintln(w, "\nflags, anywhere on the line:")
		f.set.SetOutput(w)
		f.set.PrintDefaults()
	}
}
