package reports

// philox is the counter-based generator Philox4x32-10 (Salmon, Moraes, Dror and
// Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the same
// numbers on every machine, named by a key. Each block of four words comes from
// the next counter, the lowest word first.
type philox struct {
	key   [2]uint32
	block uint64
	out   [4]uint32
	left  int
}

// newPhilox returns the stream of a name: its key is FNV-1a (64 bits) of the
// name's bytes, low word first, its counter starts at 0.
func newPhilox(name string) *philox {
	h := uint64(0xcbf29ce484222325)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001b3
	}
	return &philox{key: [2]uint32{uint32(h), uint32(h >> 32)}}
}

func (p *philox) uint32() uint32 {
	if p.left == 0 {
		p.out = philoxBlock(p.key, [4]uint32{uint32(p.block), uint32(p.block >> 32), 0, 0})
		p.block++
		p.left = 4
	}
	p.left--
	return p.out[3-p.left]
}

// index returns a number in [0, n): the upper half of a 32 × 32 bit product.
// Its bias, at most n/2³², is far below what 10,000 resamples can show.
func (p *philox) index(n int) int {
	return int(uint64(p.uint32()) * uint64(n) >> 32)
}

func philoxBlock(key [2]uint32, c [4]uint32) [4]uint32 {
	for round := range 10 {
		if round > 0 {
			key[0] += 0x9E3779B9
			key[1] += 0xBB67AE85
		}
		x := uint64(0xD2511F53) * uint64(c[0])
		y := uint64(0xCD9E8D57) * uint64(c[2])
		c = [4]uint32{uint32(y>>32) ^ c[1] ^ key[0], uint32(y), uint32(x>>32) ^ c[3] ^ key[1], uint32(x)}
	}
	return c
}
