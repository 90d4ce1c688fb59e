package data_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xrun/model/chat"
	"xrun/model/tokenizer"
	"xrun/runner/data"
)

// The model's tokenizer is what the package asks for.
var _ data.Tokenizer = (*tokenizer.Tokenizer)(nil)

// options are those of a spec without data settings.
func options() data.Options {
	return data.Options{Template: "alpaca", MaxLength: 1024, Truncate: "right", BOS: "auto", End: "eos", Name: "a.json"}
}

// The alpaca template is the two strings of the reference program, to the byte.
func TestAlpacaVerbatim(t *testing.T) {
	b, err := os.ReadFile("../../../shared/reference/make_sft.py")
	if err != nil {
		t.Skipf("SKIPPED: %v; put the shared reference beside the repository", err)
	}
	literal := func(name string) string {
		m := regexp.MustCompile(`(?m)^` + name + ` = (".*")$`).FindSubmatch(b)
		if m == nil {
			t.Fatalf("no %s in make_sft.py", name)
		}
		var s string
		if err := json.Unmarshal(m[1], &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	fill := func(s string) string {
		return strings.NewReplacer("{instruction}", "do %s {input}", "{input}", "this\n").Replace(s)
	}
	got, err := data.Prompt(data.Item{Instruction: "do %s {input}", Input: "this\n"}, options())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fill(literal("WITH")), got); diff != "" {
		t.Error(diff)
	}
	if got, err = data.Prompt(data.Item{Instruction: "do %s {input}"}, options()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fill(literal("WITHOUT")), got); diff != "" {
		t.Error(diff)
	}
}

const short = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\n%s\n\n### Response:\n"

func chatML(messages []data.Message, generate bool) (string, error) {
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, "[%s]%s</s>\n", m.Role, strings.TrimSpace(m.Content))
	}
	if generate {
		b.WriteString("[assistant]")
	}
	return b.String(), nil
}

