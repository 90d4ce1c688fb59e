//go:build !amd64 || noasm

package ptx

const vectors = false

var (
	runAddF32   = addF32
	runSubF32   = subF32
	runMulF32   = mulF32
	runFmaF32   = fmaF32
	runAdd32    = add[uint32]
	runSub32    = sub[uint32]
	runMul32    = mul[uint32]
	runMad32    = mad[uint32]
	runShl32    = shl[uint32]
	runShr32    = shr
	runAdd64    = add[uint64]
	runAnd      = and
	runOr       = or
	runXor      = xor
	runMulWide  = mulWide32
	runMulWideS = mulWideS32
	runSelp     = selp
)

func equalLanes(a, b *vec) uint32 { return equalPlain(a, b) }
func greaterU32(a, b *vec) uint32 { return greaterU32Plain(a, b) }
func greaterS32(a, b *vec) uint32 { return greaterS32Plain(a, b) }

func mulAdd16(c *[16][8]uint32, a *[16][16]uint32, b *[16][8]uint32, k int) { mulAddPlain(c, a, b, k) }
