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
		{`{"a":1,"a":1}`, `"a" stands twice`},
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
