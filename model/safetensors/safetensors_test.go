package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"xrun/model/safetensors"
)

// file builds a file from header text and data.
func file(header string, data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func open(b []byte) (*safetensors.Set, error) {
	return safetensors.New(bytes.NewReader(b), int64(len(b)), "m.safetensors")
}

func values(v ...float32) func(int, []float32) error {
	return func(first int, dst []float32) error {
		copy(dst, v[first:])
		return nil
	}
}

func TestRoundTrip(t *testing.T) {
	v := []float32{1, -2, 0.5, 3.1415927, float32(math.Inf(1)), 1e-40}
	tensors := []safetensors.Tensor{
		{Name: "z", DType: safetensors.F32, Shape: []int{2, 3}, Read: values(v...)},
		{Name: "a", DType: safetensors.BF16, Shape: []int{6}, Read: values(v...)},
		{Name: "empty", DType: safetensors.F32, Shape: []int{0, 4}, Read: values()},
		{Name: "scalar", DType: safetensors.F32, Shape: nil, Read: values(7)},
	}
	var b, again bytes.Buffer
	for _, w := range []*bytes.Buffer{&b, &again} {
		if err := safetensors.Write(w, tensors, map[string]string{"k": "v"}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("equal tensors gave different bytes")
	}
	s, err := open(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a", "empty", "scalar", "z"}, s.Names()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]string{"format": "pt", "k": "v"}, s.Metadata()); d != "" {
		t.Error(d)
	}
	got := make([]float32, 6)
	if err := s.Float32("z", 0, got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(v, got); d != "" {
		t.Error(d)
	}
	if err := s.Float32("a", 1, got[:3]); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]float32{-2, 0.5, 3.140625}, got[:3]); d != "" {
		t.Errorf("bfloat16 rounds to nearest even (-want +got):\n%s", d)
	}
	if err := s.Float32("a", 4, got[:3]); err == nil {
		t.Error("reading past the end of a tensor succeeded")
	}
}

// More elements than one read buffer holds.
func TestLargeTensor(t *testing.T) {
	const n = 1<<18*2 + 77
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i)
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, []safetensors.Tensor{{Name: "t", DType: safetensors.F32, Shape: []int{n}, Read: values(v...)}}, nil); err != nil {
		t.Fatal(err)
	}
	s, err := open(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, n-5)
	if err := s.Float32("t", 5, got); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if got[i] != v[i+5] {
			t.Fatalf("element %d is %v, want %v", i, got[i], v[i+5])
		}
	}
}

func TestConversions(t *testing.T) {
	le := binary.LittleEndian
	data := le.AppendUint16(nil, 0x3c00)             // F16 1
	data = le.AppendUint16(data, 0x8001)             // F16 -2^-24
	data = le.AppendUint16(data, 0x7c00)             // F16 Inf
	data = le.AppendUint16(data, 0xc248)             // F16 -3.140625
	data = le.AppendUint64(data, 0x3ff0000010000000) // F64 1+2^-24, half way: to even
	data = le.AppendUint64(data, ^uint64(4))         // I64 -5
	s, err := open(file(`{"h":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},"d":{"dtype":"F64","shape":[1],"data_offsets":[8,16]},"i":{"dtype":"I64","shape":[],"data_offsets":[16,24]}}`, data))
	if err != nil {
		t.Fatal(err)
	}
	h, d := make([]float32, 4), make([]float32, 1)
	if err := errors.Join(s.Float32("h", 0, h), s.Float32("d", 0, d)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float32{1, -0x1p-24, float32(math.Inf(1)), -3.140625}, h); diff != "" {
		t.Error(diff)
	}
	if d[0] != 1 {
		t.Errorf("float64 rounds to %v, want 1", d[0])
	}
	if i, err := s.Int64("i"); err != nil || i[0] != -5 {
		t.Errorf("Int64: %v, %v", i, err)
	}
	if err := s.Float32("i", 0, d); err == nil || !strings.Contains(err.Error(), `tensor "i" is I64`) {
		t.Errorf("integers as floats: %v", err)
	}
	if _, err := s.Float64("none"); err == nil {
		t.Error("a tensor that is not there was read")
	}
}

