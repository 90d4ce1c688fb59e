package num

import "math/bits"

// Philox is the counter-based generator Philox4x32-10 (Salmon, Moraes, Dror & Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", 2011). A stream is identified by its
// purpose, not by what was drawn before, so results do not depend on the order of work.
type Philox struct {
	key     [2]uint32
	stream  uint64
	block   uint64
	out     [4]uint32
	pending int
}

// NewPhilox returns the stream of (seed, purpose, index). The generator's 64-bit key is the
// seed with purpose exclusive-ored into its high word. The high half of the counter is
// index, the low half the number of the block.
func NewPhilox(seed uint64, purpose uint32, index uint64) *Philox {
	return &Philox{key: [2]uint32{uint32(seed), uint32(seed>>32) ^ purpose}, stream: index}
}

// Uint32 returns the next 32 bits of the stream, which are the words of each block in order.
func (p *Philox) Uint32() uint32 {
	if p.pending == 0 {
		p.out = philox4x32(p.key, [4]uint32{uint32(p.block), uint32(p.block >> 32), uint32(p.stream), uint32(p.stream >> 32)})
		p.block++
		p.pending = 4
	}
	p.pending--
	return p.out[3-p.pending]
}

// Uint64 returns two words, the first in the low half.
func (p *Philox) Uint64() uint64 {
	lo := uint64(p.Uint32())
	return lo | uint64(p.Uint32())<<32
}

// Below returns a number in [0, n): the high half of the 128-bit product of n
// and the next 64 bits. The bias is below n/2⁶⁴.
func (p *Philox) Below(n uint64) uint64 {
	hi, _ := bits.Mul64(p.Uint64(), n)
	return hi
}

// Float64 returns a number in [0, 1): the upper 53 of the next 64 bits, times 2⁻⁵³.
func (p *Philox) Float64() float64 {
	return float64(p.Uint64()>>11) * 0x1p-53
}

func philox4x32(k [2]uint32, c [4]uint32) [4]uint32 {
	for round := 0; round < 10; round++ {
		hi0, lo0 := bits.Mul32(0xD2511F53, c[0])
		hi1, lo1 := bits.Mul32(0xCD9E8D57, c[2])
		c = [4]uint32{hi1 ^ c[1] ^ k[0], lo1, hi0 ^ c[3] ^ k[1], lo0}
		k[0] += 0x9E3779B9
		k[1] += 0xBB67AE85
	}
	return c
}
