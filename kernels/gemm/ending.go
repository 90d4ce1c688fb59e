package gemm

import "unsafe"

// ending describes how a tile finishes its chains: it stores chain + bias + res in dst
// or, rounded, in dst16. bias and res may be nil. Rows of the destination are ldd
// apart, those of res ldr. dst and res may be the same.
type ending struct {
	dst       []float32
	dst16     []uint16
	bias, res []float32
	ldd, ldr  int
	raw       [6]uintptr // for assembly
}

// row finishes the i-th row of a tile.
func (e *ending) row(i int, chains []float32) {
	dst, dst16, res := e.dst, e.dst16, e.res
	if dst16 != nil {
		dst16 = dst16[i*e.ldd:]
	} else {
		dst = dst[i*e.ldd:]
	}
	if res != nil {
		res = res[i*e.ldr:]
	}
	finishPortable(dst, dst16, chains, e.bias, res)
}

// words returns e in the form that the assembly takes: the addresses of destination
// and residual, which the assembly advances, each followed by the bytes between its
// rows, then the address of the bias, then 1 if the destination is bf16.
func (e *ending) words() *uintptr {
	if e == nil {
		return nil
	}
	e.raw = [6]uintptr{address(e.dst), uintptr(4 * e.ldd), address(e.res), uintptr(4 * e.ldr), address(e.bias), 0}
	if e.dst16 != nil {
		e.raw[0], e.raw[1], e.raw[5] = address(e.dst16), uintptr(2*e.ldd), 1
	}
	return &e.raw[0]
}

func address[T any](s []T) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(s))) }