// Each hostile file is one error with the file's name and a byte offset.
func TestBadFiles(t *testing.T) {
	one := func(entry string) []byte { return file(`{"t":`+entry+`}`, make([]byte, 16)) }
	long := file("{}", nil)
	binary.LittleEndian.PutUint64(long, 100)
	huge := file("{}", nil)
	binary.LittleEndian.PutUint64(huge, math.MaxUint64)
	good := one(`{"dtype":"F32","shape":[4],"data_offsets":[0,16]}`)
	if _, err := open(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		file []byte
	}{
		{"byte 0: the file ends inside the 8-byte header length", nil},
		{"byte 3: the file ends inside the 8-byte header length", good[:3]},
		{"byte 0: the header length 100 runs past the end of the file of 10 bytes", long},
		{"byte 0: the header length 18446744073709551615 exceeds", huge},
		{"byte 71: the file ends inside tensor \"t\", which needs bytes up to 79", good[:71]},
		{"1 bytes at the end belong to no tensor", append(bytes.Clone(good), 0)},
		{"byte 8: the header does not start with '{'", file("[]", nil)},
		{"the header ends in the middle of its JSON", file(`{"t":`, nil)},
		{`byte 12: tensor "a": expected colon`, file(`{"a"x`, nil)},
		{"bytes follow the header's JSON object", file(`{}{}`, nil)},
		{`"t" is defined twice`, file(`{"t":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"t":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, nil)},
		{`unknown dtype "F31"`, one(`{"dtype":"F31","shape":[4],"data_offsets":[0,16]}`)},
		{"shape is missing", one(`{"dtype":"F32","data_offsets":[0,16]}`)},
		{"data_offsets has 1 numbers", one(`{"dtype":"F32","shape":[4],"data_offsets":[0]}`)},
		{"hold 16 bytes, but F32 [5] needs 20", one(`{"dtype":"F32","shape":[5],"data_offsets":[0,16]}`)},
		{"are not a range", one(`{"dtype":"F32","shape":[4],"data_offsets":[16,0]}`)},
		{"the product of shape [4294967296 4294967296] overflows", one(`{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16]}`)},
		{"at most 16 are supported", one(`{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,4],"data_offsets":[0,16]}`)},
		{"shape holds number -4; want whole numbers from 0", one(`{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}`)},
		{"shape holds number 4.5; want whole numbers from 0", one(`{"dtype":"F32","shape":[4.5],"data_offsets":[0,16]}`)},
		{"dtype holds number; want a string", one(`{"dtype":4,"shape":[4],"data_offsets":[0,16]}`)},
		{`unknown field "stride"`, one(`{"dtype":"F32","shape":[4],"stride":1,"data_offsets":[0,16]}`)},
		{`needs bytes up to`, one(`{"dtype":"F32","shape":[8],"data_offsets":[0,32]}`)},
		{"4 bytes before tensor \"t\" belong to no tensor", one(`{"dtype":"F32","shape":[3],"data_offsets":[4,16]}`)},
		{`tensor "u" overlaps tensor "t"`, file(`{"t":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"u":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}`, make([]byte, 16))},
	} {
		_, err := open(c.file)
		var f *safetensors.FormatError
		if !errors.As(err, &f) || f.File != "m.safetensors" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want a FormatError with %q", err, c.want)
		}
	}
}

func shard(name string, v float32) *fstest.MapFile {
	var b bytes.Buffer
	if err := safetensors.Write(&b, []safetensors.Tensor{{Name: name, DType: safetensors.F32, Shape: []int{1}, Read: values(v)}}, nil); err != nil {
		panic(err)
	}
	return &fstest.MapFile{Data: b.Bytes()}
}

func TestShards(t *testing.T) {
	with := func(index string) fstest.MapFS {
		return fstest.MapFS{
			safetensors.IndexFile: {Data: []byte(index)},
			"model-1.safetensors": shard("a", 1), "model-2.safetensors": shard("b", 2),
		}
	}
	s, err := safetensors.Open(with(`{"metadata":{"total_size":8},"weight_map":{"b":"model-2.safetensors","a":"model-1.safetensors"}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := make([]float32, 1)
	if err := s.Float32("b", 0, got); err != nil || got[0] != 2 {
		t.Errorf("read %v, %v", got, err)
	}
	for want, index := range map[string]string{
		`"../x.safetensors" is not a plain file name`:    `{"weight_map":{"a":"../x.safetensors"}}`,
		`"/etc/passwd" is not a plain file name`:         `{"weight_map":{"a":"/etc/passwd"}}`,
		`".." is not a plain file name`:                  `{"weight_map":{"a":".."}}`,
		`"5" is not a plain file name`:                   `{"weight_map":{"a":5}}`,
		"tensor \"a\" is listed twice":                   `{"weight_map":{"a":"model-1.safetensors","a":"model-2.safetensors"}}`,
		"weight_map is missing or empty":                 `{"metadata":{}}`,
		"want a JSON object":                             `[]`,
		"the index ends in the middle":                   `{"weight_map":{"a":"model-1.safetensors"}`,
		`names the shard model-3.safetensors`:            `{"weight_map":{"a":"model-1.safetensors","c":"model-3.safetensors"}}`,
		`"c" is listed in model-1.safetensors, but that`: `{"weight_map":{"c":"model-1.safetensors"}}`,
	} {
		if _, err := safetensors.Open(with(index)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", index, err, want)
		}
	}
	if _, err := safetensors.Open(fstest.MapFS{}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "neither model.safetensors nor") {
		t.Errorf("an empty directory: %v", err)
	}
}

// A tensor that cannot be read, or a name used twice, is an error.
func TestWriteErrors(t *testing.T) {
	tensor := safetensors.Tensor{Name: "t", DType: safetensors.F32, Shape: []int{1}, Read: func(int, []float32) error { return errors.New("device lost") }}
	err := safetensors.Write(&bytes.Buffer{}, []safetensors.Tensor{tensor}, nil)
	if err == nil || !strings.Contains(err.Error(), `writing tensor "t": device lost`) {
		t.Errorf("got %v", err)
	}
	if err := safetensors.Write(&bytes.Buffer{}, []safetensors.Tensor{tensor, tensor}, nil); err == nil {
		t.Error("a name was written twice")
	}
}

// A header cannot make a reader use much more memory than the size of the file, whether by
// millions of entries, by a single one, or by metadata.
func TestHeaderMemory(t *testing.T) {
	var many, numbers, metadata strings.Builder
	for i := range 140_000 {
		fmt.Fprintf(&many, `,"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`, i)
		fmt.Fprintf(&metadata, `,"%d":"%0120d"`, i, i)
		numbers.WriteString(",1")
	}
	for want, header := range map[string]string{
		"the header lists more than 131072 tensors": "{" + many.String()[1:] + "}",
		"its entry has 280":                         `{"t":{"dtype":"F32","shape":[` + numbers.String()[1:] + `],"data_offsets":[0,4]}}`,
		"the metadata has ":                         `{"__metadata__":{` + metadata.String()[1:] + `}}`,
		"the metadata must be an object of strings": `{"__metadata__":{"a":{}}}`,
		"exceeded max depth":                        `{"t":` + strings.Repeat("[", 1_000_000),
	} {
		b := file(header, nil)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		_, err := open(b)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > uint64(32*len(b)+64<<20) {
			t.Errorf("%s: %d bytes were taken for a header of %d", want, took, len(b))
		}
	}
}

// An index of shards cannot name files outside its directory, or anything but regular files.
func TestHostileIndex(t *testing.T) {
	for _, shard := range []string{"/etc/passwd", "../m.safetensors", "a/../../m.safetensors", "a/m.safetensors", "..", ".", "", `a\\b`, "C:x", "dir"} {
		fsys := fstest.MapFS{
			safetensors.IndexFile: {Data: []byte(`{"weight_map":{"t":"` + shard + `"}}`)},
			"dir":                 {Mode: fs.ModeDir | 0o755},
		}
		if _, err := safetensors.Open(fsys); err == nil || !strings.Contains(err.Error(), "plain file name") && !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("shard %q: %v", shard, err)
		}
	}
	var many strings.Builder
	for i := range 140_000 {
		fmt.Fprintf(&many, `,"%d":"s"`, i)
	}
	for want, index := range map[string]string{
		"lists more than 131072 tensors": `{"weight_map":{` + many.String()[1:] + `}}`,
		"exceeded max depth":             `{"metadata":` + strings.Repeat("[", 1_000_000),
	} {
		if _, err := safetensors.Open(fstest.MapFS{safetensors.IndexFile: {Data: []byte(index)}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// An index only opens files of its own directory, whatever it contains.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":4},"weight_map":{"t":"a.safetensors","u":"b.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"t":"../a.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"t":"a.safetensors","t":"b.safetensors"}}`))
	f.Add([]byte(`{"weight_map":[`))
	f.Fuzz(func(t *testing.T, index []byte) {
		s, err := safetensors.Open(fstest.MapFS{safetensors.IndexFile: {Data: index}, "a.safetensors": shard("t", 1), "b.safetensors": shard("u", 2)})
		if err != nil {
			return
		}
		defer s.Close()
		for _, name := range s.Names() {
			if info, ok := s.Info(name); !ok || info.File != "a.safetensors" && info.File != "b.safetensors" {
				t.Errorf("%q is said to be in %q", name, info.File)
			}
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte(`{"t":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`), 16)
	f.Add([]byte(`{"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]},"b":{"dtype":"I64","shape":[],"data_offsets":[8,16]}}   `), 16)
	f.Add([]byte(`{"t":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,16]}}`), 16)
	f.Add([]byte(`{"t":{"dtype":"F8_E4M3","shape":[0],"data_offsets":[9,9]}}`), 0)
	f.Add([]byte(`[`), 3)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, header []byte, data int) {
		if data < 0 || data > 1<<16 {
			return
		}
		s, err := open(file(string(header), make([]byte, data)))
		if err != nil {
			var f *safetensors.FormatError
			if !errors.As(err, &f) {
				t.Errorf("%v is not a FormatError", err)
			}
			return
		}
		total := int64(0)
		for _, name := range s.Names() {
			info, ok := s.Info(name)
			if !ok || int64(info.Elements())*int64(info.DType.Size()) != info.Size || info.Offset < 0 || info.Offset+info.Size > int64(8+len(header)+data) {
				t.Fatalf("accepted %+v", info)
			}
			total += info.Size
			if _, err := s.Float64(name); err != nil && info.DType == safetensors.F32 {
				t.Error(err)
			}
		}
		if total != int64(data) {
			t.Errorf("tensors cover %d bytes of %d", total, data)
		}
	})
}

// Files written by other programs.
func TestReference(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "reference", "tiny-llama")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED, NOT CHECKED: no reference values: %v", err)
	}
	s, err := safetensors.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	info, _ := s.Info("lm_head.weight")
	if d := cmp.Diff([]int{389, 72}, info.Shape); d != "" || info.DType != safetensors.F32 || s.Metadata()["format"] != "pt" {
		t.Error(fmt.Sprint(d, info, s.Metadata()))
	}
}
