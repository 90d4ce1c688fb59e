package tokenizer

import "testing"

// TestClasses pins the classes to Unicode 16, whatever the age of package unicode. The
// counts are those of the regular expressions of tokenizers 0.23.3.
func TestClasses(t *testing.T) {
	counts := map[class]int{}
	words, numeric := 0, 0
	for r := rune(0); r <= 0x10FFFF; r++ {
		if r >= 0xD800 && r <= 0xDFFF {
			continue
		}
		counts[classOf(r)]++
		if isWord(r) {
			words++
		}
		if isNumeric(r) {
			numeric++
		}
	}
	for _, c := range []struct {
		name      string
		want, got int
	}{
		{"letters", 141028, counts[letter]}, {"numbers", 1911, counts[number]}, {"spaces", 25, counts[space]},
		{"numeric characters", 1924, numeric}, {"word characters", 144667, words},
	} {
		if c.want != c.got {
			t.Errorf("%s: want %d, got %d", c.name, c.want, c.got)
		}
	}
}