func TestPrompt(t *testing.T) {
	check := func(what, template, want string, it data.Item) {
		t.Helper()
		opt := options()
		opt.Template, opt.Chat = template, chatML
		if strings.Contains(what, "default system") {
			opt.System = "D"
		}
		got, err := data.Prompt(it, opt)
		if err != nil {
			got = "error: " + err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	turns := []data.Message{{"user", "q"}, {"assistant", "a"}, {"user", "r"}}
	history := data.Item{System: "S", Instruction: "r", History: [][2]string{{"q", "a"}}}
	check("alpaca", "alpaca", fmt.Sprintf(short, "q"), data.Item{Instruction: "q"})
	check("alpaca with default system", "alpaca", "D\n\n"+fmt.Sprintf(short, "q"), data.Item{Instruction: "q"})
	check("own system before the default system", "alpaca", "S\n\n"+fmt.Sprintf(short, "q"), data.Item{Instruction: "q", System: "S"})
	check("alpaca with history", "alpaca", "S\n\n"+fmt.Sprintf(short, "q")+"a\n\n"+fmt.Sprintf(short, "r"), history)
	check("alpaca of a conversation", "alpaca", "S\n\n"+fmt.Sprintf(short, "q")+"a\n\n"+fmt.Sprintf(short, "r"), data.Item{Messages: append([]data.Message{{"system", "S"}}, turns...)})
	check("plain", "plain", "q\n", data.Item{Instruction: "q"})
	check("plain with all", "plain", "S\nq\na\nr\ni\n", data.Item{System: "S", Instruction: "r", Input: "i", History: [][2]string{{"q", "a"}}})
	check("chat", "chat", "[system]S</s>\n[user]q</s>\n[assistant]a</s>\n[user]r</s>\n[assistant]", history)
	check("chat with input", "chat", "[user]q\ni</s>\n[assistant]", data.Item{Instruction: "q", Input: "i"})
	check("chat of a conversation with default system", "chat", "[system]D</s>\n[user]q</s>\n[assistant]a</s>\n[user]r</s>\n[assistant]", data.Item{Messages: turns})
	check("bare", "alpaca", "", data.Item{Bare: true, Output: "x"})
	check("unknown template", "vicuna", `error: template "vicuna" is unknown; want alpaca, plain or chat`, data.Item{})
	check("roles out of order", "alpaca", `error: turn 1 is of "assistant" where the alpaca template needs "user"; use template chat`, data.Item{Messages: []data.Message{{"assistant", "a"}}})
	check("nothing asked", "plain", `error: no user's turn stands before the output, as the plain template needs; use template chat`, data.Item{Messages: []data.Message{}})
	check("two systems", "alpaca", `error: the item has two system messages; remove one`, data.Item{System: "S", Messages: []data.Message{{"system", "T"}, {"user", "q"}}})
}

// show writes a row as prompt|output, the targets as training counts them.
func show(rows []data.Row) (list []string) {
	for _, r := range rows {
		list = append(list, fake{}.Decode(r.Tokens[:r.Prompt], false)+"|"+fake{}.Decode(r.Tokens[r.Prompt:], false))
	}
	return list
}

func TestPrepareRows(t *testing.T) {
	items := []data.Item{{Instruction: "ab", Output: "cd", Line: 1}, {Instruction: "abcdef", Output: "ghi", Line: 2}, {Instruction: "a", Output: "", Line: 3}, {Bare: true, Output: "tttttt", Line: 4}}
	check := func(what string, change func(*data.Options), bos bool, want ...string) {
		t.Helper()
		opt := options()
		opt.Template = "plain"
		change(&opt)
		p, err := data.Prepare(items, fake{bos: bos}, opt)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		if diff := cmp.Diff(want, show(p.Rows)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("whole", func(o *data.Options) {}, false, "ab\n|cd</s>", "abcdef\n|ghi</s>", "a\n|</s>", "|tttttt</s>")
	check("without end", func(o *data.Options) { o.End = "none" }, false, "ab\n|cd", "abcdef\n|ghi", "a\n|", "|tttttt")
	check("other end", func(o *data.Options) { o.End = imEnd }, false, "ab\n|cd<|im_end|>", "abcdef\n|ghi<|im_end|>", "a\n|<|im_end|>", "|tttttt<|im_end|>")
	check("beginning", func(o *data.Options) {}, true, "<s>ab\n|cd</s>", "<s>abcdef\n|ghi</s>", "<s>a\n|</s>", "<s>|tttttt</s>")
	check("no beginning", func(o *data.Options) { o.BOS = "never" }, true, "ab\n|cd</s>", "abcdef\n|ghi</s>", "a\n|</s>", "|tttttt</s>")
	check("one beginning", func(o *data.Options) { o.BOS = "always" }, true, "<s>ab\n|cd</s>", "<s>abcdef\n|ghi</s>", "<s>a\n|</s>", "<s>|tttttt</s>")
	check("right", func(o *data.Options) { o.MaxLength = 6 }, false, "ab\n|cd</s>", "abcdef|", "a\n|</s>", "|tttttt")
	check("right inside the output", func(o *data.Options) { o.MaxLength = 8 }, false, "ab\n|cd</s>", "abcdef\n|g", "a\n|</s>", "|tttttt</s>")
	check("prompt", func(o *data.Options) { o.MaxLength, o.Truncate = 6, "prompt" }, false, "ab\n|cd</s>", "f\n|ghi</s>", "a\n|</s>", "|tttttt")
	check("prompt keeps its beginning", func(o *data.Options) { o.MaxLength, o.Truncate = 6, "prompt" }, true, "<s>b\n|cd</s>", "<s>\n|ghi</s>", "<s>a\n|</s>", "<s>|ttttt")
	check("prompt keeps a token", func(o *data.Options) { o.MaxLength, o.Truncate = 4, "prompt" }, false, "\n|cd</s>", "\n|ghi", "a\n|</s>", "|tttt")
	check("drop", func(o *data.Options) { o.MaxLength, o.Truncate = 6, "drop" }, false, "ab\n|cd</s>", "a\n|</s>")
	check("chat ends once", func(o *data.Options) { o.Template, o.Chat = "chat", chatML }, false,
		"[user]ab</s>\n[assistant]|cd</s>", "[user]abcdef</s>\n[assistant]|ghi</s>", "[user]a</s>\n[assistant]|</s>", "|tttttt</s>")
	check("chat without end keeps the template's", func(o *data.Options) { o.Template, o.Chat, o.End = "chat", chatML, "none" }, false,
		"[user]ab</s>\n[assistant]|cd</s>\n", "[user]abcdef</s>\n[assistant]|ghi</s>\n", "[user]a</s>\n[assistant]|</s>\n", "|tttttt")
	check("chat has its own beginning", func(o *data.Options) { o.Template, o.Chat = "chat", chatML }, true,
		"[user]ab</s>\n[assistant]|cd</s>", "[user]abcdef</s>\n[assistant]|ghi</s>", "[user]a</s>\n[assistant]|</s>", "|tttttt</s>")
}

// A prompt to generate from has the tokens that training saw.
func TestEncodePrompt(t *testing.T) {
	for _, bos := range []string{"auto", "always", "never"} {
		for _, template := range []string{"plain", "chat"} {
			opt := options()
			opt.Template, opt.Chat, opt.BOS = template, chatML, bos
			it := data.Item{Instruction: "ab", Output: "c"}
			p, err := data.Prepare([]data.Item{it}, fake{bos: true}, opt)
			if err != nil {
				t.Fatal(err)
			}
			text, err := data.Prompt(it, opt)
			if err != nil {
				t.Fatal(err)
			}
			ids, err := data.EncodePrompt(text, fake{bos: true}, opt)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(p.Rows[0].Tokens[:p.Rows[0].Prompt], ids); diff != "" {
				t.Errorf("bos %s, template %s (-trained +asked):\n%s", bos, template, diff)
			}
		}
	}
}

func TestLedger(t *testing.T) {
	items := []data.Item{
		{Instruction: "ab", Output: "cd", Line: 1},      // ab\n|cd$     6 tokens, 3 output targets, 2 of the prompt
		{Instruction: "abcdefgh", Output: "i", Line: 2}, // cut: abcdefgh|      8 tokens, none, 7
		{Instruction: "a", Output: "", Line: 3},         // a\n|$        3 tokens, 1, 1
		{Bare: true, Output: "xyz", Line: 4},            // |xyz$        4 tokens, 3 (the first never), 0
	}
	opt := options()
	opt.Template, opt.MaxLength = "plain", 8
	p, err := data.Prepare(items, fake{}, opt)
	if err != nil {
		t.Fatal(err)
	}
	want := data.Ledger{Items: 4, Rows: 4, Tokens: 21, PromptTokens: 13, OutputTargets: 7, AllTargets: 17, Truncated: 1, Unended: 1, EmptyOutputs: 1,
		WithoutTarget: []int{2}, Longest: 8, P50: 4, P90: 8, P99: 8}
	if diff := cmp.Diff(want, p.Ledger); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
	var lines []string
	for _, e := range p.Ledger.Entries() {
		lines = append(lines, e.Name+": "+e.Text)
	}
	wantLines := []string{
		"items: 4", "training rows: 4", "tokens: 21", "prompt tokens: 13 (61.9 % of tokens)", "targets, labels output: 7 (33.3 % of tokens)",
		"targets, labels all: 17 (81.0 % of tokens)", "truncated rows: 1", "rows without end token: 1", "items without a target: 1 (item 2)",
		"empty outputs: 1", "longest row: 8 tokens (median 4, 90 % up to 8, 99 % up to 8)",
	}
	if diff := cmp.Diff(wantLines, lines); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	opt.Truncate, opt.End = "drop", "none"
	if p, err = data.Prepare(append(items, data.Item{Bare: true, Line: 9}), fake{}, opt); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]int{{2}, {5}, {3}}, [][]int{p.Ledger.Dropped, p.Ledger.NoTokens, p.Ledger.WithoutTarget}); diff != "" {
		t.Errorf("lists (-want +got):\n%s", diff)
	}
}

func TestPrepareErrors(t *testing.T) {
	items := []data.Item{{Instruction: "abcdef", Output: "g", Line: 7}}
	check := func(want string, change func(*data.Options)) {
		t.Helper()
		opt := options()
		opt.Template = "plain"
		change(&opt)
		_, err := data.Prepare(items, fake{}, opt)
		if err == nil || err.Error() != want {
			t.Errorf("\n got %v\nwant %s", err, want)
		}
	}
	check(`preparing a.json: none of its 1 items has a token to learn (1 are cut before their output, 0 are longer than 5 tokens and dropped); raise maxLength, or use truncate: "prompt"`, func(o *data.Options) { o.MaxLength = 5 })
	check(`preparing a.json: none of its 1 items has a token to learn (0 are cut before their output, 1 are longer than 5 tokens and dropped); raise maxLength, or use truncate: "prompt"`, func(o *data.Options) { o.MaxLength, o.Truncate = 5, "drop" })
	check("preparing a.json: maxLength 1 leaves no target; want at least 2", func(o *data.Options) { o.MaxLength = 1 })
	check(`preparing a.json: data.end "stop" is 4 tokens; want the text of one special token, "eos" or "none"`, func(o *data.Options) { o.End = "stop" })
	check(`preparing a.json: the tokenizer has no bos_token; set data.bos to "auto" or "never"`, func(o *data.Options) { o.BOS = "always" })
	check("preparing a.json: holdout.items is 1 of 1 rows, which leaves none to train on; hold out fewer", func(o *data.Options) { o.Holdout = 1 })
	check("a.json:7: item 1: the tokenizer has no chat template; use template alpaca or plain", func(o *data.Options) { o.Template = "chat" })
	check("a.json:7: item 1: rendering the chat template: no such role", func(o *data.Options) {
		o.Template = "chat"
		o.Chat = func([]data.Message, bool) (string, error) { return "", errors.New("no such role") }
	})
	check(`a.json:7: item 1: the chat template does not put the answer after its generation prompt (they part at "[user]abcdef[think]"), so training would not see what generation sees; use template alpaca or plain`, func(o *data.Options) {
		o.Template = "chat"
		o.Chat = func(m []data.Message, generate bool) (string, error) {
			if generate {
				return "[user]" + m[0].Content + "[think]", nil
			}
			return "[user]" + m[0].Content + "[answer]" + m[1].Content, nil
		}
	})
}

func numbered(n int) (items []data.Item) {
	for i := range n {
		items = append(items, data.Item{Instruction: fmt.Sprint("what is ", i), Output: fmt.Sprint("it is ", i%50), Line: i + 1})
	}
	return items
}

// Held-out items depend on the data alone, and none of their contents is left in
// the training set.
func TestHoldout(t *testing.T) {
	items := numbered(200)
	for i := range 40 { // repeated contents
		items = append(items, data.Item{Instruction: items[i%7].Instruction, Output: items[i%7].Output, Line: 201 + i})
	}
	items = append(items, data.Item{Instruction: "no target", Line: 241})
	opt := options()
	opt.Template, opt.Holdout, opt.End = "plain", 30, "none"
	p, err := data.Prepare(items, fake{}, opt)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.HeldOut) != 30 || len(p.Rows) != 211 || p.Ledger.HeldOut != 30 || p.Ledger.Rows != 211 {
		t.Errorf("%d held out, %d to train on; want 30 and 211", len(p.HeldOut), len(p.Rows))
	}
	text := func(rows []data.Row) map[string]bool {
		m := map[string]bool{}
		for _, s := range show(rows) {
			m[s] = true
		}
		return m
	}
	held := text(p.HeldOut)
	for s := range text(p.Rows) {
		if held[s] {
			t.Errorf("%q is held out and trained on", s)
		}
	}
	for _, r := range p.HeldOut {
		if out, _ := r.Targets(); out == 0 {
			t.Error("an item without a target is held out")
		}
	}
	// Adding items does not reshuffle the choice: those still held out are the
	// smallest digests of the larger set.
	more := append(items, numbered(260)[200:]...)
	q, err := data.Prepare(more, fake{}, opt)
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for s := range text(q.HeldOut) {
		if held[s] {
			kept++
		}
	}
	if kept < 15 {
		t.Errorf("only %d of 30 stay held out when a quarter is added", kept)
	}
}

// Threads change nothing.
func TestThreads(t *testing.T) {
	opt := options()
	opt.Holdout = 50
	var first []byte
	for _, threads := range []int{1, 2, 7, 64} {
		opt.Threads = threads
		p, err := data.Prepare(numbered(1000), fake{}, opt)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := p.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b.Bytes()
		} else if !bytes.Equal(first, b.Bytes()) {
			t.Errorf("%d threads give other bytes", threads)
		}
	}
}

