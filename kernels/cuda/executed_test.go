package cuda

import (
	"bytes"
	"encoding/binary"
	"testing"

	"xrun/kernels/ptx"
)

// attentionStep returns the number of instructions that a warp of a bf16 attention kernel
// executes for one tile of 64 keys that all its rows see. It is computed as the difference
// between a long and a short sequence on the interpreter.
func attentionStep(t *testing.T, name string, size int) int {
	m, err := ptx.Parse("attention", PTX()["attention"])
	if err != nil {
		t.Fatal(err)
	}
	d := ptx.NewDevice(ptx.Config{})
	img, err := d.Load(m)
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := img.Kernel(name)
	if err != nil {
		t.Fatal(err)
	}
	zeros := func(bytes int) uint64 {
		p, err := d.Alloc(int64(bytes))
		if err == nil {
			err = d.Fill(p, 0, int64(bytes))
		}
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	given := func(x any) uint64 {
		var b bytes.Buffer
		if err := binary.Write(&b, binary.LittleEndian, x); err != nil {
			t.Fatal(err)
		}
		p := zeros(b.Len())
		if err := d.Write(p, b.Bytes()); err != nil {
			t.Fatal(err)
		}
		return p
	}
	const heads, tile, warps = 64, 64, 4 // one query of 64 heads that share one of keys
	executed := func(tiles int) int64 {
		keys := tiles * tile
		kv := zeros(keys * size * 2)
		tasks := given([]int32{0, 1, int32(keys - 1), 0, 0, 1})
		segments := given([]uint64{kv, kv, uint64(keys) << 32})
		before := d.Stats().Instructions
		err := d.Launch(kernel, ptx.Launch{Block: ptx.Dim{X: attentionThreads}}, zeros(heads*size*2), uint64(0), zeros(heads*size*2),
			tasks, segments, int32(heads), int32(1), int32(size), float32(0.125), int32(1), int32(1))
		if err != nil {
			t.Fatal(err)
		}
		return d.Stats().Instructions - before
	}
	return int(executed(10)-executed(2)) / 8 / warps
}
