package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// EncodeOffsets returns the ids of a text as Encode does, and for each the range of
// code points of the text it stands for, as tokenizers reports it: a token that
// holds part of a character has the whole character's range, and a character that
// normalization made of several has the range of the first.
func (t *Tokenizer) EncodeOffsets(text string) (ids []int32, offsets [][2]int) {
	e := t.encoder()
	defer t.release(e)
	w := offsetWriter{e: e, points: codePoints(text), matched: map[int]string{}}
	t.raw.split(text, func(id int32, start, end int) {
		if id >= 0 {
			w.addMatch(id, start, end, text[min(start, end):end])
			return
		}
		w.segment(text[start:end], start)
	})
	if t.post.trim {
		w.trim()
	}
	return w.ids, w.offsets
}

// codePoints maps each byte of a text to the index of its code point.
func codePoints(text string) []int {
	points := make([]int, len(text))
	n := 0
	for i, r := range text {
		width := 1
		if r != utf8.RuneError || strings.HasPrefix(text[i:], "\uFFFD") {
			width = utf8.RuneLen(r)
		}
		for k := range width {
			points[i+k] = n
		}
		n++
	}
	return points
}

// offsetWriter collects ids with their offsets.
type offsetWriter struct {
	e       *encoder
	points  []int // code point of each byte of the text
	ids     []int32
	offsets [][2]int
	matched map[int]string // by index in ids: the text that an added token took
}

// addMatch enters an added token.
func (w *offsetWriter) addMatch(id int32, start, end int, text string) {
	w.matched[len(w.ids)] = text
	w.add(id, start, end)
}

// add enters a token that stands for the bytes from start to end of the text.
func (w *offsetWriter) add(id int32, start, end int) {
	w.ids = append(w.ids, id)
	w.offsets = append(w.offsets, w.convert(start, end))
}

// convert turns byte offsets into code points, in the way of tokenizers at the ends.
func (w *offsetWriter) convert(start, end int) [2]int {
	n := len(w.points)
	if start >= n || start < 0 || end < 0 {
		return [2]int{start, end}
	}
	if end >= n {
		return [2]int{w.points[start], w.points[n-1] + 1}
	}
	return [2]int{w.points[start], w.points[end]}
}

// segment encodes the part of the text that starts at byte at, between added tokens.
func (w *offsetWriter) segment(s string, at int) {
	// places holds, for each byte of the normalized segment, the byte range of the
	// text that its character is counted to.
	places := make([][2]int, 0, len(s))
	enter := func(width, start, end int) {
		for range width {
			places = append(places, [2]int{at + start, at + end})
		}
	}
	changed := false
	if w.e.t.nfc {
		s, changed = normalize(s, enter)
	}
	if !changed {
		places = places[:0]
		for i := 0; i < len(s); {
			_, n := utf8.DecodeRuneInString(s[i:])
			enter(n, i, i+n)
			i += n
		}
	}
	w.e.visit = func(piece string, base int) { w.word(piece, base, places) }
	w.e.prefixAt = -1
	w.e.t.normed.split(s, func(id int32, start, end int) {
		switch {
		case id < 0:
			w.e.pieces(0, s[start:end], start)
		case start < end:
			w.addMatch(id, places[start][0], places[end-1][1], s[start:end])
		default:
			w.addMatch(id, start, end, "")
		}
	})
}

// word encodes one piece.
func (w *offsetWriter) word(piece string, base int, places [][2]int) {
	if id, ok := w.e.whole(piece); ok {
		w.add(id, places[max(base, 0)][0], places[base+len(piece)-1][1])
		return
	}
	// tokenizers counts a piece in GPT-2's printable characters, of one or two bytes.
	spots := make([][2]int, 0, 2*len(piece))
	for i := 0; i < len(piece); i++ {
		at := base + i
		if base == w.e.prefixAt-1 && i == 0 { // the space put before counts to the first character
			at++
		}
		spots = append(spots, places[at])
		if byteRune[piece[i]] >= utf8.RuneSelf {
			spots = append(spots, places[at])
		}
	}
	g := &w.e.merger
	g.startSymbols(&w.e.t.model, piece)
	g.mergeHeap(&w.e.t.model.merges)
	at := 0
	for _, s := range g.symbols {
		if s.width > 0 {
			w.add(s.id, spots[at][0], spots[at+int(s.width)-1][1])
			at += int(s.width)
		}
	}
}

// trim takes white space at a token's ends out of its offsets (ByteLevel as a
// post-processor with trim_offsets).
func (w *offsetWriter) trim() {
	isSpace := func(r rune) bool { return r == byteRune[' '] || unicode.IsSpace(r) }
	for i, id := range w.ids {
		token, added := w.matched[i] // with the white space it stripped
		if !added {
			token = w.e.t.pieces[id]
		}
		all := utf8.RuneCountInString(token)
		leading := all - utf8.RuneCountInString(strings.TrimLeftFunc(token, isSpace))
		trailing := all - utf8.RuneCountInString(strings.TrimRightFunc(token, isSpace))
		o := &w.offsets[i]
		if leading > 0 {
			if (i == 0 || o[0] == 0) && w.e.t.post.trimPrefix && leading == 1 {
				leading = 0 // the space was put there
			}
			o[0] = min(o[0]+leading, o[1])
		}
		if trailing > 0 && o[1] >= trailing {
			o[1] = max(o[1]-trailing, o[0])
		}
	}
}
