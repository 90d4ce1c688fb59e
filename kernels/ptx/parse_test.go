package ptx

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSyntaxErrors lists PTX that is rejected, with the error messages.
func TestSyntaxErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "a PTX module starts with .version"},
		{"no target", ".version 8.0", "expected .target"},
		{"unknown target", ".version 8.0\n.target gfx90\n", `unknown target "gfx90"`},
		{"32-bit addresses", ".version 8.0\n.target sm_80\n.address_size 32", "only 64"},
		{"unknown instruction", kernel("frobnicate.u32 %r9, %r1;"), `25:1: unknown instruction "frobnicate"`},
		{"unknown modifier", kernel("add.fast.u32 %r9, %r1, 1;"), "unexpected modifier .fast of add"},
		{"missing type", kernel("add %r9, %r1, 1;"), "add lacks a modifier"},
		{"two scopes", kernel("atom.global.gpu.sys.add.u32 %r9, [%rd1], %r1;"), "unexpected modifier"},
		{"two spaces", kernel("ld.global.shared.u32 %r9, [%rd1];"), "unexpected modifier"},
		{"two types", kernel("ld.global.u32.u64 %r9, [%rd1];"), "unexpected modifier"},
		{"mma shape", kernel("mma.sync.aligned.m16n9k16.row.col.f32.bf16.bf16.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, {%r5,%r6}, {%f1,%f2,%f3,%f4};"), "unexpected modifier .m16n9k16"},
		{"mma layouts exchanged", kernel("mma.sync.aligned.m16n8k16.col.row.f32.bf16.bf16.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, {%r5,%r6}, {%f1,%f2,%f3,%f4};"), "unexpected modifier .col"},
		{"mma fragment too short", kernel("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3}, {%r5,%r6}, {%f1,%f2,%f3,%f4};"), "vector of 3 operands, expected 4"},
		{"mma of the wrong registers", kernel("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%r1,%f2,%f3,%f4}, {%rd1,%r2,%r3,%r4}, {%r5,%r6}, {%f1,%f2,%f3,%f4};"), "register %rd1 has type .b64"},
		{"wrong register type", kernel("add.f32 %f1, %fd2, %f3;"), "register %fd2 has type .f64, expected .f32"},
		{"wrong register width", kernel("add.u64 %rd9, %r1, 1;"), "register %r1 has type .b32, expected .u64"},
		{"unknown register", kernel("add.u32 %r9, %r60, 1;"), "unknown register %r60"},
		{"float for integer", kernel("add.u32 %r9, %r1, 1.5;"), "floating-point constant 1.5"},
		{"integer for float", kernel("add.f32 %f1, %f2, 1;"), "integer constant 1 for a .f32 operand"},
		{"constant destination", kernel("add.u32 1, %r1, %r2;"), "1 cannot be a destination"},
		{"too few operands", kernel("add.u32 %r9, %r1;"), "add has 2 operands, expected 3"},
		{"too many operands", kernel("add.u32 %r9, %r1, %r2, %r3;"), "add has 4 operands, expected 3"},
		{"no semicolon", kernel("add.u32 %r9, %r1, %r2"), `expected ","`},
		{"unknown label", kernel("bra nowhere;"), `unknown label "nowhere"`},
		{"guard is no predicate", kernel("@%r1 bra x; x:"), "guard %r1 is not a predicate"},
		{"store to a parameter", kernel("st.param.u32 [p2], %r1;"), "parameters of an entry are read-only"},
		{"wrong space", kernel("ld.global.u32 %r9, [sm];"), "sm is in .shared space, not .global"},
		{"32-bit global address", kernel("ld.global.u32 %r9, [%r1];"), "cannot hold a .global address"},
		{"copy of 12 bytes", kernel("cp.async.ca.shared.global [%r4], [%rd1], 12;"), "cp.async.ca of 12 bytes"},
		{"cg copy of 8 bytes", kernel("cp.async.cg.shared.global [%r4], [%rd1], 8;"), "cp.async.cg of 8 bytes"},
		{"lop3 table", kernel("lop3.b32 %r9, %r1, %r2, %r3, 256;"), "table 256"},
		{"wide vector", kernel("ld.shared.v4.u64 {%rd6,%rd7,%rd8,%rd9}, [%r4]; ld.global.v2.u16 {%rs1}, [%rd1];"), "vector of 1 operands, expected 2"},
		{"shuffle without sync", kernel("shfl.bfly.b32 %r9, %r1, 1, 31;"), "without .sync does not exist on sm_70"},
		{"call of nothing", kernel("call.uni foo, (%r1);"), `unknown function "foo"`},
		{"declared twice", kernel(".reg .b32 x; .reg .b64 x;"), "x is declared twice"},
		{"kernel twice", kernel("") + ".entry k(.param .u64 p0, .param .u64 p1, .param .u32 p2) { ret; }", "defined twice"},
		{"unterminated comment", header + "/* ", "comment does not end"},
		{"unterminated string", header + ".file 1 \"x\n", "string does not end"},
		{"unterminated block", header + ".entry k() { ret;", "does not end"},
		{"huge array", header + ".global .b8 a[99999999999];", "outside 0 to"},
		{"nested too deeply", header + ".entry k() " + strings.Repeat("{", 100), "nested too deeply"},
		{"bad number", header + ".global .u32 a = 0x;", "malformed number"},
		{"overfull initializer", header + ".global .u32 a[2] = {1, 2, 3};", "more initial values"},
		{"stray byte", header + "\x01", "unexpected character"},
		{"alignment of alloca", kernel("alloca.u64 %rd9, %rd1, 12;"), "alignment 12 is not a power of two"},
		{"volatile local memory", kernel(".local .u32 x; ld.volatile.local.u32 %r9, [x];"), "needs PTX 9.1, this is 8.0"},
		{"policy without hint", kernel("ld.global.u32 %r9, [%rd1], %rd2;"), "ld has 3 operands, expected 2"},
		{"hint without policy", kernel("ld.global.L2::cache_hint.u32 %r9, [%rd1];"), "ld has 2 operands, expected 3"},
		{"copy with hint, without policy", kernel("cp.async.cg.shared.global.L2::cache_hint [%r4], [%rd1], 16;"), "lacks its policy"},
		{"hint in shared memory", kernel("ld.shared.L2::cache_hint.u32 %r9, [%r4], %rd2;"), "which only .global has"},
		{"result of a remote arrival", kernel("mbarrier.arrive.shared::cluster.b64 %rd9, [%r4];"), "no result but _"},
		{"vector parameter", header + ".entry k(.param .v2 .f32 x) { ret; }", "parameter x is a vector"},
		{"kernel parameter without a bound", header + ".entry k(.param .u64 x[]) { ret; }", "parameter x has no size"},
		{"no address size since 2.3", ".version 2.3\n.target sm_20\n.entry k() { ret; }", "only 64 is supported"},
		{"textures", header + ".tex .u32 t;", ".tex variables are not supported"},
		{"texture references", header + ".global .texref t;", ".texref: textures, samplers and surfaces are not supported"},
		{"clusters", header + ".entry k() .explicitcluster { ret; }", "clusters are not supported"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Parse("t.ptx", []byte(c.text))
			var s *SyntaxError
			if !errors.As(err, &s) {
				t.Fatalf("got %v, %v", m, err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nlacks %q", err, c.want)
			}
			if s.Line < 1 || s.Column < 1 {
				t.Errorf("no position: %+v", s.Pos)
			}
		})
	}
}

