package cuda

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	"xrun/kernels"
)

// architecture holds the resources of a multiprocessor, from the table of compute capabilities in
// the CUDA C++ Programming Guide.
type architecture struct {
	name                   string
	warps, blocks, sharedK int
}

var architectures = []architecture{
	{"sm_80", 64, 32, 164}, {"sm_86", 48, 16, 100}, {"sm_89", 48, 24, 100},
	{"sm_90", 64, 32, 228}, {"sm_100", 64, 32, 228}, {"sm_120", 48, 24, 100},
}

// usage is the assembler's report on a kernel.
type usage struct {
	registers, shared, spills, stack int
}

// TestAssembler assembles every kernel for every architecture with NVIDIA's assembler, which must
// give no error and spill no register. Registers, shared memory and occupancy are compared with
// ptxas.md, which XRUN_UPDATE=1 rewrites. The assembler is that of the wheel
// nvidia-cuda-nvcc-cu12 12.9.86.
func TestAssembler(t *testing.T) {
	ptxas := os.Getenv("XRUN_PTXAS")
	if ptxas == "" {
		t.Skip("SKIPPED: set XRUN_PTXAS to ptxas 12.9 (pip install nvidia-cuda-nvcc-cu12==12.9.86) to have the kernels assembled")
	}
	var mu sync.Mutex
	all := map[string]map[string]usage{} // by kernel and architecture
	t.Run("assemble", func(t *testing.T) {
		for module, ptx := range PTX() {
			for _, a := range architectures {
				t.Run(module+"/"+a.name, func(t *testing.T) {
					t.Parallel()
					for kernel, u := range assemble(t, ptxas, a.name, ptx) {
						if u.spills > 0 {
							t.Errorf("%s spills %d bytes of registers", kernel, u.spills)
						}
						mu.Lock()
						if all[kernel] == nil {
							all[kernel] = map[string]usage{}
						}
						all[kernel][a.name] = u
						mu.Unlock()
					}
				})
			}
		}
	})
	if t.Failed() {
		return
	}
	got := assemblerTable(all)
	const path = "ptxas.md"
	if os.Getenv("XRUN_UPDATE") != "" {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date; XRUN_UPDATE=1 rewrites it. Now:\n%s", path, got)
	}
}

var (
	ofKernel  = regexp.MustCompile(`Compiling entry function '(\w+)'`)
	ofSpills  = regexp.MustCompile(`(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads`)
	ofRegs    = regexp.MustCompile(`Used (\d+) registers`)
	ofShared  = regexp.MustCompile(`(\d+) bytes smem`)
	ofThreads = regexp.MustCompile(`\.maxntid (\d+), (\d+), (\d+)`)
)

// assemble runs ptxas and parses its report.
func assemble(t *testing.T, ptxas, arch string, ptx []byte) map[string]usage {
	t.Helper()
	in := t.TempDir() + "/in.ptx"
	if err := os.WriteFile(in, ptx, 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(ptxas, "-arch="+arch, "-v", in, "-o", os.DevNull).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	kernels := map[string]usage{}
	name := ""
	for line := range strings.Lines(string(out)) {
		u := kernels[name]
		switch {
		case ofKernel.MatchString(line):
			name = ofKernel.FindStringSubmatch(line)[1]
			u = usage{}
		case ofSpills.MatchString(line):
			m := ofSpills.FindStringSubmatch(line)
			u.stack, u.spills = number(m[1]), number(m[2])+number(m[3])
		case ofRegs.MatchString(line):
			u.registers = number(ofRegs.FindStringSubmatch(line)[1])
			if m := ofShared.FindStringSubmatch(line); m != nil {
				u.shared = number(m[1])
			}
		default:
			continue
		}
		kernels[name] = u
	}
	if len(kernels) == 0 {
		t.Fatalf("ptxas names no kernel:\n%s", out)
	}
	return kernels
}

func number(s string) int {
	n, _ := strconv.Atoi(s) // digits
	return n
}

// threadsOf returns the block size of each kernel: the size that it is compiled for, or that the
// engine launches.
func threadsOf() map[string]int {
	threads := map[string]int{}
	for _, ptx := range PTX() {
		for _, part := range strings.Split(string(ptx), ".visible .entry ")[1:] {
			name := part[:strings.IndexAny(part, "(\n ")]
			threads[name] = blockSize
			if m := ofThreads.FindStringSubmatch(part); m != nil {
				threads[name] = number(m[1]) * number(m[2]) * number(m[3])
			}
		}
	}
	return threads
}

// dynamicShared returns the dynamic shared memory with which the engine launches a kernel.
func dynamicShared(kernel string) int {
	for _, name := range []string{"attention_dq", "attention_dkv"} {
		var size int
		var dtype string
		if rest, ok := strings.CutPrefix(kernel, name+"_"); ok {
			if n, _ := fmt.Sscanf(strings.Replace(rest, "_", " ", 1), "%s %d", &dtype, &size); n == 2 {
				t := kernels.F32
				if dtype == "bf16" {
					t = kernels.BF16
				}
				return attentionGradShared(name, t, size)
			}
		}
	}
	return 0
}

// occupancy returns the percentage of a multiprocessor's warps that blocks of a kernel can use.
// Registers are allocated to warps in units of 256, of 65,536.
func occupancy(a architecture, u usage, threads, shared int) int {
	warps := (threads + 31) / 32
	perWarp := (u.registers*32 + 255) / 256 * 256
	blocks := min(a.blocks, a.warps/warps, 65536/perWarp/warps)
	if shared > 0 {
		blocks = min(blocks, a.sharedK<<10/(shared+1024)) // the system keeps 1 KiB of each block
	}
	return 100 * blocks * warps / a.warps
}

func assemblerTable(all map[string]map[string]usage) []byte {
	var b bytes.Buffer
	b.WriteString(`# The kernels in NVIDIA's assembler

TestAssembler writes this file from the output of ptxas 12.9.86 (XRUN_UPDATE=1);
CI compares it. No kernel spills. Each column gives registers per thread, then
the share of a multiprocessor's warps that can be resident, given registers,
threads and shared memory. That is occupancy, not speed; for speed see
measured.md.

| kernel | threads | shared bytes |`)
	for _, a := range architectures {
		b.WriteString(" " + a.name + " |")
	}
	b.WriteString("\n| --- | ---: | ---: |" + strings.Repeat(" ---: |", len(architectures)) + "\n")
	names := make([]string, 0, len(all))
	for n := range all {
		names = append(names, n)
	}
	sort.Strings(names)
	threads := threadsOf()
	for _, n := range names {
		shared := all[n][architectures[0].name].shared + dynamicShared(n)
		fmt.Fprintf(&b, "| %s | %d | %d |", n, threads[n], shared)
		for _, a := range architectures {
			u := all[n][a.name]
			fmt.Fprintf(&b, " %d, %d %% |", u.registers, occupancy(a, u, threads[n], shared))
		}
		b.WriteString("\n")
	}
	return b.Bytes()
}
