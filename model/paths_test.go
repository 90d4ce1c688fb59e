package model_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"xrun/model"
	"xrun/model/modeltest"
)

// Training has one digest for each precision, whatever the threads, the
// micro-batch and the vector instructions. The instructions are chosen when a
// process starts, so this test runs itself again for each kind.
func TestOneDigest(t *testing.T) {
	if os.Getenv("XRUN_TEST_DIGESTS") != "" {
		for _, p := range precisions {
			seen := map[string]string{}
			allThreads, micros := []int{1, 2, 3, 7}, []int{1, 40, 75, 0} // tokens: about 1, 2, 4 and all 8 rows
			if os.Getenv("XRUN_SIMD") == "noasm" {
				allThreads, micros = []int{1, 7}, []int{1, 0} // it is slow
			}
			for _, threads := range allThreads {
				for _, micro := range micros {
					_, digest := train(t, modeltest.Random(t, engine(t, threads), small(model.Qwen2), p), smallRecipe(0.5, micro), 3)
					seen[fmt.Sprintf("%016x", digest)] = fmt.Sprintf("%d threads, micro-batch %d", threads, micro)
				}
			}
			for digest, how := range seen {
				fmt.Printf("digest %v %s %s\n", p, digest, how)
			}
		}
		return
	}
	text, err := os.ReadFile(filepath.Join("testdata", "digests.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]string
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"noasm", "avx2", "avx512", "avx512bf16", "neon"} {
		t.Run(path, func(t *testing.T) {
			c := exec.Command(os.Args[0], "-test.run", "^TestOneDigest$")
			c.Env = append(os.Environ(), "XRUN_TEST_DIGESTS=1", "XRUN_SIMD="+path)
			out, err := c.CombinedOutput()
			if strings.Contains(string(out), "starting the cpu engine") {
				t.Skipf("SKIPPED, NOT CHECKED: this processor or build has no path %s", path)
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			lines := 0
			for line := range strings.Lines(string(out)) {
				f := strings.Fields(line)
				if len(f) < 3 || f[0] != "digest" {
					continue
				}
				lines++
				want, _, _ := strings.Cut(golden["cpu/1 "+model.Qwen2+" "+f[1]], " ")
				if f[2] != want {
					t.Errorf("%s has digest %s, want %s", strings.Join(append(f[1:2:2], f[3:]...), " "), f[2], want)
				}
			}
			if lines < len(precisions) {
				t.Errorf("no digests in\n%s", out)
			}
		})
	}
}