// TestSyntax lists less common PTX that is accepted.
func TestSyntax(t *testing.T) {
	for _, text := range []string{
		header,
		header + ".global .align 4 .b8 a[8] = {1, 2, 0xff, 0b11, 017};",
		header + ".global .u32 a[3]; .global .u64 p[2] = {a, generic(a)+4};",
		header + ".visible .const .f32 c[2][2] = {{1.0, 0f3F800000}, {-1.5, 2e3}};",
		header + ".extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b64 b);",
		header + ".file 1 \"a.cu\", 123, 456\n.section .debug_abbrev { .b8 1,2,3 }\n.visible .entry k() .maxntid 32, 1, 1 .minnctapersm 2 { .loc 1 2 3\n .pragma \"nounroll\"; ret; }",
		kernel("{ .reg .u32 t; mov.u32 t, %tid.x; } { .reg .u64 t; mov.u64 t, 1; }"),
		kernel("{ x: @%p1 bra x; } { x: @%p1 bra x; }"),
		kernel("mov.b64 {%r9, %r10}, %rd1; mov.b64 %rd9, {%r9, %r10}; mov.b32 {_, %rs1}, %r9;"),
		kernel(".reg .v4 .f32 v; ld.global.v4.f32 v, [%rd2]; add.f32 %f1, v.x, v.w;"),
		kernel("sub.ftz.rn.f32 %f1, %f1, %f2; div.ftz.rn.f32 %f1, %f2, %f3;"),
		kernel("setp.lt.and.u32 %p1|%p2, %r1, %r2, !%p3; setp.lt.u32 %p1|_, %r1, %r2;"),
		kernel("ld.global.u32 %r9, [%rd1+4+8]; ld.global.u32 %r9, [%rd1+-4]; ld.global.u32 %r9, [%rd1-4];"),
		kernel("ld.global.s8 %rd9, [%rd1]; ld.global.u8 %rs1, [%rd1]; st.global.u8 [%rd1], %r1; cvt.s64.s8 %rd9, %r1;"),
		// Orders that compilers write and ptxas takes.
		kernel("atom.global.gpu.acq_rel.add.u32 %r9, [%rd1], %r1; atom.global.add.u32 %r9, [%rd1], 1; red.add.global.u32 [%rd1], %r1;"),
		kernel("ld.global.acquire.gpu.b32 %r9, [%rd1]; st.global.release.gpu.b32 [%rd1], %r1; ld.global.volatile.b32 %r9, [%rd1];"),
		kernel("fence.gpu.acq_rel; shfl.bfly.sync.b32 %r9, %r1, 1, 31, -1; vote.ballot.sync.b32 %r9, %p1, -1;"),
		kernel("bra.uni L; L:"), kernel("@!%p1 bra L; L: ;"),
		strings.Replace(kernel(""), ".version 8.0\n", ".version 8.0 // c\n/* d\n e */", 1) + "\x00",
	} {
		if _, err := Parse("t.ptx", []byte(text)); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// TestDamaged truncates kernels and changes single bytes. The result must be one error or a
// module, never a panic.
func TestDamaged(t *testing.T) {
	src, err := os.ReadFile("testdata/basics.clang19.ptx")
	if err != nil {
		t.Fatal(err)
	}
	check := func(text []byte) {
		m, err := Parse("damaged.ptx", text)
		var s *SyntaxError
		if err != nil && !errors.As(err, &s) {
			t.Fatalf("%v", err)
		}
		if err == nil {
			NewDevice(Config{Memory: 1 << 20}).Load(m)
		}
	}
	for n := 0; n < len(src); n += 13 {
		check(src[:n])
	}
	r := rng{1}
	for range 1500 {
		b := append([]byte(nil), src...)
		for range 1 + r.next()%3 {
			at := r.next() % uint64(len(b))
			switch r.next() % 3 {
			case 0:
				b[at] = byte(r.next())
			case 1:
				n := min(r.next()%20, uint64(len(b))-at)
				b = append(b[:at], b[at+n:]...)
			default:
				from := r.next() % uint64(len(b))
				n := min(r.next()%30, uint64(len(b))-from)
				b = append(b[:at:at], append(append([]byte(nil), b[from:from+n]...), b[at:]...)...)
			}
		}
		check(b)
	}
}

// FuzzParse checks that Parse returns, for any text, a module that can be loaded or one error with
// a position.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.ptx")
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte(kernel("ts: .branchtargets a, b; brx.idx %r3, ts; a: b: call.uni g, (%r1);")))
	f.Add([]byte(header + ".func (.reg .u32 a) g(.reg .u32 b) { add.u32 a, b, 1; ret; } .entry k() { .reg .u32 x; call (x), g, (2); ret; }"))
	f.Add([]byte(header + ".global .u64 p[2] = {0xFF(p), generic(p)+4}; .weak .global .align 16 .v4 .f32 v = {1.0, 2.0};"))
	f.Fuzz(func(t *testing.T, src []byte) {
		m, err := Parse("fuzz.ptx", src)
		if err != nil {
			var s *SyntaxError
			if !errors.As(err, &s) || s.Msg == "" {
				t.Fatalf("error without a place: %v", err)
			}
			return
		}
		m.Contractible()
		m.Kernels()
		if _, err := NewDevice(Config{Memory: 64 << 20}).Load(m); err != nil && err.Error() == "" {
			t.Fatal("empty error")
		}
	})
}
