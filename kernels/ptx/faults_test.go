package ptx

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const header = ".version 8.0\n.target sm_80\n.address_size 64\n"

// kernel wraps a body in a kernel of three parameters: %rd1 and %rd2 are the
// addresses of 4096 bytes, the first never written, the second zero; %r1 is the
// thread, %r2 the block, %r3 an integer.
func kernel(body string) string {
	return header + `
.extern .shared .align 16 .b8 dyn[];
.visible .entry k(.param .u64 p0, .param .u64 p1, .param .u32 p2)
{
	.reg .pred %p<20>;
	.reg .b16 %rs<20>;
	.reg .b32 %r<60>;
	.reg .b64 %rd<40>;
	.reg .f32 %f<40>;
	.reg .f64 %fd<20>;
	.shared .align 16 .b8 sm[1024];
	ld.param.u64 %rd1, [p0];
	ld.param.u64 %rd2, [p1];
	ld.param.u32 %r3, [p2];
	mov.u32 %r1, %tid.x;
	mov.u32 %r2, %ctaid.x;
	mov.u32 %r4, sm;
	mad.lo.u32 %r5, %r1, 4, %r4; // own word of sm
	mul.wide.u32 %rd3, %r1, 4;
	add.u64 %rd4, %rd1, %rd3;    // own word of p0
	add.u64 %rd5, %rd2, %rd3;    // own word of p1
` + body + "\n\tret;\n}\n"
}

// launchText runs a kernel of kernel() and returns p0's words, or the error.
func launchText(t testing.TB, cfg Config, l Launch, text string) ([]int32, error) {
	t.Helper()
	m, err := Parse("test.ptx", []byte(text))
	if err != nil {
		return nil, err
	}
	d := NewDevice(cfg)
	img, err := d.Load(m)
	if err != nil {
		return nil, err
	}
	k, err := img.Kernel("k")
	if err != nil {
		t.Fatal(err)
	}
	p0, _ := d.Alloc(4096)
	p1 := uploadBytes(t, d, make([]byte, 4096))
	if err := d.Launch(k, l, p0, p1, int32(7)); err != nil {
		return nil, err
	}
	return int32s(downloadBytes(t, d, p0, 4096)), nil
}

