package reports_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parquet-go/parquet-go"

	"xrun/reports"
)

// someItems makes n rows that use every column kind, empty values too.
func someItems(n int) []reports.Item {
	rows := make([]reports.Item, n)
	for i := range rows {
		rows[i] = reports.Item{
			Cell: "base:m", Suite: "mmlu", Subset: []string{"", "anatomy", "virology"}[i/7%3],
			ID: fmt.Sprint(i / 4), Row: int32(i / 4), Prompt: fmt.Sprintf("%016x", sha256.Sum256([]byte{byte(i)}))[:16],
			Choice: string(rune('A' + i%4)), Tokens: int32(40 + i%13), Scored: 1,
			LogProb: -1.5 - float64(i%17)/8, Score: float64(i%5) / 3, Prediction: "A", Gold: "B", Correct: i%3 == 0,
			Truncated: i%11 == 0,
		}
		if i%2 == 0 {
			rows[i].Figures = []string{"mmlu anatomy", "élan 東京"}[:i%3]
		}
		if len(rows[i].Figures) == 0 {
			rows[i].Figures = nil
		}
	}
	return rows
}

func writeBytes[T any](t testing.TB, rows []T) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := reports.WriteRows(&buf, rows); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func readBytes[T any](b []byte) ([]T, error) {
	return reports.ReadRows[T](bytes.NewReader(b), int64(len(b)), "table.parquet")
}

func TestTablesRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 63, 64, 65, 1023, 1024, 1025, 5000} {
		want := someItems(n)
		got, err := readBytes[reports.Item](writeBytes(t, want))
		if err != nil {
			t.Fatalf("%d rows: %v", n, err)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("%d rows: %s", n, d)
		}
	}
	steps := []reports.Step{{Cell: "c", Step: 1, Loss: math.NaN(), LR: math.Inf(1), GradNorm: math.Copysign(0, -1), Skipped: true}}
	got, err := readBytes[reports.Step](writeBytes(t, steps))
	if err != nil || !math.IsNaN(got[0].Loss) || !math.IsInf(got[0].LR, 1) || !math.Signbit(got[0].GradNorm) {
		t.Errorf("special values came back as %+v, %v", got, err)
	}
}

// The NaN of an x86 division, 0/0, has its sign bit set; ARM's has not.
func TestEveryNaNIsTheSameBytes(t *testing.T) {
	theirs := math.Float64frombits(0xfff8000000000000)
	rows := []reports.Step{{Loss: theirs}, {Loss: 1, GradNorm: theirs}}
	a := writeBytes(t, rows)
	b := writeBytes(t, []reports.Step{{Loss: math.NaN()}, {Loss: 1, GradNorm: math.NaN()}})
	if !bytes.Equal(a, b) {
		t.Error("NaNs of different bits gave different files")
	}
	if math.Float64bits(rows[0].Loss) != 0xfff8000000000000 {
		t.Error("the caller's rows were changed")
	}
}

func TestRunDirectoryRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs", "x")
	want := &reports.Run{
		Results: []reports.Result{{Cell: "c", Members: []string{"a", "b"}, Weights: []float64{3, 1}, Value: 12.5, Leaf: true}},
		Items:   someItems(100),
		Steps:   []reports.Step{{Cell: "c", Step: 1, Loss: 1}},
		HeldOut: []reports.HeldOut{{Cell: "c", OutputLoss: 2}},
		Samples: []reports.Sample{{Cell: "c", Text: "a\x00b\n"}},
		Facts:   []reports.Fact{{Section: "study", Value: "v"}},
	}
	if err := reports.WriteTables(directory(dir), want); err != nil {
		t.Fatal(err)
	}
	got, err := reports.ReadTables(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 6 {
		t.Errorf("the directory holds %d files, %v; want the six tables", len(entries), err)
	}
	os.Remove(filepath.Join(dir, "facts.parquet"))
	os.WriteFile(filepath.Join(dir, "items.parquet"), []byte("PAR"), 0o666)
	_, err = reports.ReadTables(dir)
	for _, part := range []string{"items.parquet: not a parquet file: it has 3 bytes", "facts.parquet: "} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v lacks %q", err, part)
		}
	}
}

// The digest is part of the format: a change of library, option or processor
// that moves a byte must be noticed. scripts run this test with -tags "purego
// noasm" and for arm64 too.
func TestTableBytesAreFixed(t *testing.T) {
	const want = "a4078f9287df3cb6531d40e46e1080fa257da09dc075c456a7fb5c864c650c21"
	b := writeBytes(t, someItems(5000))
	if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != want {
		t.Errorf("5000 rows: sha256 %s, %d bytes; want %s", got, len(b), want)
	}
}

// A changed bit is noticed, wherever in a file it is: an error, or the rows are
// the same. So is a cut anywhere.
func TestDamagedTables(t *testing.T) {
	type row struct { // every kind of column there is
		Text  string   `parquet:"text"`
		Whole int32    `parquet:"whole"`
		Float float64  `parquet:"float"`
		Flag  bool     `parquet:"flag"`
		List  []string `parquet:"list"`
	}
	var want []row
	for _, it := range someItems(20) {
		want = append(want, row{it.ID + it.Subset, it.Tokens, it.LogProb, it.Correct, it.Figures})
	}
	good := writeBytes(t, want)
	silent := 0
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= byte(1 << (i % 8))
		got, err := readBytes[row](b)
		if err == nil {
			silent++
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("byte %d of %d flipped: other rows without an error: %s", i, len(good), d)
			}
		} else if !strings.HasPrefix(err.Error(), "reading table.parquet: ") {
			t.Fatalf("error does not name the file: %v", err)
		}
	}
	t.Logf("%d of %d flips changed no row (statistics and page index)", silent, len(good))
	for n := range good {
		if _, err := readBytes[row](good[:n]); err == nil {
			t.Fatalf("cut to %d of %d bytes: no error", n, len(good))
		}
	}
}

func TestForeignTables(t *testing.T) {
	check := func(name string, b []byte, part string) {
		t.Helper()
		_, err := readBytes[reports.Step](b)
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: error %v; want %q", name, err, part)
		}
	}
	other := new(bytes.Buffer)
	if err := parquet.Write(other, []reports.Step{{Step: 1}}); err != nil {
		t.Fatal(err)
	}
	type renamed struct {
		Cell string `parquet:"zelle"`
	}
	check("empty", nil, "not a parquet file: it has 0 bytes")
	check("text", []byte("cell,step,loss\na,1,2\n"), `it begins with "cell"`)
	check("another writer", other.Bytes(), "not written by xrun")
	check("another table", writeBytes(t, someItems(3)), `column "step" is missing`)
	check("other names", writeBytes(t, []renamed{{"c"}}), `column "cell" is missing (it has zelle)`)
}

func FuzzReadRows(f *testing.F) {
	f.Add(writeBytes(f, someItems(3)))
	f.Add(writeBytes(f, someItems(0)))
	f.Add(writeBytes(f, []reports.Fact{{Section: "study"}}))
	f.Add([]byte("PAR1\x00\x00\x00\x00PAR1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, err := readBytes[reports.Item](b)
		if err != nil {
			return
		}
		again, err := readBytes[reports.Item](writeBytes(t, rows))
		if err != nil || !cmp.Equal(rows, again, cmpopts.EquateNaNs()) {
			t.Fatalf("rows read do not survive a round trip: %v", err)
		}
	})
}

// directory is a plain directory to write a run into.
type directory string

func (d directory) WriteFile(name string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	path := filepath.Join(string(d), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o666)
}