// Of several faulty items the first is reported, whatever thread meets it.
func TestFirstError(t *testing.T) {
	items := numbered(2000)
	for _, i := range []int{1999, 1500, 700} {
		items[i].Messages = []data.Message{{"assistant", "x"}}
	}
	_, err := data.Prepare(items, fake{}, options())
	if err == nil || !strings.HasPrefix(err.Error(), "a.json:701: item 701: turn 1") {
		t.Errorf("error %v, want that of line 701", err)
	}
}

func stored(t testing.TB, n int) (*data.Prepared, []byte) {
	t.Helper()
	opt := options()
	opt.Template, opt.Holdout, opt.MaxLength = "plain", n/10, 14
	p, err := data.Prepare(numbered(n), fake{}, opt)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	n64, err := p.WriteTo(&b)
	if err != nil || n64 != int64(b.Len()) {
		t.Fatalf("wrote %d bytes and said %d, %v", b.Len(), n64, err)
	}
	return p, b.Bytes()
}

func TestStored(t *testing.T) {
	p, b := stored(t, 300)
	back, err := data.ReadPrepared(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, back); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	for cut := range b {
		if _, err := data.ReadPrepared(b[:cut]); err == nil {
			t.Fatalf("cut to %d of %d bytes and accepted", cut, len(b))
		}
	}
	if _, err := data.ReadPrepared(append(bytes.Clone(b), 0)); err == nil || !strings.Contains(err.Error(), "1 bytes follow its end") {
		t.Errorf("a byte too many: %v", err)
	}
	// A count far beyond the file is refused before anything is allocated for it.
	huge := append([]byte("xrunrow1\x02{}"), 0xff, 0xff, 0xff, 0xff, 0x7f)
	if _, err := data.ReadPrepared(huge); err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("a huge count: %v", err)
	}
}