// TestFaults runs a kernel for each mistake that a kernel can make, and correct kernels beside
// them.
func TestFaults(t *testing.T) {
	warp, two := Launch{Block: Dim{X: 32}}, Launch{Block: Dim{X: 64}}
	blocks := Launch{Grid: Dim{X: 2}, Block: Dim{X: 32}}
	for _, c := range []struct {
		name string
		l    Launch
		cfg  Config
		kind FaultKind // 0: none
		want string    // in the message
		body string
	}{
		{"global in bounds", warp, Config{}, 0, "", "ld.global.u32 %r9, [%rd5]; st.global.u32 [%rd4], %r9;"},
		{"past the end", warp, Config{}, OutOfBounds, "thread (0,0,0): access out of bounds at global", "ld.global.u32 %r9, [%rd5+4096];"},
		{"before the start", warp, Config{}, OutOfBounds, "4 bytes before an allocation of 4096 bytes", "st.global.u32 [%rd1+-4], %r3;"},
		{"across the end", warp, Config{}, OutOfBounds, "a read of 8 bytes", "add.u64 %rd6, %rd2, 4088; ld.global.v2.u32 {%r9, %r10}, [%rd6]; ld.global.u64 %rd7, [%rd6+8];"},
		{"null", warp, Config{}, OutOfBounds, "at global 0x0", "mov.u64 %rd6, 0; ld.global.u32 %r9, [%rd6];"},
		{"misaligned global", warp, Config{}, Misaligned, "", "ld.global.u32 %r9, [%rd2+2];"},
		{"misaligned vector", warp, Config{}, Misaligned, "16 bytes", "ld.global.v4.u32 {%r9,%r10,%r11,%r12}, [%rd2+8];"},
		{"misaligned shared", warp, Config{}, Misaligned, "at shared", "st.shared.u32 [%r4+1], %r3;"},
		{"shared out of bounds", warp, Config{}, OutOfBounds, "the block has 1024 (1024 static, 0 dynamic)", "st.shared.u32 [%r4+1024], %r3;"},
		{"local out of bounds", warp, Config{}, OutOfBounds, "at local", ".local .b8 buf[16]; mov.u64 %rd6, buf; st.local.u32 [%rd6+16], %r3;"},
		{"uninitialized global", warp, Config{}, Uninitialized, "", "ld.global.u32 %r9, [%rd4];"},
		{"own write is initialized", warp, Config{}, 0, "", "st.global.u32 [%rd4], %r3; ld.global.u32 %r9, [%rd4];"},
		{"uninitialized global allowed", warp, Config{Off: UninitializedMemory}, 0, "", "ld.global.u32 %r9, [%rd4];"},
		{"uninitialized shared", warp, Config{}, Uninitialized, "at shared", "ld.shared.u32 %r9, [%r5];"},
		{"uninitialized local", warp, Config{}, Uninitialized, "at local", ".local .align 8 .b8 buf[16]; ld.local.u32 %r9, [buf+4];"},
		{"uninitialized register", warp, Config{}, Uninitialized, "register %r9", "add.u32 %r10, %r9, 1;"},
		{"register written in one branch", warp, Config{}, Uninitialized, "thread (8,0,0): uninitialized read: register %r9",
			"setp.lt.u32 %p1, %r1, 8; @%p1 mov.u32 %r9, 1; add.u32 %r10, %r9, 1;"},
		{"register read where it was written", warp, Config{}, 0, "", "setp.lt.u32 %p1, %r1, 8; @%p1 mov.u32 %r9, 1; @%p1 add.u32 %r10, %r9, 1;"},
		{"moving an undefined register", warp, Config{}, 0, "", "mov.u32 %r10, %r9; mov.b64 %rd6, {%r10, %r3};"},
		{"using a moved undefined register", warp, Config{}, Uninitialized, "register %rd6", "mov.u32 %r10, %r9; mov.b64 %rd6, {%r10, %r3}; add.u64 %rd7, %rd6, 1;"},
		{"write to constant", warp, Config{}, ReadOnly, "", ".const .u32 c = 5; mov.u64 %rd6, c; st.global.u32 [%rd6], %r3;"},
		{"write to a parameter", warp, Config{}, ReadOnly, "", "mov.u64 %rd6, p2; st.param.u32 [%rd6], %r3;"},
		{"trap", warp, Config{}, Trapped, "", "setp.eq.u32 %p1, %r1, 5; @%p1 trap;"},
		{"endless loop", warp, Config{Budget: 10000}, OverBudget, "", "again: bra again;"},

		{"shared race, write and read", two, Config{}, Race, "", "st.shared.u32 [%r5], %r1; bar.sync 0; st.shared.u32 [%r5], %r3; xor.b32 %r9, %r5, 128; ld.shared.u32 %r10, [%r9];"},
		{"ordered by a barrier", two, Config{}, 0, "", "st.shared.u32 [%r5], %r1; bar.sync 0; xor.b32 %r9, %r5, 128; ld.shared.u32 %r10, [%r9];"},
		{"write after read of another warp", two, Config{}, Race, "",
			"st.shared.u32 [%r5], %r1; bar.sync 0; xor.b32 %r9, %r5, 128; ld.shared.u32 %r10, [%r9]; st.shared.u32 [%r5], %r10;"},
		{"two barriers", two, Config{}, 0, "",
			"st.shared.u32 [%r5], %r1; bar.sync 0; xor.b32 %r9, %r5, 128; ld.shared.u32 %r10, [%r9]; bar.sync 0; st.shared.u32 [%r5], %r10;"},
		{"lanes without bar.warp.sync", warp, Config{}, Race, "are not ordered", "st.shared.u32 [%r5], %r1; xor.b32 %r9, %r5, 4; ld.shared.u32 %r10, [%r9];"},
		{"lanes with bar.warp.sync", warp, Config{}, 0, "", "st.shared.u32 [%r5], %r1; bar.warp.sync 0xffffffff; xor.b32 %r9, %r5, 4; ld.shared.u32 %r10, [%r9];"},
		{"lanes, not checked", warp, Config{Off: WarpRace}, 0, "", "st.shared.u32 [%r5], %r1; xor.b32 %r9, %r5, 4; ld.shared.u32 %r10, [%r9];"},
		{"lanes through volatile", warp, Config{}, 0, "", "st.volatile.shared.u32 [%r5], %r1; xor.b32 %r9, %r5, 4; ld.volatile.shared.u32 %r10, [%r9];"},
		{"one place, one value", warp, Config{}, 0, "", "st.shared.u32 [%r4], %r3;"},
		{"one place, two values", warp, Config{}, Race, "different value", "st.shared.u32 [%r4], %r1;"},
		{"shared atomics", two, Config{}, 0, "", "setp.eq.u32 %p1, %r1, 0; @%p1 st.shared.u32 [%r4], 0; bar.sync 0; atom.shared.add.u32 %r9, [%r4], 1; bar.sync 0; ld.shared.u32 %r10, [%r4];"},
		{"reading beside an atomic", two, Config{}, 0, "", "setp.eq.u32 %p1, %r1, 0; @%p1 st.shared.u32 [%r4], 0; bar.sync 0; atom.shared.add.u32 %r9, [%r4], 1; ld.shared.u32 %r10, [%r4];"},
		{"writing beside an atomic", two, Config{}, Race, "", "setp.eq.u32 %p1, %r1, 0; @%p1 st.shared.u32 [%r4], 0; bar.sync 0; @%p1 st.shared.u32 [%r4], 5; @!%p1 atom.shared.add.u32 %r9, [%r4], 1;"},
		{"named barrier of both warps", two, Config{}, 0, "", "st.shared.u32 [%r5], %r1; barrier.sync 3, 64; xor.b32 %r9, %r5, 128; ld.shared.u32 %r10, [%r9];"},
		{"producer and consumer", two, Config{}, 0, "", `setp.lt.u32 %p1, %r1, 32; @!%p1 bra consumer;
			st.shared.u32 [%r5], %r1; bar.arrive 1, 64; bra.uni done;
			consumer: bar.sync 1, 64; xor.b32 %r9, %r5, 128; ld.shared.u32 %r10, [%r9]; done:`},
		{"consumer that does not wait", two, Config{}, Race, "", `setp.lt.u32 %p1, %r1, 32; @!%p1 bra consumer;
			st.shared.u32 [%r5], %r1; bar.arrive 1, 64; bra.uni done;
			consumer: st.shared.u32 [%r5+-128], %r1; bar.sync 1, 64; done:`},
		{"blocks write one place", blocks, Config{}, Race, "block (", "st.global.u32 [%rd4], %r2;"},
		{"a block reads what another writes", blocks, Config{}, Race, "", "setp.eq.u32 %p1, %r2, 0; @%p1 st.global.u32 [%rd5], %r2; @!%p1 ld.global.u32 %r9, [%rd5];"},
		{"blocks add to one place", blocks, Config{}, 0, "", "red.global.add.u32 [%rd5], 1;"},
		{"a block writes what another adds to", blocks, Config{}, Race, "", "setp.eq.u32 %p1, %r2, 0; @%p1 red.global.add.u32 [%rd5], 1; @!%p1 st.global.u32 [%rd5], 1;"},
		{"blocks read one place", blocks, Config{}, 0, "", "ld.global.u32 %r9, [%rd5];"},
		{"blocks write beside each other", blocks, Config{}, 0, "", "mul.wide.u32 %rd6, %r2, 2; add.u64 %rd7, %rd4, %rd6; cvt.u16.u32 %rs1, %r2; st.global.u16 [%rd7], %rs1;"},

		{"barrier in one branch", warp, Config{}, BadBarrier, "", "setp.lt.u32 %p1, %r1, 8; @%p1 bra low; bar.sync 0; bra.uni out; low: bar.sync 0; out:"},
		{"barrier that others never reach", two, Config{}, BadBarrier, "deadlock", "setp.lt.u32 %p1, %r1, 32; @%p1 bar.sync 1, 64; @!%p1 bar.sync 2, 64;"},
		{"barrier after exit", warp, Config{}, 0, "", "setp.lt.u32 %p1, %r1, 8; @%p1 exit; bar.sync 0;"},
		{"barrier after exit, strictly", warp, Config{Strict: true}, BadBarrier, "have exited", "setp.lt.u32 %p1, %r1, 8; @%p1 exit; bar.sync 0;"},
		{"barrier with an odd count", warp, Config{}, BadBarrier, "not a positive multiple", "bar.sync 0, 33;"},
		{"barrier 16", warp, Config{}, BadBarrier, "does not exist", "mov.u32 %r9, 16; bar.sync %r9;"},

		{"shuffle from an inactive lane", warp, Config{}, InactiveLane, "reads lane", "setp.lt.u32 %p1, %r1, 8; @%p1 shfl.sync.down.b32 %r9, %r1, 4, 31, 0xff;"},
		{"shuffle of some lanes", warp, Config{}, 0, "", "setp.lt.u32 %p1, %r1, 8; @%p1 shfl.sync.bfly.b32 %r9, %r1, 4, 31, 0xff;"},
		{"lane not in its mask", warp, Config{}, InactiveLane, "not in its member mask", "shfl.sync.idx.b32 %r9, %r1, 0, 31, 0xff;"},
		{"lanes that never come", warp, Config{}, InactiveLane, "wait for lanes", "setp.lt.u32 %p1, %r1, 8; @%p1 bra x; bar.sync 0; bra.uni y; x: vote.sync.any.pred %p2, %p1, 0xffffffff; y:"},
		{"ldmatrix in a branch", warp, Config{}, InactiveLane, "", "st.shared.u32 [%r5], %r1; bar.sync 0; setp.lt.u32 %p1, %r1, 16; @%p1 ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r9}, [%r4];"},
		{"ldmatrix misaligned", warp, Config{}, Misaligned, "", "st.shared.u32 [%r5], %r1; bar.sync 0; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r9}, [%r4+8];"},

		{"copy waited for", warp, Config{}, 0, "", "cp.async.ca.shared.global [%r5], [%rd5], 4; cp.async.commit_group; cp.async.wait_group 0; ld.shared.u32 %r9, [%r5];"},
		{"copy not waited for", warp, Config{}, PendingCopy, "", "cp.async.ca.shared.global [%r5], [%rd5], 4; cp.async.commit_group; ld.shared.u32 %r9, [%r5];"},
		{"copy not committed", warp, Config{}, PendingCopy, "", "cp.async.ca.shared.global [%r5], [%rd5], 4; cp.async.wait_group 0; ld.shared.u32 %r9, [%r5];"},
		{"copy, wait_all", warp, Config{}, 0, "", "cp.async.ca.shared.global [%r5], [%rd5], 4; cp.async.wait_all; ld.shared.u32 %r9, [%r5];"},
		{"older group only", warp, Config{}, 0, "", "cp.async.ca.shared.global [%r5], [%rd5], 4; cp.async.commit_group; cp.async.ca.shared.global [%r5+256], [%rd5], 4; cp.async.commit_group; cp.async.wait_group 1; ld.shared.u32 %r9, [%r5];"},
		{"newer group", warp, Config{}, PendingCopy, "", "cp.async.ca.shared.global [%r5], [%rd5], 4; cp.async.commit_group; cp.async.ca.shared.global [%r5+256], [%rd5], 4; cp.async.commit_group; cp.async.wait_group 1; ld.shared.u32 %r9, [%r5+256];"},
		{"copy of another lane, no barrier", warp, Config{}, Race, "", "cp.async.ca.shared.global [%r5], [%rd5], 4; cp.async.wait_all; xor.b32 %r9, %r5, 4; ld.shared.u32 %r10, [%r9];"},
		{"copy misaligned", warp, Config{}, Misaligned, "", "cp.async.cg.shared.global [%r4+8], [%rd2], 16;"},
		{"copy too long", warp, Config{}, BadOperand, "exceeds", "mov.u32 %r9, 20; cp.async.cg.shared.global [%r4], [%rd2], 16, %r9;"},
		{"copy of nothing from nowhere", warp, Config{}, 0, "", "mul.wide.u32 %rd9, %r1, 0; mad.lo.u32 %r10, %r1, 12, %r5; mov.u32 %r9, 0; cp.async.cg.shared.global [%r10], [%rd9], 16, %r9; cp.async.wait_all; ld.shared.u32 %r11, [%r10];"},
		{"branch table", warp, Config{}, BadOperand, "branch index 7", "ts: .branchtargets a, b; brx.idx %r3, ts; a: b:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(3) {
				cfg := c.cfg
				cfg.Seed = seed
				_, err := launchText(t, cfg, c.l, kernel(c.body))
				var f *Fault
				switch {
				case c.kind == 0 && err != nil:
					t.Fatalf("seed %d: %v", seed, err)
				case c.kind == 0:
				case !errors.As(err, &f):
					t.Fatalf("seed %d: got %v, want %v", seed, err, c.kind)
				case f.Kind != c.kind:
					t.Fatalf("seed %d: got %v, want %v", seed, err, c.kind)
				case !strings.Contains(err.Error(), c.want):
					t.Fatalf("%v\nlacks %q", err, c.want)
				case f.Line == 0 || f.Source == "":
					t.Fatalf("%v: no place", err)
				}
			}
		})
	}
}

