package runner

import (
	"fmt"
	"os"
	"path/filepath"

	"xrun/reports"
	"xrun/schema"
)

// runDir is where the study's report goes.
func runDir(runs string, spec *schema.Spec) string { return filepath.Join(runs, spec.Name) }

func storeDir(runs string) string { return filepath.Join(runs, ".store") }

// runNamed is the run directory that is named by its path or by that of the
// report in it.
func runNamed(path string) string {
	if filepath.Base(path) == reports.ReportFile {
		return filepath.Dir(path)
	}
	return path
}

// specOf reads the spec of a run directory.
func specOf(dir string) (*schema.Spec, error) {
	raw, err := readSpec(dir)
	if err != nil {
		return nil, err
	}
	return schema.FromJSON(raw)
}

// readSpec reads the spec as resolved out of a run directory.
func readSpec(dir string) ([]byte, error) {
	raw, err := os.ReadFile(filepath.Join(dir, specName))
	if err != nil {
		return nil, withHint(fmt.Errorf("reading the run: %w", err), "name a run directory, which holds %s", specName)
	}
	return raw, nil
}

// readTables reads the tables of a run whose study is finished.
func readTables(run string) (*reports.Run, error) {
	dir := runNamed(run)
	if _, err := os.Stat(filepath.Join(dir, reports.ResultsFile)); err != nil {
		return nil, withHint(fmt.Errorf("reading the run %s: it has no %s", dir, reports.ResultsFile), "name the directory of a finished run, such as runs/mask_ablation")
	}
	return reports.ReadTables(dir)
}