func FuzzReadPrepared(f *testing.F) {
	_, b := stored(f, 20)
	f.Add(b)
	f.Add([]byte("xrunrow1\x02{}\x01\x00\x00\x01\x01\x01\x02\x05\x06"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := data.ReadPrepared(b)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if _, err := p.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		again, err := data.ReadPrepared(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Error(diff)
		}
	})
}

func TestExample(t *testing.T) {
	opt := options()
	opt.Template, opt.MaxLength = "plain", 6
	p, err := data.Prepare([]data.Item{{Instruction: "ab", Output: "cd"}, {Instruction: "a", Output: "bcdefg"}}, fake{bos: true}, opt)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][3]string{{"<s>ab\n", "cd", ""}, {"<s>a\n", "bcd", ""}} {
		prompt, target, end := p.Rows[i].Text(fake{bos: true})
		if diff := cmp.Diff(want, [3]string{prompt, target, end}); diff != "" {
			t.Errorf("row %d (-want +got):\n%s", i, diff)
		}
	}
	opt.MaxLength = 7
	if p, err = data.Prepare([]data.Item{{Instruction: "ab", Output: "cd"}}, fake{bos: true}, opt); err != nil {
		t.Fatal(err)
	}
	if prompt, target, end := p.Rows[0].Text(fake{bos: true}); prompt != "<s>ab\n" || target != "cd" || end != "</s>" {
		t.Errorf("%q %q %q", prompt, target, end)
	}
}

