package ptx

import (
	"math"
	"strings"
	"testing"
)

// TestLanes runs one kernel for each feature. Thread i of 64 must store want(i).
func TestLanes(t *testing.T) {
	const out = "st.global.u32 [%rd4], %r9;"
	for _, c := range []struct {
		name, top, body string // top goes before the kernel
		want            func(i int) uint32
	}{
		{"alloca", "", `
			shl.b32 %r10, %r1, 2; add.u32 %r10, %r10, 8; cvt.u64.u32 %rd6, %r10; // 4i+8 bytes
			stacksave.u64 %rd7;
			alloca.u64 %rd8, %rd6, 16; and.b64 %rd9, %rd8, 15; cvt.u32.u64 %r11, %rd9;
			st.local.u32 [%rd8], %r1; cvta.local.u64 %rd10, %rd8; ld.u32 %r12, [%rd10];
			alloca.u64 %rd11, 64; st.local.u32 [%rd11+60], 5; ld.local.u32 %r13, [%rd8];
			stackrestore.u64 %rd7; alloca.u64 %rd12, %rd6, 16; sub.u64 %rd13, %rd12, %rd8; cvt.u32.u64 %r14, %rd13;
			add.u32 %r9, %r11, %r12; add.u32 %r9, %r9, %r13; add.u32 %r9, %r9, %r14;` + out,
			func(i int) uint32 { return uint32(2 * i) }},
		{"calls below alloca", `
			.func (.reg .u32 s) f(.reg .u32 n) {
				.reg .u64 p, q; .reg .u32 x, y; .reg .pred c; .local .align 4 .b8 own[4];
				st.local.u32 [own], n;
				cvt.u64.u32 q, n; shl.b64 q, q, 2; alloca.u64 p, q, 4; st.local.u32 [p], n;
				setp.eq.u32 c, n, 1; mov.u32 y, 0; sub.u32 x, n, 1;
				@c bra done;
				call.uni (y), f, (x);
			done:
				ld.local.u32 x, [p]; add.u32 y, y, x; ld.local.u32 x, [own]; add.u32 s, y, x;
				ret;
			}`, "and.b32 %r10, %r1, 7; add.u32 %r10, %r10, 1; call.uni (%r9), f, (%r10);" + out,
			func(i int) uint32 { n := uint32(i&7) + 1; return n * (n + 1) }},
		{"cache policies", "", `
			.reg .b64 policy; createpolicy.fractional.L2::evict_first.b64 policy, 0.5;
			createpolicy.range.global.L2::evict_last.L2::evict_unchanged.b64 %rd7, [%rd1], 64, 128;
			createpolicy.cvt.L2.b64 %rd8, policy;
			mov.u32 %r10, 3; st.global.L1::evict_last.L2::cache_hint.u32 [%rd4], %r10, policy;
			ld.global.L2::cache_hint.L2::128B.u32 %r11, [%rd4], %rd7;
			atom.global.add.L2::cache_hint.u32 %r12, [%rd4], %r1, policy;
			red.relaxed.gpu.global.add.L2::cache_hint.u32 [%rd4], 1, %rd8;
			cp.async.ca.shared.global.L2::cache_hint.L2::64B [%r5], [%rd4], 4, policy; cp.async.wait_all;
			cp.async.ca.shared.global.L2::cache_hint [%r5+256], [%rd4], 4, 4, policy; cp.async.wait_all;
			ld.shared.u32 %r13, [%r5]; ld.shared.u32 %r14, [%r5+256];
			add.u32 %r9, %r11, %r12; add.u32 %r9, %r9, %r13; add.u32 %r9, %r9, %r14;` + out,
			func(i int) uint32 { return uint32(3 + 3 + 2*(4+i)) }},
		{"vector atomics", "", `
			cvt.rn.f32.u32 %f1, %r1; mov.f32 %f2, 0f3F800000; mov.b16 %rs1, 0x3c00; mov.b16 %rs2, 0x4000;
			cvt.rn.bf16x2.f32 %r12, %f1, %f1; neg.f32 %f8, %f1; cvt.rn.bf16x2.f32 %r11, %f8, %f8;
			atom.global.add.v2.f32 {%f3, %f4}, [%rd2], {%f1, %f2};
			red.global.add.noftz.v4.f16 [%rd2+16], {%rs1, %rs2, %rs1, %rs2};
			atom.global.max.noftz.v2.bf16x2 {_, _}, [%rd2+32], {%r11, %r12};
			bar.sync 0;
			ld.global.v2.f32 {%f5, %f6}, [%rd2]; cvt.rzi.u32.f32 %r13, %f5; cvt.rzi.u32.f32 %r14, %f6;
			mad.lo.u32 %r9, %r13, 256, %r14;
			ld.global.v4.b16 {%rs3, %rs4, %rs5, %rs6}, [%rd2+16]; cvt.f32.f16 %f7, %rs6; cvt.rzi.u32.f32 %r13, %f7; add.u32 %r9, %r9, %r13;
			ld.global.v2.b32 {%r13, %r14}, [%rd2+32]; xor.b32 %r9, %r9, %r14;` + out,
			func(i int) uint32 { return (63*64/2*256 + 64 + 2*64) ^ 0x427c427c }},
		{"float atomics flush in global memory only", "", `
			mov.b32 %f1, 1; // the smallest number
			setp.eq.u32 %p1, %r1, 0; @%p1 st.shared.f32 [sm], 0f00000000; bar.sync 0;
			atom.global.add.f32 %f2, [%rd2], %f1; 
			cvt.u64.u32 %rd6, %r4; cvta.shared.u64 %rd6, %rd6; atom.add.f32 %f3, [%rd6], %f1; bar.sync 0; ld.global.u32 %r10, [%rd2]; ld.shared.u32 %r11, [sm]; mad.lo.u32 %r9, %r10, 1000, %r11;` + out,
			func(int) uint32 { return 64 }},
		{"NaN as an integer", "", `
			mov.b64 %fd1, 0d7FF8000000000000; mov.b32 %f1, 0f7FC00000;
			cvt.rni.u16.f64 %rs1, %fd1; cvt.rni.s32.f64 %r10, %fd1; cvt.rni.u32.f32 %r11, %f1; cvt.rni.s64.f32 %rd6, %f1; shr.u64 %rd6, %rd6, 60;
			cvt.u32.u16 %r12, %rs1; cvt.u32.u64 %r13, %rd6; or.b32 %r9, %r10, %r11; or.b32 %r9, %r9, %r12; or.b32 %r9, %r9, %r13;` + out,
			func(int) uint32 { return 0x80008008 }},
		{"set of halves with a predicate", "", `
			cvt.rn.f16.u32 %rs1, %r1; mov.b16 %rs2, 0x4e00; // 24
			setp.lt.u32 %p1, %r1, 40;
			set.lt.and.f16.f16 %rs3, %rs1, %rs2, %p1; set.ge.xor.u32.f16 %r10, %rs1, %rs2, !%p1;
			mov.b32 %r11, {%rs1, %rs2}; mov.b32 %r12, {%rs2, %rs1}; set.leu.or.u32.f16x2 %r13, %r11, %r12, %p1;
			cvt.u32.u16 %r9, %rs3; xor.b32 %r9, %r9, %r10; xor.b32 %r9, %r9, %r13;` + out,
			func(i int) uint32 {
				r := uint32(0)
				if i < 24 && i < 40 {
					r = 0x3c00
				}
				if (i >= 24) != (i >= 40) {
					r ^= math.MaxUint32
				}
				if i <= 24 || i < 40 {
					r ^= 0xffff
				}
				if i >= 24 || i < 40 {
					r ^= 0xffff0000
				}
				return r
			}},
		{"vector registers as parameters", `
			.func (.reg .v2 .u32 s) swap(.reg .v2 .u32 v, .reg .u32 n) { mov.u32 s.x, v.y; add.u32 s.y, v.x, n; ret; }`,
			`.reg .v2 .u32 w; call (w), swap, ({%r1, %r3}, 100); mad.lo.u32 %r9, w.x, 1000, w.y; call ({_, %r10}), swap, (w, %r1); sub.u32 %r10, %r10, %r1; add.u32 %r9, %r9, %r10;` + out,
			func(i int) uint32 { return uint32(7000 + i + 100 + 7) }},
		{"declarations without semicolons, results that nobody wants", `
			.visible .func (.param .u32 r) twice (.param .u32 a)

			.func (.reg .u32 r) once (.reg .u32 a)

			.visible .func (.param .u32 r) twice (.param .u32 a) { .reg .u32 x; ld.param.u32 x, [a]; add.u32 x, x, x; st.param.u32 [r], x; ret; }
			.func (.reg .u32 r) once (.reg .u32 a) { mov.u32 r, a; ret; }
			`, `.param .u32 pa, pr; st.param.u32 [pa], %r1; call (pr), twice, (pa); ld.param.u32 %r9, [pr]; st.param.u32 [pa], %r1; call (_), once, (%r9);` + out,
			func(i int) uint32 { return uint32(2 * i) }},
		// The second warp reads early and arrives, the first reads late; the writer
		// comes after both.
		{"a barrier that some only arrive at", "", `
			st.shared.u32 [%r5], %r1; bar.sync 0; ld.shared.u32 %r9, [sm+8];
			setp.ge.u32 %p1, %r1, 32; @%p1 bra early;
			ld.shared.u32 %r10, [sm+8]; bar.sync 1, 64; setp.eq.u32 %p2, %r1, 0; @%p2 st.shared.u32 [sm+8], %r1; bra out;
		early: bar.arrive 1, 64;
		out: ` + out,
			func(int) uint32 { return 2 }},
	} {
		for seed := range uint64(4) {
			text := strings.Replace(kernel(c.body), header, header+c.top, 1)
			got, err := launchText(t, Config{Seed: seed, Budget: 1 << 20}, Launch{Block: Dim{X: 64}}, text)
			if err != nil {
				t.Errorf("%s, seed %d: %v", c.name, seed, err)
				break
			}
			for i, g := range got[:64] {
				if uint32(g) != c.want(i) {
					t.Errorf("%s, seed %d, thread %d: %#x, want %#x", c.name, seed, i, g, c.want(i))
					break
				}
			}
		}
	}
}
