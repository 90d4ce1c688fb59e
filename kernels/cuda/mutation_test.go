package cuda_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/kernels/cuda"
)

// mutation is a deliberate fault in the PTX of a kernel: it replaces the nth match of old by new.
type mutation struct {
	name, module, kernel string
	old                  string // regular expression
	nth                  int    // from 0; from the end if negative
	new                  string
	probe                probe
}

// probe runs operations on a device and returns an error if a result is wrong.
type probe func(e *cuda.Engine, reference kernels.Engine) error

// TestMutationsAreCaught puts each fault into the committed PTX and checks that it is caught, by
// the interpreter's checks or by a wrong result.
func TestMutationsAreCaught(t *testing.T) {
	for _, m := range mutations {
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			reference, err := cpu.New(cpu.Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer reference.Close()
			sound := string(cuda.PTX()[m.module])
			text, err := m.apply(sound)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.run(sound, reference, 1); err != nil {
				t.Fatalf("without the fault: %v", err)
			}
			for seed := range uint64(4) {
				if err := m.run(text, reference, seed); err != nil {
					line, _, _ := strings.Cut(err.Error(), "\n")
					t.Log(line)
					return
				}
			}
			t.Error("the fault was not caught")
		})
	}
}

// apply returns the PTX with the fault.
func (m *mutation) apply(text string) (string, error) {
	from := strings.Index(text, ".entry "+m.kernel+"(")
	if from < 0 {
		return "", fmt.Errorf("no kernel %s", m.kernel)
	}
	to := from + strings.Index(text[from:], "\n}\n")
	body := text[from:to]
	old := regexp.MustCompile(m.old)
	found := old.FindAllStringSubmatchIndex(body, -1)
	n := m.nth
	if n < 0 {
		n += len(found)
	}
	if n < 0 || n >= len(found) {
		return "", fmt.Errorf("%s has %d matches of %s, not %d: write the mutation for the PTX of today", m.kernel, len(found), m.old, m.nth)
	}
	at := found[n]
	changed := old.ExpandString(nil, m.new, body, at)
	return text[:from] + body[:at[0]] + string(changed) + body[at[1]:] + text[to:], nil
}

// run returns the error that the probe or the device finds with the module's text.
func (m *mutation) run(text string, reference kernels.Engine, seed uint64) (err error) {
	defer func() {
		if r := recover(); r != nil {
			panic(fmt.Sprintf("%s: %v", m.name, r)) // a fault is never a panic
		}
	}()
	modules := cuda.PTX()
	modules[m.module] = []byte(text)
	e, err := cuda.NewWith(emulate(seed), cuda.Options{}, modules)
	if err != nil {
		return err
	}
	defer e.Close()
	if err := m.probe(e, reference); err != nil {
		return err
	}
	return e.Sync()
}