func TestWorkOver(t *testing.T) {
	p := &data.Prepared{Rows: []data.Row{{Tokens: make([]int32, 10)}, {Tokens: make([]int32, 20)}, {Tokens: make([]int32, 30)}}}
	for _, c := range []struct {
		steps, perStep int
		want           int64
	}{{0, 2, 0}, {1, 2, 40}, {2, 2, 60}, {6, 2, 180}, {3, 1, 60}, {1, 8, 60}, {7, 2, 220}} {
		got, pairs := p.Over(c.steps, c.perStep)
		if got != c.want {
			t.Errorf("Over(%d, %d) = %d tokens, want %d", c.steps, c.perStep, got, c.want)
		}
		// An epoch of 60 tokens has 55 + 210 + 465 pairs of them.
		if want := float64(c.want) / 60 * 730; math.Abs(pairs-want) > 1e-9*want {
			t.Errorf("Over(%d, %d) = %g pairs, want %g", c.steps, c.perStep, pairs, want)
		}
	}
}

// Rows equal those of transformers' tokenizer in the reference run, token by
// token: the first eight items of alpaca_5000.json at 256 tokens.
func TestReferenceRows(t *testing.T) {
	dir := "../../../shared/reference/smollm2"
	raw, err := os.ReadFile(filepath.Join(dir, "sft.json"))
	if err != nil {
		t.Skipf("SKIPPED: %v; put the shared reference beside the repository", err)
	}
	var ref struct {
		MaxLength int `json:"max_length"`
		Tokens    [][]int32
		Prompts   []int
	}
	if err := json.Unmarshal(raw, &ref); err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	text := shared(t, "instruct/alpaca_5000.json")
	items, err := data.Read(bytes.NewReader(text), int64(len(text)), "alpaca_5000.json", "auto", nil)
	if err != nil {
		t.Fatal(err)
	}
	opt := options()
	opt.MaxLength = ref.MaxLength
	p, err := data.Prepare(items, tok, opt)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range ref.Tokens {
		if diff := cmp.Diff(want, p.Rows[i].Tokens); diff != "" {
			t.Errorf("row %d (-want +got):\n%s", i, diff)
		}
		if p.Rows[i].Prompt != ref.Prompts[i] {
			t.Errorf("row %d: prompt of %d tokens, want %d", i, p.Rows[i].Prompt, ref.Prompts[i])
		}
	}
	for _, e := range p.Ledger.Entries() {
		t.Logf("%s: %s", e.Name, e.Text)
	}
}