// TestDivergence checks the results of threads with different branches, loops and calls.
func TestDivergence(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       func(i int) int
	}{
		{"if and else", `setp.lt.u32 %p1, %r1, 10; @%p1 bra a; mul.lo.u32 %r9, %r1, 3; bra b; a: add.u32 %r9, %r1, 100; b: st.global.u32 [%rd4], %r9;`,
			func(i int) int {
				if i < 10 {
					return i + 100
				}
				return 3 * i
			}},
		{"loops of different length", `mov.u32 %r9, 0; mov.u32 %r10, 0; again: add.u32 %r9, %r9, %r10; add.u32 %r10, %r10, 1; setp.le.u32 %p1, %r10, %r1; @%p1 bra again; st.global.u32 [%rd4], %r9;`,
			func(i int) int { return i * (i + 1) / 2 }},
		{"join before the branches", `mov.u32 %r9, 5; bra start; join: st.global.u32 [%rd4], %r9; bra end; start: setp.eq.u32 %p1, %r1, 3; @%p1 bra odd; add.u32 %r9, %r9, %r1; bra join; odd: mov.u32 %r9, 77; bra join; end:`,
			func(i int) int {
				if i == 3 {
					return 77
				}
				return 5 + i
			}},
		{"shuffle after a branch", `mov.u32 %r9, %r1; setp.lt.u32 %p1, %r1, 7; @!%p1 bra a; add.u32 %r9, %r9, 50; a: shfl.sync.bfly.b32 %r10, %r9, 1, 31, 0xffffffff; st.global.u32 [%rd4], %r10;`,
			func(i int) int {
				j := i ^ 1
				if j < 7 {
					return j + 50
				}
				return j
			}},
		{"lanes wait for each other's flag", `.shared .u32 flag; setp.eq.u32 %p1, %r1, 0; @%p1 st.volatile.shared.u32 [flag], 0; bar.sync 0;
			setp.eq.u32 %p2, %r1, 9; @%p2 bra release; spin: ld.volatile.shared.u32 %r9, [flag]; setp.eq.u32 %p3, %r9, 0; @%p3 bra spin; bra out;
			release: st.volatile.shared.u32 [flag], 4; mov.u32 %r9, 4; out: st.global.u32 [%rd4], %r9;`, func(int) int { return 4 }},
		{"branch table", `and.b32 %r9, %r1, 3; ts: .branchtargets c0, c1, c2, c3; brx.idx %r9, ts;
			c0: mov.u32 %r10, 10; bra out; c1: mov.u32 %r10, 11; bra out; c2: mov.u32 %r10, 12; bra out; c3: mov.u32 %r10, 13; out: st.global.u32 [%rd4], %r10;`,
			func(i int) int { return 10 + i%4 }},
		{"exit of some", `mov.u32 %r9, 1; st.global.u32 [%rd4], %r9; setp.lt.u32 %p1, %r1, 5; @%p1 exit; mov.u32 %r9, 2; st.global.u32 [%rd4], %r9;`,
			func(i int) int {
				if i < 5 {
					return 1
				}
				return 2
			}},
		{"bar.warp.sync in both branches", `setp.lt.u32 %p1, %r1, 16; @%p1 bra a; bar.warp.sync 0xffffffff; mov.u32 %r9, 1; bra b; a: bar.warp.sync 0xffffffff; mov.u32 %r9, 2; b: st.global.u32 [%rd4], %r9;`,
			func(i int) int {
				if i < 16 {
					return 2
				}
				return 1
			}},
		{"votes", `setp.lt.u32 %p1, %r1, 5; vote.sync.ballot.b32 %r9, %p1, 0xffffffff; vote.sync.any.pred %p2, !%p1, 0xffffffff; selp.u32 %r10, 64, 0, %p2; or.b32 %r9, %r9, %r10; st.global.u32 [%rd4], %r9;`,
			func(int) int { return 31 + 64 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(4) {
				got, err := launchText(t, Config{Seed: seed}, Launch{Block: Dim{X: 32}}, kernel(c.body))
				if err != nil {
					t.Fatal(err)
				}
				for i, g := range got[:32] {
					if int(g) != c.want(i) {
						t.Fatalf("seed %d, thread %d: %d, want %d", seed, i, g, c.want(i))
					}
				}
			}
		})
	}
}

