package ptx

import (
	"encoding/binary"
	"math"
	"testing"
)

// upload and download copy slices to new device memory and back.

func uploadBytes(t testing.TB, d *Device, b []byte) uint64 {
	t.Helper()
	p, err := d.Alloc(int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(p, b); err != nil {
		t.Fatal(err)
	}
	return p
}

func downloadBytes(t testing.TB, d *Device, p uint64, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if err := d.Read(b, p); err != nil {
		t.Fatal(err)
	}
	return b
}

func upload(t testing.TB, d *Device, v []float32) uint64 {
	t.Helper()
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return uploadBytes(t, d, b)
}

func download(t testing.TB, d *Device, p uint64, n int) []float32 {
	t.Helper()
	b := downloadBytes(t, d, p, 4*n)
	v := make([]float32, n)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

func upload64(t testing.TB, d *Device, v []float64) uint64 {
	t.Helper()
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	return uploadBytes(t, d, b)
}

func download64(t testing.TB, d *Device, p uint64, n int) []float64 {
	t.Helper()
	b := downloadBytes(t, d, p, 8*n)
	v := make([]float64, n)
	for i := range v {
		v[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return v
}
