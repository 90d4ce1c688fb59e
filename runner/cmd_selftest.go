package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"

	"xrun/kernels/cuda"
	"xrun/kernels/cuda/drivertest"
	"xrun/kernels/cuda/emulated"
	"xrun/kernels/cuda/nvidia"
	"xrun/runner/selftest"
)

var selftestCommand = &command{
	name: "selftest", args: "", summary: "test the engine on this machine; a report to attach to an issue", min: 0, max: 0,
	help: `
Tests this machine's engine: the conformance tests of the GPU's driver and of the
engine, at chosen and at drawn shapes, each against a float64 reference, training
beside the CPU engine, a small study that is killed, resumed and compared with one
left alone, and last kernels that fail on purpose. Prints each check with its time (on
the interpreter, -engine emulated, with what it executed) and writes the same to
the file -o. Exit status 1 when a check fails, 4 when the engine is not here.`,
	define: func(f *flags) {
		f.defineEngine()
		f.set.StringVar(&f.out, "o", "", "`file` for the report")
		f.set.StringVar(&f.only, "run", "", "`regexp` of the checks to run, such as ^engine/linear")
	},
	run: func(e *env, f *flags, args []string) error {
		o, err := f.selftest(e.ctx)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		report, err := selftest.Run(e.ctx, io.MultiWriter(e.stdout, &text), o)
		if err != nil {
			return absent(err)
		}
		if f.out != "" {
			if err := writeBytes(e.disk, f.out, text.Bytes()); err != nil {
				return err
			}
		}
		if n := len(report.Failed); n > 0 {
			return withHint(fmt.Errorf("%s failed: %v", plural(n, "check"), report.Failed), "please open an issue with this report; -o FILE writes it to a file")
		}
		if report.Checks == 0 {
			return usagef("-run %s: no check of this engine has such a name; driver/ is of -engine cuda or emulated", f.only)
		}
		return nil
	},
}

// apart runs one check of the GPU by another process of this program.
func apart(ctx context.Context) func(name string) []string {
	if os.Getenv(drivertest.ApartVariable) != "" {
		return nil
	}
	return func(name string) []string {
		program, err := os.Executable()
		if err != nil {
			return []string{err.Error()}
		}
		child := exec.CommandContext(ctx, program, "selftest", "-engine", "cuda", "-run", "^"+regexp.QuoteMeta(name)+"$")
		child.Env = append(os.Environ(), drivertest.ApartVariable+"=1")
		if out, err := child.CombinedOutput(); err != nil {
			return []string{fmt.Sprintf("%v\n%s", err, out)}
		}
		return nil
	}
}

func (f *flags) selftest(ctx context.Context) (o selftest.Options, err error) {
	if err := f.engineChoice(); err != nil {
		return o, err
	}
	if f.capability != "" {
		return o, usagef("-engine cuda:%s: the selftest is of the GPU that is here: write -engine cuda", f.capability)
	}
	o.Threads, o.Version = f.threads, revision()
	if f.only != "" {
		if o.Only, err = regexp.Compile(f.only); err != nil {
			return o, usagef("-run: %v", err)
		}
	}
	gpu := func() (cuda.Driver, error) { return nvidia.Open(nvidia.Options{}) }
	switch f.engine {
	case "cuda":
		o.Driver, o.Apart = gpu, apart(ctx)
		o.Killed = killedRun(ctx, "cuda", f.threads)
	case "emulated":
		o.Driver = func() (cuda.Driver, error) {
			c := emulated.Options{}
			c.Threads = f.threads
			return emulated.Open(c), nil
		}
		o.Killed = killedRun(ctx, "emulated", f.threads)
	case "cpu":
		o.Killed = killedRun(ctx, "cpu", f.threads)
	case "auto":
		d, err := gpu()
		var none *nvidia.UnavailableError
		if errors.As(err, &none) {
			o.Reason = none.Reason
			o.Killed = killedRun(ctx, "cpu", f.threads)
			return o, nil
		}
		if err != nil {
			return o, err
		}
		o.Driver, o.Apart = gpu, apart(ctx)
		o.Killed = killedRun(ctx, "cuda", f.threads)
		return o, d.Close()
	}
	return o, nil
}
