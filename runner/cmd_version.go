package runner

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"xrun/kernels/cpu"
)

var versionCommand = &command{
	name: "version", summary: "what this program was built from",
	help: `
Prints the revision that this program was built from, the numerics of its CPU
engine (runs of equal numerics have equal bits) and the Go release. run.json of a
run has the same and more.`,
	run: func(e *env, f *flags, args []string) error {
		fmt.Fprintf(e.stdout, "xrun %s, numerics %s, %s %s/%s\n", revision(), cpu.Numerics, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return nil
	},
}

// revision is the commit that this program was built from.
func revision() string {
	text, changed := "built without version control", ""
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return text
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		text = v
	}
	for _, set := range info.Settings {
		switch {
		case set.Key == "vcs.revision":
			text = set.Value
		case set.Key == "vcs.modified" && set.Value == "true":
			changed = " with changes"
		}
	}
	return text + changed
}
