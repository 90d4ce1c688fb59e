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
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // 1e999 is no error here
	return check(d)
}

func check(d *json.Decoder) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('['):
		for d.More() {
			if err := check(d); err != nil {
				return err
			}
		}
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			t, err := d.Token()
			if err != nil {
				return err
			}
			name := t.(string)
			if seen[name] {
				return fmt.Errorf("%q stands twice in one object; remove one", name)
			}
			seen[name] = true
			if err := check(d); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = d.Token()
	return err
}

// HalfPair returns where in valid JSON the first escape of half a surrogate pair
// stands (\ud800 to \udfff without the other half), or -1.
func HalfPair(text []byte) int {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
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
