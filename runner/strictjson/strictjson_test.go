package strictjson_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"xrun/runner/strictjson"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"a":1,"b":[{"a":2},{"a":3}],"c":{"a":{}}}`, ""},
		{`[1e999,"\ud83d\ude00","\\ud83d","\ufffd","�",null,true]`, ""},
		{`{"":{"a:\"":"b"},"b": ["a", "a"], "c" : {}}`, ""},
		{`{"a":1,"a":1}`, `"a" stands twice`},
		{`{"a" : {"a":{}}, "b":[{"a":1}], "a"
			:1}`, `"a" stands twice`},
		{`{"a":1,"\u0061":1}`, `"a" stands twice`},
		{`[[{"x":{"b":1,"b":2}}]]`, `"b" stands twice`},
		{`"a\ud83d"`, `\ud83d at byte 2`},
		{`"\ude00\ud83d"`, `\ude00 at byte 1`},
		{`{"\\\ud83d\ud83d\ude00":1}`, `\ud83d at byte 4`},
	} {
		err := strictjson.Check([]byte(c.text))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("Check(%s) = %v, want %q", c.text, err, c.want)
		}
	}
}

// A name stands twice exactly where decoding token by token sees it again.
func FuzzTwice(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":{"a":[{"c":"d"}]}}`, `[{"a":{"b":1,"b":2}}]`, `{"\u0061":1,"a":"}{"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) || !utf8.ValidString(text) || strictjson.HalfPair([]byte(text)) >= 0 {
			return
		}
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if got, want := strictjson.Check([]byte(text)) != nil, repeats(d); got != want {
			t.Fatalf("%s: twice %v, want %v", text, got, want)
		}
	})
}

func repeats(d *json.Decoder) (again bool) {
	t, err := d.Token()
	if err != nil || t != json.Delim('{') && t != json.Delim('[') {
		return false
	}
	seen := map[string]bool{}
	for d.More() {
		if t == json.Delim('{') {
			name, _ := d.Token()
			again = again || seen[name.(string)]
			seen[name.(string)] = true
		}
		again = repeats(d) || again
	}
	_, _ = d.Token()
	return again
}

// Of a string without a replacement character of its own, encoding/json makes one
// exactly where HalfPair finds half a pair.
func FuzzHalfPair(f *testing.F) {
	for _, s := range []string{`"\ud83d\ude00"`, `"\ud83d"`, `"\\u\\\ud8"`, `"\ud83d\\ude00"`, `"\uD83D\uDE00\ude00"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s string
		if json.Unmarshal([]byte(text), &s) != nil || !utf8.ValidString(text) || strings.Contains(strings.ToLower(text), `fffd`) || strings.Contains(text, "\ufffd") {
			return
		}
		if half, lost := strictjson.HalfPair([]byte(text)) >= 0, strings.Contains(s, "\ufffd"); half != lost {
			t.Fatalf("%s: half a pair %v, a character lost %v", text, half, lost)
		}
	})
}
