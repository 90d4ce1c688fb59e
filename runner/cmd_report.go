package runner

import (
	"fmt"

	"xrun/reports"
)

var reportCommand = &command{
	name: "report", args: "RUN", summary: "remake report.md and plots from a run's tables", min: 1, max: 1,
	help: `
Remakes report.md and the plots of the run directory RUN from its parquet tables
alone. Nothing is computed again.`,
	run: func(e *env, f *flags, args []string) error {
		dir := runNamed(args[0])
		run, err := readTables(dir)
		if err != nil {
			return err
		}
		rep, err := reports.Render(run)
		if err != nil {
			return err
		}
		if err := writeReport(e.disk, dir, rep); err != nil {
			return err
		}
		fmt.Fprintln(e.stdout, rep.Verdict)
		return nil
	},
}
