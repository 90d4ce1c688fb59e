package ptx

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// produce is a block of two warps. In each of eight rounds the second warp writes a row, through
// two buffers, and the first warp reads it and adds the rows up. mbarriers at sm signal that a
// buffer is full, or empty again.
const produce = `
	setp.eq.u32 %p1, %r1, 0;
	@%p1 mbarrier.init.shared.b64 [%r4], 32;
	@%p1 mbarrier.init.shared.b64 [%r4+8], 32;
	@%p1 mbarrier.init.shared.b64 [%r4+16], 32;
	@%p1 mbarrier.init.shared.b64 [%r4+24], 32;
	bar.sync 0;
	mov.u32 %r10, 0;             // round
	mov.u32 %r11, 0;             // sum
	and.b32 %r12, %r1, 31;
	shl.b32 %r12, %r12, 2;
	add.u32 %r12, %r12, %r4;     // own word of the first buffer, but for 64
round:
	and.b32 %r13, %r10, 1;
	shl.b32 %r14, %r13, 3;
	add.u32 %r14, %r14, %r4;     // full; empty is 16 bytes on
	shl.b32 %r15, %r13, 7;
	add.u32 %r15, %r15, %r12;
	shr.u32 %r16, %r10, 1;
	and.b32 %r16, %r16, 1;       // parity
	setp.lt.u32 %p2, %r1, 32;
	@%p2 bra consume;
	xor.b32 %r17, %r16, 1;
full:
	mbarrier.test_wait.parity.shared.b64 %p3, [%r14+16], %r17;
	@!%p3 bra full;
	mad.lo.u32 %r18, %r10, 100, %r1;
	$store
	bra next;
consume:
	mbarrier.try_wait.parity.shared.b64 %p3, [%r14], %r16;
	@!%p3 bra consume;
	xor.b32 %r19, %r15, 4;
	ld.shared.u32 %r18, [%r19+64];
	add.u32 %r11, %r11, %r18;
	mbarrier.arrive.shared.b64 %rd6, [%r14+16];
next:
	add.u32 %r10, %r10, 1;
	setp.lt.u32 %p4, %r10, 8;
	@%p4 bra round;
	@%p2 st.global.u32 [%rd4], %r11;
`

