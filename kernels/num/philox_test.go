package num

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The known answers of the authors' Random123 distribution (kat_vectors,
// philox4x32 10 rounds).
func TestPhiloxKnownAnswers(t *testing.T) {
	const f = 0xffffffff
	for _, c := range []struct {
		ctr  [4]uint32
		key  [2]uint32
		want [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{f, f, f, f}, [2]uint32{f, f}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		if diff := cmp.Diff(c.want, philox4x32(c.key, c.ctr)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestPhiloxBelowStaysBelow(t *testing.T) {
	p := NewPhilox(1, 2, 3)
	seen := map[uint64]int{}
	for range 6000 {
		seen[p.Below(6)]++
	}
	for v, n := range seen {
		if v > 5 || n < 850 || n > 1150 {
			t.Errorf("%d came %d times of 6000", v, n)
		}
	}
}
