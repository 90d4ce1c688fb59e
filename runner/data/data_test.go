package data_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parquet-go/parquet-go"
	"github.com/xuri/excelize/v2"

	"xrun/runner/data"
)

func read(name, format, text string, columns map[string]string) ([]data.Item, error) {
	return data.Read(strings.NewReader(text), int64(len(text)), name, format, columns)
}

// Each kind of item, in each form of file that can hold it.
func TestRead(t *testing.T) {
	check := func(what, name, format, text string, columns map[string]string, want ...data.Item) {
		t.Helper()
		got, err := read(name, format, text, columns)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	type item = data.Item
	check("alpaca", "a.json", "auto", "[\n{\"instruction\": \"i\", \"input\": \"\", \"output\": \"o\"},\n\n{\"instruction\": \"j\", \"output\": \"\", \"input\": \"n\"}]\n", nil,
		item{Instruction: "i", Output: "o", Line: 2}, item{Instruction: "j", Input: "n", Line: 4})
	check("all fields, null input, ignored id", "a.json", "auto", `[{"id": {"x": [1]}, "instruction":"i","input":null,"output":"o\n\u00e9","system":"s","history":[["q","a"],["r","b"]]}]`, nil,
		item{Instruction: "i", Output: "o\né", System: "s", History: [][2]string{{"q", "a"}, {"r", "b"}}, Line: 1})
	check("lines, mark, CR LF, blank lines", "a.jsonl", "auto", "\ufeff{\"instruction\":\"i\",\"output\":\"o\"}\r\n\r\n {\"instruction\":\"j\",\"output\":\"p\"} \r\n", nil,
		item{Instruction: "i", Output: "o", Line: 1}, item{Instruction: "j", Output: "p", Line: 3})
	check("lines in a .json file", "a.json", "auto", "{\"instruction\":\"i\",\"output\":\"o\"}\n{\"instruction\":\"j\",\"output\":\"p\"}", nil,
		item{Instruction: "i", Output: "o", Line: 1}, item{Instruction: "j", Output: "p", Line: 2})
	check("renamed", "a.jsonl", "instruct", `{"frage":"q","antwort":"a"}`, map[string]string{"instruction": "frage", "output": "antwort"},
		item{Instruction: "q", Output: "a", Line: 1})
	check("question is another word for instruction", "a.jsonl", "auto", `{"frage":"q","antwort":"a"}`, map[string]string{"question": "frage", "answer": "antwort"},
		item{Instruction: "q", Output: "a", Line: 1})
	check("sharegpt", "a.json", "auto", `[{"conversations":[{"from":"system","value":"s"},{"from":"human","value":"q"},{"from":"gpt","value":"a"},{"from":"human","value":"r"},{"from":"gpt","value":"b"}],"system":"t"}]`, nil,
		item{System: "t", Messages: []data.Message{{"system", "s"}, {"user", "q"}, {"assistant", "a"}, {"user", "r"}}, Output: "b", Line: 1})
	check("messages", "a.jsonl", "auto", `{"messages":[{"role":"user","content":"q"},{"role":"tool","content":"t"},{"role":"assistant","content":"a"}]}`, nil,
		item{Messages: []data.Message{{"user", "q"}, {"tool", "t"}}, Output: "a", Line: 1})
	check("a lone answer", "a.jsonl", "auto", `{"messages":[{"role":"assistant","content":"a"}]}`, nil,
		item{Messages: []data.Message{}, Output: "a", Line: 1})
	check("preference with conversations", "a.json", "auto", `[{"conversations":[{"from":"human","value":"q"}],"chosen":{"from":"gpt","value":"good"},"rejected":{"from":"gpt","value":"bad"}}]`, nil,
		item{Messages: []data.Message{{"user", "q"}}, Output: "good", Line: 1})
	check("preference of texts", "a.jsonl", "auto", `{"prompt":"q","chosen":"good","rejected":"bad"}`, nil, item{Instruction: "q", Output: "good", Line: 1})
	check("preference with instruction", "a.jsonl", "auto", `{"instruction":"q","input":"i","chosen":"good","rejected":"bad"}`, nil, item{Instruction: "q", Input: "i", Output: "good", Line: 1})
	check("preference of whole conversations", "a.jsonl", "auto", `{"chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"good"}],"rejected":[]}`, nil,
		item{Messages: []data.Message{{"user", "q"}}, Output: "good", Line: 1})
	check("text", "a.jsonl", "auto", `{"text":"once upon"}`, nil, item{Bare: true, Output: "once upon", Line: 1})
	check("CSV", "a.csv", "auto", "question,answer\n\"a \"\"b\"\", c\",\"one\ntwo\"\n\nx,\n", nil,
		item{Instruction: `a "b", c`, Output: "one\ntwo", Line: 2}, item{Instruction: "x", Line: 5})
	check("CSV with mark, CR LF, other columns", "a.csv", "qa", "\ufeffid,F,A\r\n1,q,a\r\n", map[string]string{"question": "F", "answer": "A"}, item{Instruction: "q", Output: "a", Line: 2})
	check("CSV of instructions", "a.csv", "auto", "output,instruction,input\no,i,n\n", nil, item{Instruction: "i", Input: "n", Output: "o", Line: 2})
	check("TSV", "a.tsv", "auto", "question\tanswer\na,b\tc\n", nil, item{Instruction: "a,b", Output: "c", Line: 2})
}

// Each fault gives one message with its place and what to do.
func TestReadErrors(t *testing.T) {
	check := func(what, name, text, want string) {
		t.Helper()
		var columns map[string]string
		if strings.Contains(what, "renamed") {
			columns = map[string]string{"question": "Frage", "answer": "Antwort"}
		}
		_, err := read(name, "auto", text, columns)
		if err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", what, err, want)
		}
	}
	check("empty", "a.json", "", "reading a.json: it is empty; want items")
	check("only a mark", "a.jsonl", "\ufeff\n", "reading a.jsonl: it is empty; want items")
	check("no items", "a.json", "[ ]", "reading a.json: it has no items")
	check("header only", "a.csv", "question,answer\n", "reading a.csv: it has no items")
	check("unknown ending", "a.txt", "x", `reading a.txt: the ending ".txt" is no known form; want .json, .jsonl, .csv, .tsv, .xlsx or .parquet`)
	check("not UTF-8", "a.csv", "question,answer\nx,caf\xe9\n", "a.csv:2: byte 0xe9 is not UTF-8; convert the file to UTF-8")
	check("short row", "a.csv", "question,answer\nq,a\nq\n", `a.csv:3: the row has 1 cells and the header 2 ("question", "answer"); quote cells that hold commas, quotes or line breaks`)
	check("long row", "a.csv", "question,answer\nq,a,b\n", `a.csv:2: the row has 3 cells and the header 2 ("question", "answer"); quote cells that hold commas, quotes or line breaks`)
	check("bare quote", "a.csv", "question,answer\nq,a \"b\" c\n", `a.csv:2:5: is not CSV: bare " in non-quoted-field; a cell with quotes must be quoted and its quotes doubled`)
	check("open quote", "a.csv", "question,answer\nq,\"a\nb\nc\n", `a.csv:4:3: is not CSV: extraneous or missing " in quoted-field; the row starts at line 2; a quoted cell may have no end`)
	check("unnamed column", "a.csv", "question,,answer\n", "a.csv:1: column 2 has no name; the first row must name the columns")
	check("same column twice", "a.csv", "question,answer,answer\n", `a.csv:1: two columns are named "answer"; rename one`)
	check("no known columns", "a.csv", "Frage,Antwort\nq,a\n", `a.csv:1: an item with "Frage", "Antwort" is of no known kind; say which column is which, such as columns: {question: "Frage", answer: ...}`)
	check("renamed column missing", "a.csv", "Frage,Antwrot\nq,a\n", `a.csv:1: there is no column "Antwort", which data.columns.answer names; did you mean "Antwrot"?`)
	check("renamed field missing", "a.jsonl", `{"Frage":"q","answer":"a"}`, `a.jsonl:1: there is no "Antwort"; it has "Frage", "answer"; name its column in data.columns.answer`)
	check("one column missing", "a.csv", "question,awnser\nq,a\n", `a.csv:2: there is no "answer"; did you mean "awnser"? then write columns: {answer: "awnser"}`)
	check("trailing bytes", "a.json", "[{\"text\":\"x\"}]\n\nmore\n", "a.json:3: 5 bytes follow the end of the list; remove them")
	check("cut list", "a.json", "[{\"text\":\"x\"},\n{\"text\":", "a.json:2: the file ends inside its list, after 1 items; it is cut short, get it again")
	check("cut after an item", "a.json", "[{\"text\":\"x\"}\n", "a.json:2: the file ends inside its list, after 1 items; it is cut short, get it again")
	check("syntax", "a.json", "[{\"text\":\"x\"},\n{\"text\" \"y\"}]", `a.json:2: is not JSON: invalid character '"' after object key (after 1 items); correct it there`)
	check("no comma", "a.json", "[{\"text\":\"x\"}\n{\"text\":\"y\"}]", `a.json:2: is not JSON: expected comma after array element (after 1 items); correct it there`)
	check("a line that is not JSON", "a.jsonl", "{\"text\":\"x\"}\n{\"text\":\n", "a.jsonl:2: is not JSON: unexpected end of JSON input; each line must be one whole item")
	check("a list in .jsonl", "a.jsonl", "[\n{\"text\":\"x\"}]\n", "a.jsonl:1: is not JSON: unexpected end of JSON input; each line must be one whole item; a list of items starts with [")
	check("no object", "a.json", "[\n3]", "a.json:2: item 1: it is a number; want an object in {braces}")
	check("a number for a text", "a.json", `[{"instruction":"a","output":3}]`, `a.json:1: item 1: "output" is a number; want a string in quotes`)
	check("missing output", "a.json", "[{\"instruction\":\"a\",\"output\":\"b\"},\n{\"instruction\":\"a\",\"ouput\":\"b\"}]", `a.json:2: item 2: there is no "output"; did you mean "ouput"? then write columns: {output: "ouput"}`)
	check("null output", "a.json", `[{"instruction":"a","output":null}]`, `a.json:1: item 1: "output" is null; want a text, or remove the item`)
	check("field twice", "a.json", `[{"instruction":"a","output":"b","output":"c"}]`, `a.json:1: item 1: it has "output" twice; remove one`)
	check("half a surrogate pair", "a.json", `[{"text":"a\ud83d b"}]`, `a.json:1: item 1: "text" is a string with half a surrogate pair (\ud800 to \udfff), which is no character; write the whole pair`)
	check("history", "a.json", `[{"instruction":"a","output":"b","history":[["q"]]}]`, `a.json:1: item 1: "history": turn 1 has 1 texts; want a question and its answer`)
	check("history of another kind", "a.json", `[{"instruction":"a","output":"b","history":{"q":"a"}}]`, `a.json:1: item 1: "history" is no list of [question, answer] pairs`)
	check("last turn", "a.jsonl", `{"messages":[{"role":"user","content":"q"}]}`, `a.jsonl:1: the conversation ends with the turn of "user"; its last turn must be the assistant's, which is what is learned`)
	check("no turn", "a.jsonl", `{"messages":[]}`, `a.jsonl:1: the conversation is empty; want at least an assistant's turn`)
	check("unknown role", "a.jsonl", `{"messages":[{"role":"wizard","content":"q"}]}`, `a.jsonl:1: "messages": turn 1 is of "wizard"; want system, user, assistant or tool`)
	check("turn without content", "a.jsonl", `{"messages":[{"role":"user"}]}`, `a.jsonl:1: "messages": turn 1 has "role"; want role and content, or from and value`)
	check("content in parts", "a.jsonl", `{"messages":[{"role":"user","content":[]}]}`, `a.jsonl:1: "messages": turn 1 has a content that is a list; want a string in quotes`)
	check("no workbook", "a.xlsx", "question,answer\n", "reading a.xlsx: is no .xlsx workbook: zip: not a valid zip file; save it as Excel workbook (.xlsx)")
	check("no parquet", "a.parquet", "question,answer\n", `reading a.parquet: is no whole parquet file: invalid magic header of parquet file: "ques"; it may be cut short, get it again`)
}

