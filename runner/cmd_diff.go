package runner

import (
	"fmt"
	"strings"

	"xrun/reports"
)

var diffCommand = &command{
	name: "diff", args: "A B", summary: "compare two runs item by item", min: 2, max: 2,
	help: `
Compares the runs A and B (run directories, or the report.md in one) item by item
with paired statistics: exact McNemar for accuracies, sign flips and bootstrap
otherwise; ~ where the data cannot tell. The values of A and B are each over all
their items, the difference over those in both. What the two were told otherwise,
on the axes, in the recipe, of a suite or in the numerics, is said beside them.

-fail-on regression  exit status 3 when a figure of B is worse than A's and the
                     data can tell, or a figure or model of A is missing in B
-fail-on difference  exit status 3 when an item's score differs, or a figure or
                     model is on one side only`,
	define: func(f *flags) {
		f.set.StringVar(&f.failOn, "fail-on", "", "`regression|difference`: exit with status 3 on one")
		f.set.StringVar(&f.format, "format", "text", "`text|markdown`")
	},
	run: func(e *env, f *flags, args []string) error {
		if err := oneOf("format", f.format, "text", "markdown"); err != nil {
			return err
		}
		if f.failOn != "" {
			if err := oneOf("fail-on", f.failOn, "regression", "difference"); err != nil {
				return err
			}
		}
		a, err := readTables(args[0])
		if err != nil {
			return err
		}
		b, err := readTables(args[1])
		if err != nil {
			return err
		}
		c, err := reports.Diff(a, b)
		if err != nil {
			return err
		}
		text := c.Text()
		if f.format == "markdown" {
			text = c.Markdown()
		}
		fmt.Fprint(e.stdout, text)
		var why []string
		say := func(n int, one, rest string) {
			if n > 0 {
				why = append(why, plural(n, one)+rest)
			}
		}
		switch f.failOn {
		case "regression":
			say(len(c.Regressions()), "figure", " worse in "+args[1])
			say(len(c.Lost()), "figure", " of "+args[0]+" not in "+args[1])
			say(len(c.OnlyA), "model", " of "+args[0]+" not in "+args[1])
		case "difference":
			say(len(c.Differences()), "figure", " that differ")
			say(len(c.OnlyA)+len(c.OnlyB), "model", " on one side only")
		}
		if len(why) > 0 {
			return &statusError{exitDiffers, strings.Join(why, ", ")}
		}
		return nil
	},
}