// TestThreads runs the same launch on one and on several goroutines. The results and the reported
// fault must be the same.
func TestThreads(t *testing.T) {
	body := `mad.lo.u32 %r9, %r2, 8, %r1; mul.wide.u32 %rd6, %r9, 4; add.u64 %rd7, %rd1, %rd6; st.global.u32 [%rd7], %r2;`
	var first string
	for _, threads := range []int{1, 2, 8} {
		for range 5 {
			_, err := launchText(t, Config{Seed: 5, Threads: threads}, Launch{Grid: Dim{X: 16}, Block: Dim{X: 32}}, kernel(body))
			if err == nil {
				t.Fatal("no race found")
			}
			if first == "" {
				first = err.Error()
			}
			if err.Error() != first {
				t.Fatalf("%d threads: %v\nbefore: %v", threads, err, first)
			}
		}
	}
}

// TestFuse computes a*b+c with and without contraction.
func TestFuse(t *testing.T) {
	body := `mov.f32 %f1, 0f3F800001; mov.f32 %f2, 0f3F800001; mov.f32 %f3, 0fBF800002; mul.f32 %f4, %f1, %f2; add.f32 %f5, %f4, %f3; st.global.f32 [%rd4], %f5;`
	m, err := Parse("fuse.ptx", []byte(kernel(body)))
	if err != nil {
		t.Fatal(err)
	}
	if c := m.Contractible(); len(c) != 2 || !strings.Contains(c[0].Source, "mul.f32") {
		t.Errorf("contractible: %v", c)
	}
	for _, c := range []struct {
		fuse bool
		want uint32
	}{{false, 0}, {true, 0x28800000}} { // 2^-46
		got, err := launchText(t, Config{Fuse: c.fuse}, Launch{}, kernel(body))
		if err != nil {
			t.Fatal(err)
		}
		if uint32(got[0]) != c.want {
			t.Errorf("fuse=%v: %#x, want %#x", c.fuse, uint32(got[0]), c.want)
		}
	}
}

func ExampleParse() {
	_, err := Parse("bad.ptx", []byte(kernel("mma.sync.aligned.m16n9k16.row.col.f32.bf16.bf16.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, {%r5,%r6}, {%f1,%f2,%f3,%f4};")))
	fmt.Println(strings.SplitN(err.Error(), ";", 2)[0])
	// Output: bad.ptx:25:17: unexpected modifier .m16n9k16 of mma
}
