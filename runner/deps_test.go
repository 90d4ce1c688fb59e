package runner_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestDeps keeps imports one way: runner → {schema, model, reports}, model →
// kernels; schema and reports import nothing of ours.
func TestDeps(t *testing.T) {
	allowed := map[string][]string{
		"xrun/schema":      {},
		"xrun/reports":     {},
		"xrun/experiments": {"xrun/model"}, // the program that makes the embedded world
		"xrun/kernels":     {},
		"xrun/model":       {"xrun/kernels", "xrun/model"},
		"xrun/runner":      {"xrun/kernels", "xrun/model", "xrun/reports", "xrun/schema", "xrun/experiments", "xrun/runner"},
	}
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "xrun/...").Output()
	if err != nil {
		t.Skipf("SKIPPED: go list does not run here: %v", err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		words := strings.Fields(line)
		pkg := words[0]
		rules, ok := allowed[topOf(pkg)]
		if !ok {
			continue
		}
		for _, imp := range words[1:] {
			if !strings.HasPrefix(imp, "xrun/") || topOf(imp) == topOf(pkg) && pkg != topOf(pkg) {
				continue
			}
			if topOf(imp) != topOf(pkg) && !under(imp, rules) {
				t.Errorf("%s imports %s", pkg, imp)
			}
		}
	}
}

// topOf returns the top-level package of a path: xrun/model for
// xrun/model/tokenizer.
func topOf(path string) string {
	parts := strings.SplitN(path, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

func under(path string, roots []string) bool {
	for _, r := range roots {
		if path == r || strings.HasPrefix(path, r+"/") {
			return true
		}
	}
	return false
}
