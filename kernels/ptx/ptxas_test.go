package ptx

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// instances returns instructions of a form: one with the first choice of each
// modifier, and one for each further choice.
func (f *form) instances() []string {
	var out []string
	make1 := func(vary, choice int) {
		mods := map[string]string{}
		text := f.op
		for i, g := range f.groups {
			c := ""
			switch {
			case i == vary:
				c = g.choices[choice]
			case !g.optional:
				c = g.choices[0]
			}
			if c != "" {
				mods[g.name] = c
				text += "." + c
			}
		}
		m := &match{form: f, mods: mods}
		var args []string
		for _, a := range f.args {
			if a.optional || a.typ == "policy" && mods["hint"] == "" {
				break
			}
			arg, ok := sample(m, a)
			if !ok {
				return
			}
			args = append(args, arg)
		}
		out = append(out, text+" "+strings.Join(args, ", ")+";")
	}
	make1(-1, 0)
	for i, g := range f.groups {
		for c := range g.choices {
			if c > 0 || g.optional {
				make1(i, c)
			}
		}
	}
	return out
}

// sample returns an operand for a specification.
func sample(m *match, a argSpec) (string, bool) {
	switch a.typ {
	case "any":
		return "", false
	case "addr":
		return "[%rd1]", true
	case "label":
		return "L0", true
	}
	if a.consts {
		switch m.op {
		case "cp":
			return "16", true
		case "discard", "applypriority":
			return "128", true
		case "setmaxnreg":
			return "64", true
		}
		return "1", true
	}
	t := m.typeOf(a.typ)
	n := 1
	if a.vec != "" {
		v := a.vec
		if c := m.mods[a.vec]; c != "" {
			v = c[1:]
		} else if v[0] > '9' {
			v = "1"
		}
		n, _ = strconv.Atoi(v)
	}
	var regs []string
	for i := range n {
		prefix := map[int]string{8: "%h", 16: "%h", 32: "%r", 64: "%rd"}[t.bits()]
		switch t {
		case tPred:
			prefix = "%p"
		case tF32:
			prefix = "%f"
		case tF64:
			prefix = "%fd"
		}
		regs = append(regs, fmt.Sprintf("%s%d", prefix, i+1))
	}
	if a.vec != "" && (n > 1 || a.vec == "1" || m.mods[a.vec] != "") {
		return "{" + strings.Join(regs, ",") + "}", true
	}
	if a.pair && (m.op == "lop3" || m.op == "elect") {
		return regs[0] + "|%p9", true
	}
	return regs[0], true
}

// TestSpecificationAgainstPtxas assembles an instance of every form and choice of the
// specification with NVIDIA's assembler, which must accept whatever this package accepts. It runs
// if XRUN_PTXAS names the assembler, 12.9 or later.
func TestSpecificationAgainstPtxas(t *testing.T) {
	ptxas := os.Getenv("XRUN_PTXAS")
	if ptxas == "" {
		t.Skip("SKIPPED: XRUN_PTXAS does not name NVIDIA's assembler, so the instruction table is not compared with it")
	}
	formsOf("add")
	var ops []string
	for op := range specification.forms {
		ops = append(ops, op)
	}
	sort.Strings(ops)
	head := ".version 8.8\n.target sm_90a\n.address_size 64\n.visible .entry k()\n{\n" +
		".reg .pred %p<10>; .reg .b16 %h<20>; .reg .b32 %r<20>; .reg .b64 %rd<20>; .reg .f32 %f<20>; .reg .f64 %fd<20>;\n"
	lines := strings.Split(head, "\n")
	lines = lines[:len(lines)-1]
	for _, op := range ops {
		switch op {
		case "brx", "call", "refused32":
			continue
		}
		for _, f := range specification.forms[op] {
			if strings.HasSuffix(f.text, "@ refused32") || strings.HasSuffix(f.text, "@ stack") {
				continue
			}
			lines = append(lines, f.instances()...)
		}
	}
	first := len(strings.Split(head, "\n")) - 1
	lines = append(lines, "L0:", "ret;", "}")
	file := filepath.Join(t.TempDir(), "all.ptx")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	out, _ := exec.Command(ptxas, "-arch=sm_90a", "-o", os.DevNull, file).CombinedOutput()
	refused := map[int]string{}
	for _, m := range regexp.MustCompile(`line (\d+); error\s*: (.*)`).FindAllStringSubmatch(string(out), -1) {
		n, _ := strconv.Atoi(m[1])
		refused[n-1] = m[2]
	}
	if len(refused) == 0 && strings.Contains(string(out), "error") {
		t.Fatal(string(out))
	}
	for n := first; n < len(lines)-3; n++ {
		_, err := Parse("one.ptx", []byte(head+lines[n]+"\nL0:\nret;\n}\n"))
		why, bad := refused[n]
		switch {
		case bad && err == nil:
			t.Errorf("%s\n\taccepted here; ptxas: %s", lines[n], why)
		case !bad && err != nil:
			t.Errorf("%s\n\taccepted by ptxas; here: %v", lines[n], err)
		}
	}
	t.Logf("%d instructions", len(lines)-3-first)
}
