package runner

import (
	"errors"

	"xrun/runner/suites"
	"xrun/schema"
)

var vetCommand = &command{
	name: "vet", args: "SPEC...", summary: "check specs", min: 1, max: -1,
	help: `
Checks specs against the schema and says every problem with its file, line and
column. Silent when all is well.`,
	define: func(f *flags) { f.defineTags() },
	run: func(e *env, f *flags, args []string) error {
		tags, err := f.tagMap()
		if err != nil {
			return err
		}
		var all schema.Errors
		for _, path := range args {
			spec, err := schema.Load(path, schema.Options{Tags: tags, Suite: suites.Check})
			if err == nil {
				_, err = spec.Cells()
			}
			var problems schema.Errors
			if errors.As(err, &problems) {
				all = append(all, problems...)
				continue
			}
			if err != nil {
				return err
			}
		}
		if len(all) > 0 {
			return all
		}
		return nil
	},
}
