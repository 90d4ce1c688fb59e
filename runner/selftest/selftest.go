// Package selftest tests an engine on the machine it runs on: the driver's and
// the engine's conformance tests, these at drawn shapes too, training beside the
// CPU engine, a run that is killed, and a table of times. Its report is made to be
// attached to an issue.
//
// Nothing here knows which results a GPU gives; it knows what they must be close
// to. Most readers need two calls: [Run] and [Report.Failed].
package selftest

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"strings"
	"time"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/kernels/cuda"
	"xrun/kernels/cuda/drivertest"
	"xrun/kernels/enginetest"
	"xrun/kernels/ptx"
)

// Options say what is tested.
type Options struct {
	// Driver opens the device; nil tests the CPU engine.
	Driver func() (cuda.Driver, error)
	Reason string // why no device was taken, if one was looked for
	// Apart runs the check of that name in a process of its own and returns what
	// it found wrong; nil runs all in this one. It is asked for checks after which
	// a process cannot use the device any more.
	Apart func(name string) (problems []string)
	// Killed runs a study, kills another like it after a checkpoint, resumes that
	// and returns what differs; nil leaves the check out.
	Killed func() (note string, problems []string)
	// Only selects checks by name; nil selects all.
	Only    *regexp.Regexp
	Threads int
	Version string // of this program
}

// Report is what was found.
type Report struct {
	Checks int
	Failed []string // names
}

// tester runs checks and writes what they find.
type tester struct {
	Options
	ctx    context.Context
	w      io.Writer
	report Report
}

// Run runs every check and writes a report in Markdown as it goes. The error is
// of the machine: no device, or interrupted.
func Run(ctx context.Context, w io.Writer, o Options) (*Report, error) {
	t := &tester{Options: o, ctx: ctx, w: w}
	if err := t.machine(); err != nil {
		return nil, err
	}
	if o.Driver != nil {
		t.section("driver")
		t.driver(false)
	}
	t.section("engine")
	t.conformance()
	t.section("drawn shapes")
	t.drawn()
	t.section("training")
	t.training()
	if o.Killed != nil {
		t.section("killed runs")
		t.check("killed/same_bytes", o.Killed)
	}
	t.section("times")
	t.timing()
	if o.Driver != nil {
		t.section("failing kernels")
		t.driver(true)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fmt.Fprintf(w, "\n%d checks, %d failed\n", t.report.Checks, len(t.report.Failed))
	return &t.report, nil
}

func (t *tester) section(name string) { fmt.Fprintf(t.w, "\n## %s\n\n", name) }

// machine prints what is tested, which needs the engine to start.
func (t *tester) machine() error {
	e, _, err := t.engine()
	if err != nil {
		return err
	}
	defer e.Close()
	fmt.Fprintf(t.w, "# xrun selftest\n\n- xrun %s, %s, %s/%s, %d processors\n- engine %s, numerics %s\n",
		t.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), e.Name(), e.Numerics())
	if t.Reason != "" {
		fmt.Fprintf(t.w, "- no GPU: %s\n", t.Reason)
	}
	if g, ok := e.(*cuda.Engine); ok {
		d := g.Device()
		fmt.Fprintf(t.w, "- device %s: compute capability %d.%d, %d multiprocessors, %d KiB of shared memory a block, %.1f GiB\n",
			d.Name, d.Major, d.Minor, d.Multiprocessors, d.SharedPerBlock>>10, float64(d.Memory)/(1<<30))
	}
	return nil
}

// engine makes the engine under test. counts is nil except on the interpreter.
func (t *tester) engine() (e kernels.Engine, counts func() ptx.Stats, err error) {
	if t.Driver == nil {
		e, err = cpu.New(cpu.Options{Threads: t.Threads})
		return e, nil, err
	}
	d, err := t.Driver()
	if err != nil {
		return nil, nil, err
	}
	if s, ok := d.(interface{ Stats() ptx.Stats }); ok {
		counts = s.Stats
	}
	e, err = cuda.New(d, cuda.Options{})
	return e, counts, err
}

