package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xrun/runner"
	"xrun/runner/disk"
	"xrun/runner/disk/faults"
)

// TestReadme runs the console blocks of README.md, in order, in one empty
// directory that has the repository's experiments, and compares what they
// print to standard output. A line "..." stands for any lines. The manual
// cannot rot.
func TestReadme(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: runs the whole embedded study")
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	disk.OS = faults.Unsynced(disk.OS)
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.Symlink(filepath.Join(root, "experiments"), "experiments"); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, c := range consoleCommands(string(readme)) {
		args := words(c.line)
		if args[0] != "xrun" {
			t.Fatalf("README.md: %q is not an xrun command", c.line)
		}
		var out, errs bytes.Buffer
		status := runner.Main(args[1:], strings.NewReader(""), &out, &errs)
		if status != 0 {
			t.Errorf("$ %s\nexit status %d\n%s", c.line, status, errs.String())
		}
		if !matches(c.want, strings.Split(strings.TrimRight(out.String(), "\n"), "\n")) {
			t.Errorf("$ %s\nprints\n%s\nREADME.md says\n%s", c.line, out.String(), strings.Join(c.want, "\n"))
		}
		ran++
	}
	if ran < 3 {
		t.Errorf("README.md shows %d commands; this test is not reading it", ran)
	}
}

type consoleCommand struct {
	line string
	want []string
}

// consoleCommands finds "$ command" lines and the output below each in the
// console blocks of a Markdown text.
func consoleCommands(text string) (list []consoleCommand) {
	inside := false
	for _, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case !inside:
		case strings.HasPrefix(line, "$ "):
			list = append(list, consoleCommand{line: line[2:]})
		case len(list) > 0:
			last := &list[len(list)-1]
			last.want = append(last.want, line)
		}
	}
	return list
}

// words splits a command line at blanks outside double quotes.
func words(line string) (list []string) {
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			list = append(list, part)
		} else {
			list = append(list, strings.Fields(part)...)
		}
	}
	return list
}

// matches compares lines, where "..." in want stands for any number of lines
// and trailing blanks do not count.
func matches(want, got []string) bool {
	if len(want) == 0 {
		return len(got) == 0 || len(got) == 1 && got[0] == ""
	}
	if want[0] == "..." {
		for i := 0; i <= len(got); i++ {
			if matches(want[1:], got[i:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && strings.TrimRight(want[0], " ") == strings.TrimRight(got[0], " ") && matches(want[1:], got[1:])
}

// TestRootHoldsOnlyTheEntrance keeps Go code out of the root.
func TestRootHoldsOnlyTheEntrance(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f != "main.go" && f != "main_test.go" {
			t.Errorf("%s: the root holds main.go and main_test.go only", f)
		}
	}
}
