package ptx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTryParse(t *testing.T) {
	files, _ := filepath.Glob(os.Getenv("PTXGLOB"))
	for _, f := range files {
		src, _ := os.ReadFile(f)
		m, err := Parse(f, src)
		if err != nil {
			t.Error(err)
			continue
		}
		t.Log(f, m.Kernels(), len(m.Contractible()))
		if _, err := NewDevice(Config{}).Load(m); err != nil {
			t.Error(err)
		}
	}
}

func TestTryFaults(t *testing.T) {
	src, err := os.ReadFile("/work/tmp/ptx/a.ptx")
	if err != nil {
		t.Skip(err)
	}
	for _, c := range [][3]string{
		{"bar.sync \t0;", "", "reduce"}, {"cp.async.wait_group 0;", "", "gemm"}, {"bar.sync \t0;", "", "gemm"}, {"setp.ge.s32", "setp.gt.s32", "add"},
		{"m16n8k16", "m16n9k16", "gemm"},
		{"setp.gt.s32", "setp.ge.s32", "reduce"},
	} {
		text := strings.ReplaceAll(string(src), c[0], c[1])
		m, err := Parse("a.ptx", []byte(text))
		if err != nil {
			t.Log(c, err)
			continue
		}
		d := NewDevice(Config{Seed: 1})
		img, err := d.Load(m)
		if err != nil {
			t.Fatal(err)
		}
		k, _ := img.Kernel(c[2])
		p, _ := d.Alloc(4096)
		q, _ := d.Alloc(4000)
		d.Fill(q, 0, 4000)
		switch c[2] {
		case "add":
			err = d.Launch(k, Launch{Grid: Dim{X: 4}, Block: Dim{X: 256}}, p, q, q, int32(1000))
		case "reduce":
			err = d.Launch(k, Launch{Block: Dim{X: 256}}, p, q, int32(1000))
		case "gemm":
			err = d.Launch(k, Launch{Block: Dim{X: 32}, Shared: 768}, p, q, q, int32(64))
		}
		t.Log(c, err)
	}
}
