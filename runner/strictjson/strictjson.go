// Package strictjson refuses what encoding/json reads in silence though something is
// lost by it: a name that stands twice in an object, of which the last value wins, and
// half a surrogate pair in a string, which becomes U+FFFD. It is not a decoder; callers
// decode with encoding/json.
//
// Most readers need [Check], of a whole value; [HalfPair] looks at escapes only.
package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf16"
)

// Check returns an error if text, which encoding/json must accept, has a name twice in
// one object, at any depth, or half a surrogate pair. The error's text is the rest of a
// sentence that begins with where text stands.
func Check(text []byte) error {
	if at := HalfPair(text); at >= 0 {
		return fmt.Errorf("half a surrogate pair (%s at byte %d), which is no character; write the whole pair", text[at:at+6], at)
	}
	return twice(text)
}

// twice looks for a name that stands twice in an object of valid JSON. It scans,
// because to decode a second time would take as long as the first.
func twice(text []byte) error {
	var names [][]byte // of the objects that are open, those of the innermost last
	var open []int     // where the names of each begin
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			open = append(open, len(names))
		case '}':
			first := open[len(open)-1]
			inner := names[first:]
			slices.SortFunc(inner, bytes.Compare)
			for j := range max(len(inner)-1, 0) {
				if bytes.Equal(inner[j], inner[j+1]) {
					return fmt.Errorf("%q stands twice in one object; remove one", inner[j])
				}
			}
			names, open = names[:first], open[:len(open)-1]
		case '"':
			start := i
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			if !bytes.HasPrefix(bytes.TrimLeft(text[i+1:], " \t\r\n"), []byte(":")) {
				continue // a value
			}
			name := text[start+1 : i]
			if bytes.IndexByte(name, '\\') >= 0 {
				var s string
				if err := json.Unmarshal(text[start:i+1], &s); err != nil {
					return err
				}
				name = []byte(s)
			}
			names = append(names, name)
		}
	}
	return nil
}

// HalfPair returns where in valid JSON the first escape of half a surrogate pair
// stands (\ud800 to \udfff without the other half), or -1.
func HalfPair(text []byte) int {
	for i := 0; i < len(text); i++ {
		next := bytes.IndexByte(text[i:], '\\')
		if next < 0 {
			break
		}
		i += next
		first, ok := escaped(text[i:])
		if !ok {
			i++ // what is escaped may be a backslash
			continue
		}
		if utf16.IsSurrogate(first) {
			second, _ := escaped(text[i+6:])
			if utf16.DecodeRune(first, second) == '\ufffd' {
				return i
			}
			i += 6
		}
		i += 5
	}
	return -1
}

// escaped reads the code unit of \uXXXX at the beginning of text.
func escaped(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(v), err == nil
}