// TestMbarrier runs a producer and a consumer.
func TestMbarrier(t *testing.T) {
	store := "st.shared.u32 [%r15+64], %r18;"
	arrive := "mbarrier.arrive.shared.b64 _, [%r14];"
	// The row goes through global memory and an asynchronous copy.
	copied := "st.global.u32 [%rd4+1024], %r18; add.u64 %rd7, %rd4, 1024; add.u32 %r20, %r15, 64; cp.async.ca.shared.global [%r20], [%rd7], 4;"
	for _, c := range []struct {
		name, store string
		kind        FaultKind
	}{
		{"stores", store + arrive, 0},
		{"stores, arrival without order", store + "mbarrier.arrive.relaxed.cta.shared.b64 _, [%r14];", Race},
		{"arrival before the store", arrive + store, Race},
		{"copies", copied + "cp.async.mbarrier.arrive.noinc.shared.b64 [%r14];", 0},
		{"copies that nobody waits for", copied + arrive, PendingCopy},
		{"copies and an arrival of its own", copied + "cp.async.mbarrier.arrive.shared.b64 [%r14];" + arrive, 0},
		{"every thread arrives twice", store + arrive + arrive, OverBudget},
		{"bytes", store + "mbarrier.arrive.expect_tx.shared.b64 _, [%r14], 4; mbarrier.complete_tx.relaxed.cta.shared.b64 [%r14], 4;", 0},
	} {
		for seed := range uint64(4) {
			got, err := launchText(t, Config{Seed: seed, Budget: 50000}, Launch{Block: Dim{X: 64}}, kernel(strings.Replace(produce, "$store", c.store, 1)))
			if c.kind != 0 {
				var f *Fault
				if !errors.As(err, &f) || f.Kind != c.kind && !(c.kind == Race && f.Kind == Uninitialized) {
					t.Errorf("%s, seed %d: %v, want %v", c.name, seed, err, c.kind)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s, seed %d: %v", c.name, seed, err)
				continue
			}
			for i, g := range got[:32] {
				if want := int32(100*28 + 8*(32+i^1)); g != want {
					t.Fatalf("%s, seed %d: thread %d has %d, want %d", c.name, seed, i, g, want)
				}
			}
		}
	}
}

// TestMbarrierStates checks the states of an object as seen by one thread.
func TestMbarrierStates(t *testing.T) {
	got, err := launchText(t, Config{}, Launch{}, kernel(`
		mbarrier.init.shared.b64 [sm], 3;
		mbarrier.arrive.noComplete.shared.b64 %rd6, [sm], 2;
		mbarrier.pending_count.b64 %r9, %rd6;
		st.global.u32 [%rd1], %r9;          // 3
		mbarrier.test_wait.shared.b64 %p1, [sm], %rd6;
		selp.u32 %r9, 1, 0, %p1;
		st.global.u32 [%rd1+4], %r9;        // 0
		mbarrier.arrive_drop.shared.b64 %rd7, [sm];
		mbarrier.test_wait.shared.b64 %p1, [sm], %rd6;
		selp.u32 %r9, 1, 0, %p1;
		st.global.u32 [%rd1+8], %r9;        // 1
		mbarrier.test_wait.parity.shared.b64 %p1, [sm], 0;
		selp.u32 %r9, 1, 0, %p1;
		st.global.u32 [%rd1+12], %r9;       // 1
		mbarrier.arrive.noComplete.shared.b64 %rd6, [sm], 1;
		mbarrier.pending_count.b64 %r9, %rd6;
		st.global.u32 [%rd1+16], %r9;       // 2, for one has dropped out
		mbarrier.inval.shared.b64 [sm];
		mbarrier.init.shared.b64 [sm], 1;
	`))
	if err != nil {
		t.Fatal(err)
	}
	if want := []int32{3, 0, 1, 1, 2}; fmt.Sprint(got[:5]) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got[:5], want)
	}
	for _, c := range []struct{ name, body, want string }{
		{"no object", "mbarrier.arrive.shared.b64 _, [sm];", "uninitialized read"},
		{"invalidated", "mbarrier.init.shared.b64 [sm], 1; mbarrier.inval.shared.b64 [sm]; mbarrier.arrive.shared.b64 _, [sm];", "there is no mbarrier object"},
		{"two at one place", "mbarrier.init.shared.b64 [sm], 1; mbarrier.init.shared.b64 [sm], 1;", "was not invalidated"},
		{"count of zero", "mbarrier.init.shared.b64 [sm], 0;", "count 0 of an mbarrier object"},
		{"misaligned", "mbarrier.init.shared.b64 [sm+4], 1;", "misaligned"},
		{"too many", "mbarrier.init.shared.b64 [sm], 1; mbarrier.arrive.shared.b64 _, [sm], 2;", "2 arrivals at an mbarrier object whose phase waits for 1"},
		{"completes", "mbarrier.init.shared.b64 [sm], 1; mbarrier.arrive.noComplete.shared.b64 _, [sm], 1;", "completes the phase"},
		{"an old state", "mbarrier.init.shared.b64 [sm], 1; mbarrier.arrive.shared.b64 %rd6, [sm]; mbarrier.arrive.shared.b64 _, [sm]; mbarrier.test_wait.shared.b64 %p1, [sm], %rd6;", "the state is of phase 0"},
		{"never complete", "mbarrier.init.shared.b64 [sm], 2; mbarrier.arrive.shared.b64 %rd6, [sm]; w: mbarrier.test_wait.shared.b64 %p1, [sm], %rd6; @!%p1 bra w;", "instruction budget"},
		{"not in shared memory", "mbarrier.init.b64 [%rd1], 2;", "is in shared memory"},
	} {
		if _, err := launchText(t, Config{Budget: 10000}, Launch{}, kernel(c.body)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