func (t *tester) tolerance() enginetest.Tolerance {
	if t.Driver == nil {
		return enginetest.CPU
	}
	return enginetest.CUDA
}

// check runs one check if it is selected. A panic is a failure.
func (t *tester) check(name string, run func() (note string, problems []string)) {
	if t.Only != nil && !t.Only.MatchString(name) || t.ctx.Err() != nil {
		return
	}
	began := time.Now()
	note, problems := protect(run)
	t.report.Checks++
	if len(problems) == 0 {
		fmt.Fprintf(t.w, "    ok    %-36s %8.2f s  %s\n", name, time.Since(began).Seconds(), note)
		return
	}
	t.report.Failed = append(t.report.Failed, name)
	fmt.Fprintf(t.w, "    FAIL  %-36s %8.2f s  %s\n", name, time.Since(began).Seconds(), note)
	for _, p := range problems {
		fmt.Fprintf(t.w, "          %s\n", strings.ReplaceAll(p, "\n", "\n          "))
	}
}

func protect(run func() (string, []string)) (note string, problems []string) {
	defer func() {
		if r := recover(); r != nil {
			problems = append(problems, fmt.Sprintf("panic: %v", r))
		}
	}()
	return run()
}

// driver runs the driver's conformance tests.
func (t *tester) driver(fatal bool) {
	for _, c := range drivertest.Checks() {
		if c.Fatal != fatal {
			continue
		}
		name := "driver/" + strings.ReplaceAll(c.Name, " ", "_")
		t.check(name, func() (string, []string) {
			if fatal && t.Apart != nil {
				return "in a process of its own", t.Apart(name)
			}
			d, err := t.Driver()
			if err != nil {
				return "", []string{err.Error()}
			}
			defer d.Close()
			if c.Strict && !d.Device().Emulated {
				return "not asked of a GPU's driver", nil
			}
			return "", c.Run(d)
		})
	}
}

// conformance runs the engine's conformance tests, each on an engine of its own:
// a device that has failed stays so.
func (t *tester) conformance() {
	for _, c := range enginetest.Checks() {
		t.check("engine/"+c.Name, func() (string, []string) {
			e, counts, err := t.engine()
			if err != nil {
				return "", []string{err.Error()}
			}
			problems := c.Run(e, t.tolerance())
			if err := e.Close(); err != nil {
				problems = append(problems, "closing: "+err.Error())
			}
			return counted(counts), problems
		})
	}
}

// draws is how many shapes of each operation are drawn: fewer on the interpreter.
const draws, drawsEmulated = 100, 2

// drawn makes the engine's properties at drawn shapes, those of an operation on one
// engine: memory that a draw gave back is the next one's.
func (t *tester) drawn() {
	for _, p := range enginetest.Properties() {
		t.check("drawn/"+p.Name, func() (string, []string) {
			e, counts, err := t.engine()
			if err != nil {
				return "", []string{err.Error()}
			}
			n := draws
			if counts != nil {
				n = drawsEmulated
			}
			var problems []string
			for seed := 0; seed < n && len(problems) == 0; seed++ {
				for _, problem := range p.Draw(e, t.tolerance(), uint64(seed)).Problems {
					problems = append(problems, fmt.Sprintf("draw %d: %s", seed, problem))
				}
			}
			if err := e.Close(); err != nil {
				problems = append(problems, "closing: "+err.Error())
			}
			return strings.TrimSpace(fmt.Sprintf("%d shapes %s", n, counted(counts))), problems
		})
	}
}

// counted says what the interpreter executed.
func counted(counts func() ptx.Stats) string {
	if counts == nil {
		return ""
	}
	s := counts()
	return fmt.Sprintf("%d launches, %.3g instructions", s.Launches, float64(s.Instructions))
}