// A real tokenizer's own chat template: the row reads as the template writes it,
// ends once, and its targets are the answer and the end of the turn.
func TestReferenceChat(t *testing.T) {
	tok, err := tokenizer.Load(os.DirFS("../../../shared/reference/smollm2"))
	if err != nil {
		t.Skipf("SKIPPED: %v; put the shared reference beside the repository", err)
	}
	template, err := chat.Parse(tok.ChatTemplate())
	if err != nil {
		t.Fatal(err)
	}
	opt := options()
	opt.Template = "chat"
	opt.Chat = func(messages []data.Message, generate bool) (string, error) {
		var list []chat.Message
		for _, m := range messages {
			list = append(list, chat.Message{Role: m.Role, Content: m.Content})
		}
		return template.Render(list, generate, nil)
	}
	p, err := data.Prepare([]data.Item{{System: "Be brief.", Instruction: "Two and two?", Output: "Four."}}, tok, opt)
	if err != nil {
		t.Fatal(err)
	}
	prompt, target, end := p.Rows[0].Text(tok)
	want := []string{"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nTwo and two?<|im_end|>\n<|im_start|>assistant\n", "Four.", "<|im_end|>"}
	if diff := cmp.Diff(want, []string{prompt, target, end}); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}

func BenchmarkPrepare(b *testing.B) {
	tok, err := tokenizer.Load(os.DirFS("../../../shared/reference/smollm2"))
	if err != nil {
		b.Skipf("SKIPPED: %v", err)
	}
	text := shared(b, "instruct/alpaca_5000.json")
	items, err := data.Read(bytes.NewReader(text), int64(len(text)), "alpaca_5000.json", "auto", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := data.Prepare(items, tok, options()); err != nil {
			b.Fatal(err)
		}
	}
}