// A character that stands escaped or plain as U+FFFD is itself, not damage.
func TestReplacementCharacter(t *testing.T) {
	items, err := read("a.jsonl", "auto", `{"text":"\ufffd \uFFFD � \\ufffd"}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := "\ufffd \ufffd \ufffd \\ufffd"; items[0].Output != want {
		t.Errorf("got %q, want %q", items[0].Output, want)
	}
}

func workbook(t testing.TB, fill func(f *excelize.File)) []byte {
	t.Helper()
	f := excelize.NewFile()
	fill(f)
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestXLSX(t *testing.T) {
	row := func(f *excelize.File, cell string, values ...any) {
		if err := f.SetSheetRow("Sheet1", cell, &values); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what, want string, items []data.Item, fill func(f *excelize.File)) {
		t.Helper()
		b := workbook(t, fill)
		got, err := data.Read(bytes.NewReader(b), int64(len(b)), "a.xlsx", "auto", nil)
		if want != "" {
			if err == nil || err.Error() != want {
				t.Errorf("%s:\n got %v\nwant %s", what, err, want)
			}
			return
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if diff := cmp.Diff(items, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("values", "", []data.Item{{Instruction: "q", Output: "a\nb", Line: 2}, {Instruction: "half", Output: "0.5", Line: 4}, {Instruction: "r", Line: 5}}, func(f *excelize.File) {
		row(f, "A1", "question", "answer")
		row(f, "A2", "q", "a\nb")
		row(f, "A4", "half", 0.5)
		row(f, "A5", "r")
		style, err := f.NewStyle(&excelize.Style{NumFmt: 9}) // shown as 50%
		if err != nil {
			t.Fatal(err)
		}
		if err := f.SetCellStyle("Sheet1", "B4", "B4", style); err != nil {
			t.Fatal(err)
		}
	})
	check("formula without a value", `a.xlsx: row 2: cell B2 ("answer") holds the formula =A2&"!" without a value; open the workbook in a spreadsheet program and save it`, nil, func(f *excelize.File) {
		row(f, "A1", "question", "answer")
		row(f, "A2", "q")
		if err := f.SetCellFormula("Sheet1", "B2", `A2&"!"`); err != nil {
			t.Fatal(err)
		}
	})
	// A truth value, a date and an error value are numbers or words in the file.
	check("truth values", "", []data.Item{{Instruction: "yes", Output: "TRUE", Line: 2}, {Instruction: "no", Output: "FALSE", Line: 3}}, func(f *excelize.File) {
		row(f, "A1", "question", "answer")
		row(f, "A2", "yes", true)
		row(f, "A3", "no", false)
	})
	for what, style := range map[string]*excelize.Style{
		"a date": {NumFmt: 14}, "a date of one's own": {CustomNumFmt: new(`[$-409]yyyy\-mm`)}, "a time": {NumFmt: 46},
	} {
		check(what, `a.xlsx: row 2: cell B2 ("answer") holds a date, stored as 45293; make it text in the workbook`, nil, func(f *excelize.File) {
			row(f, "A1", "question", "answer")
			row(f, "A2", "q", 45293)
			id, err := f.NewStyle(style)
			if err == nil {
				err = f.SetCellStyle("Sheet1", "B2", "B2", id)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	check("no date", "", []data.Item{{Instruction: "q", Output: "3", Line: 2}}, func(f *excelize.File) {
		row(f, "A1", "question", "answer")
		row(f, "A2", "q", 3)
		id, err := f.NewStyle(&excelize.Style{CustomNumFmt: new(`[Red]0.0 "days"`)})
		if err == nil {
			err = f.SetCellStyle("Sheet1", "B2", "B2", id)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	check("two sheets", `reading a.xlsx: the workbook has data in the sheets "Sheet1" and "More", and which one is meant cannot be told; save the one as a workbook of its own`, nil, func(f *excelize.File) {
		row(f, "A1", "question", "answer")
		if _, err := f.NewSheet("More"); err != nil {
			t.Fatal(err)
		}
		if err := f.SetCellValue("More", "C3", "x"); err != nil {
			t.Fatal(err)
		}
	})
	check("an empty second sheet", "", []data.Item{{Instruction: "q", Output: "a", Line: 2}}, func(f *excelize.File) {
		row(f, "A1", "question", "answer")
		row(f, "A2", "q", "a")
		if _, err := f.NewSheet("Sheet2"); err != nil {
			t.Fatal(err)
		}
	})
	check("beyond the header", "a.xlsx: row 2: cell 4 lies beyond the header's 2 columns; name its column", nil, func(f *excelize.File) {
		row(f, "A1", "question", "answer")
		row(f, "A2", "q", "a", "", "x")
	})
	check("no header", "reading a.xlsx: it has no items", nil, func(f *excelize.File) {})
	check("unnamed column", "a.xlsx: row 1: column 1 has no name; the first row must name the columns", nil, func(f *excelize.File) { row(f, "B1", "question") })
	check("unknown columns", `a.xlsx: row 1: an item with "Q", "A" is of no known kind; say which column is which, such as columns: {question: "Q", answer: ...}`, nil, func(f *excelize.File) {
		row(f, "A1", "Q", "A")
	})
}

// Columns that hold no texts, rows without one and files without rows are named as
// what they are.
func TestParquetWithoutTexts(t *testing.T) {
	check := func(what, want string, b []byte) {
		t.Helper()
		if _, err := data.Read(bytes.NewReader(b), int64(len(b)), "a.parquet", "auto", nil); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", what, err, want)
		}
	}
	type numbers struct {
		Question string `parquet:"question"`
		Answer   int64  `parquet:"answer"`
	}
	check("numbers", `a.parquet: row 1: column "answer" holds values of type INT(64,true); want texts`, parquetBytes(t, []numbers{{"q", 1}}))
	type nulls struct {
		Question string  `parquet:"question"`
		Answer   *string `parquet:"answer,optional"`
	}
	check("a null", `a.parquet: row 2: "answer" is null; want a text, or remove the item`, parquetBytes(t, []nulls{{"q", new("a")}, {"r", nil}}))
	check("no rows", "reading a.parquet: it has no items", parquetBytes(t, []nulls{}))
}

type turn struct {
	Role    string `parquet:"role"`
	Content string `parquet:"content"`
}

func parquetBytes[T any](t testing.TB, rows []T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := parquet.Write(&b, rows, parquet.Compression(&parquet.Snappy)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestParquet(t *testing.T) {
	type flat struct {
		ID          int64      `parquet:"id"`
		Instruction string     `parquet:"instruction,dict"`
		Input       *string    `parquet:"input,optional"`
		Output      string     `parquet:"output"`
		History     [][]string `parquet:"history,list"`
	}
	in := "n"
	var rows []flat
	var want []data.Item
	for i := range 1000 {
		r := flat{ID: int64(i), Instruction: fmt.Sprint("q", i%7), Output: fmt.Sprint("a", i)}
		w := data.Item{Instruction: r.Instruction, Output: r.Output, Line: i + 1}
		if i%3 == 0 {
			r.Input, w.Input = &in, in
		}
		rows, want = append(rows, r), append(want, w)
	}
	b := parquetBytes(t, rows)
	got, err := data.Read(bytes.NewReader(b), int64(len(b)), "a.parquet", "auto", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flat (-want +got):\n%s", diff)
	}

	type chat struct {
		Messages []turn `parquet:"messages,list"`
	}
	c := parquetBytes(t, []chat{{[]turn{{"user", "q"}, {"assistant", "a"}}}, {[]turn{{"system", "s"}, {"user", ""}, {"assistant", "b"}}}})
	got, err = data.Read(bytes.NewReader(c), int64(len(c)), "a.parquet", "auto", nil)
	if err != nil {
		t.Fatal(err)
	}
	want = []data.Item{{Messages: []data.Message{{"user", "q"}}, Output: "a", Line: 1}, {Messages: []data.Message{{"system", "s"}, {"user", ""}}, Output: "b", Line: 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}

	for _, cut := range []int{len(b) - 1, len(b) - 100, len(b) / 2, 12, 4} {
		if _, err := data.Read(bytes.NewReader(b[:cut]), int64(cut), "a.parquet", "auto", nil); err == nil || !strings.HasPrefix(err.Error(), "reading a.parquet: is no whole parquet file") {
			t.Errorf("cut to %d bytes: error %v", cut, err)
		}
	}
	// A flipped bit of a page is caught by its checksum, in the footer by its form;
	// whatever it hits, the answer is items or one error.
	damaged := 0
	for i := 0; i < len(b); i += 7 {
		x := bytes.Clone(b)
		x[i] ^= 0x10
		if _, err := data.Read(bytes.NewReader(x), int64(len(x)), "a.parquet", "auto", nil); err != nil {
			damaged++
			if !strings.Contains(err.Error(), "a.parquet") {
				t.Errorf("byte %d: the error does not name the file: %v", i, err)
			}
		}
	}
	if damaged < len(b)/7/2 {
		t.Errorf("only %d of %d flipped bits were noticed", damaged, len(b)/7)
	}
}

// Damage anywhere in a small parquet file ends in items or one error, soon and
// without making room for what the file only claims.
func TestDamagedParquet(t *testing.T) {
	type flat struct {
		Question string `parquet:"question,dict"`
		Answer   string `parquet:"answer"`
	}
	type chat struct {
		Messages []turn `parquet:"messages,list"`
	}
	seeds := [][]byte{parquetBytes(t, []flat{{"q", "a"}, {"r", "b"}}), parquetBytes(t, []chat{{[]turn{{"assistant", "a"}}}})}
	random := rand.New(rand.NewPCG(1, 2))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const files = 2000
	for i := range files {
		b := bytes.Clone(seeds[i%2])
		for range 1 + random.IntN(4) {
			b[random.IntN(len(b))] = []byte{0xff, 0, byte(random.IntN(256))}[random.IntN(3)]
		}
		if _, err := data.Read(bytes.NewReader(b), int64(len(b)), "a.parquet", "auto", nil); err != nil && !strings.Contains(err.Error(), "a.parquet") {
			t.Errorf("the error does not name the file: %v", err)
		}
	}
	runtime.ReadMemStats(&after)
	if mean := (after.TotalAlloc - before.TotalAlloc) / files; mean > 4<<20 {
		t.Errorf("a file of %d bytes makes room for %d on average", len(seeds[0]), mean)
	}
}

// shared finds a file of the data kept beside the repository.
func shared(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../../shared/data", name))
	if err != nil {
		t.Skipf("SKIPPED: %v; put the shared data beside the repository", err)
	}
	return b
}

// The real files have the items that their README counts.
func TestSharedData(t *testing.T) {
	for _, c := range []struct {
		name   string
		items  int
		format string
	}{
		{"instruct/alpaca_5000.json", 5000, "instruct"},
		{"instruct/random_9k.json", 9229, "instruct"},
		{"instruct/alpaca_en_demo.json", 999, "instruct"},
		{"instruct/dpo_en_demo.json", 300, "preference"},
		{"csvqa/gsm8k.csv", 1319, "qa"},
	} {
		b := shared(t, c.name)
		for _, format := range []string{"auto", c.format} {
			start := time.Now()
			items, err := data.Read(bytes.NewReader(b), int64(len(b)), c.name, format, nil)
			if err != nil {
				t.Error(err)
				continue
			}
			if len(items) != c.items {
				t.Errorf("%s: %d items, want %d", c.name, len(items), c.items)
			}
			t.Logf("%s: %d items in %v", c.name, len(items), time.Since(start))
		}
	}
	// The chosen answer, not the rejected one, is learned.
	b := shared(t, "instruct/dpo_en_demo.json")
	var raw []struct {
		Conversations []struct{ From, Value string }
		Chosen        struct{ From, Value string }
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		t.Fatal(err)
	}
	items, err := data.Read(bytes.NewReader(b), int64(len(b)), "dpo.json", "auto", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range raw {
		if items[i].Output != r.Chosen.Value || len(items[i].Messages) != len(r.Conversations) || items[i].Messages[0].Content != r.Conversations[0].Value {
			t.Fatalf("item %d is %+v", i, items[i])
		}
	}
}

// Reading is exact: what encoding/json reads whole is what is read item by item.
func TestAgainstEncodingJSON(t *testing.T) {
	b := shared(t, "instruct/random_9k.json")
	var want []data.Item
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	got, err := data.Read(bytes.NewReader(b), int64(len(b)), "a.json", "auto", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(data.Item{}, "Line")); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkRead(b *testing.B) {
	text := shared(b, "instruct/random_9k.json")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := data.Read(bytes.NewReader(text), int64(len(text)), "a.json", "auto", nil); err != nil {
			b.Fatal(err)
		}
	}
}

func fuzzRead(f *testing.F, name string, seeds ...[]byte) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		items, err := data.Read(bytes.NewReader(b), int64(len(b)), name, "auto", nil)
		if err != nil {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		if len(items) == 0 {
			t.Error("no items and no error")
		}
		for _, it := range items {
			if it.Line < 1 {
				t.Errorf("item at line %d", it.Line)
			}
		}
	})
}

func FuzzJSON(f *testing.F) {
	fuzzRead(f, "a.json", []byte(`[{"instruction":"i","input":null,"output":"o\ud83d\ude00","history":[["q","a"]]}]`),
		[]byte(`[{"conversations":[{"from":"human","value":"q"}],"chosen":{"from":"gpt","value":"a"}}]`), []byte(`{"text":"x"}`), []byte(`[{"messages":[{"role":"assistant","content":""}]}]`), []byte("[{\"text\":\"x\"}] ]"))
}

func FuzzJSONL(f *testing.F) {
	fuzzRead(f, "a.jsonl", []byte("{\"text\":\"x\"}\r\n\n{\"text\":\"y\"}"), []byte(`{"chosen":[{"role":"assistant","content":"c"}]}`), []byte(`{"prompt":"p","chosen":"c"} x`))
}

func FuzzCSV(f *testing.F) {
	fuzzRead(f, "a.csv", []byte("question,answer\n\"a\"\"b\",c\n"), []byte("\ufefftext\r\n\"x\ny\"\r\n"), []byte("a,a\n"))
}

func FuzzXLSX(f *testing.F) {
	fuzzRead(f, "a.xlsx", workbook(f, func(x *excelize.File) {
		x.SetSheetRow("Sheet1", "A1", &[]any{"question", "answer"})
		x.SetSheetRow("Sheet1", "A2", &[]any{"q", 1.5})
	}), []byte("PK\x03\x04"))
}

func FuzzParquet(f *testing.F) {
	type flat struct {
		Question string `parquet:"question"`
		Answer   string `parquet:"answer"`
	}
	type chat struct {
		Messages []turn `parquet:"messages,list"`
	}
	fuzzRead(f, "a.parquet", parquetBytes(f, []flat{{"q", "a"}, {"r", "b"}}), parquetBytes(f, []chat{{[]turn{{"assistant", "a"}}}}), []byte("PAR1PAR1"))
}
