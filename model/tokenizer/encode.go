package tokenizer

import (
	"hash/maphash"
	"unicode/utf8"
)

// Encode returns the ids of a text. Added tokens in the text are recognized. No tokens are
// added before or after it (add_special_tokens=False in tokenizers).
func (t *Tokenizer) Encode(text string) []int32 {
	return t.AppendEncode(make([]int32, 0, len(text)/4+4), text)
}

// EncodePrompt returns the ids of a text, preceded by the ids that the post-processor adds
// at the start, such as a bos token. Those that it adds at the end are left out, because a
// prompt is continued.
func (t *Tokenizer) EncodePrompt(text string) []int32 {
	ids := make([]int32, 0, len(t.post.before)+len(text)/4+4)
	return t.AppendEncode(append(ids, t.post.before...), text)
}

// Template returns the ids that the post-processor adds before and after a text
// (add_special_tokens=True in tokenizers). The caller may modify the slices.
func (t *Tokenizer) Template() (before, after []int32) {
	return append([]int32(nil), t.post.before...), append([]int32(nil), t.post.after...)
}

// AppendEncode appends the ids of a text to dst. Once its caches are warm it does not
// allocate, except to grow dst, unless a text needs normalization or the pre-tokenizer uses
// a regular expression.
func (t *Tokenizer) AppendEncode(dst []int32, text string) []int32 {
	e := t.encoder()
	e.dst = dst
	t.raw.split(text, func(id int32, start, end int) {
		if id >= 0 {
			e.dst = append(e.dst, id)
			return
		}
		e.segment(text[start:end])
	})
	dst = e.dst
	t.release(e)
	return dst
}

// encoder is the working memory of one call.
type encoder struct {
	t      *Tokenizer
	merger merger
	cache  []cacheEntry
	dst    []int32
	buf    []byte
	one    [1]int32
}

// encoder returns a free encoder, or a new one.
func (t *Tokenizer) encoder() *encoder {
	select {
	case e := <-t.free:
		return e
	default:
		return &encoder{t: t, cache: make([]cacheEntry, cacheSize)}
	}
}

func (t *Tokenizer) release(e *encoder) {
	e.dst = nil
	select {
	case t.free <- e:
	default:
	}
}

// segment encodes text between added tokens that are matched before normalization.
func (e *encoder) segment(s string) {
	if e.t.nfc {
		s = normalize(s)
	}
	if e.t.normed.nodes == nil {
		e.pieces(0, s)
		return
	}
	e.t.normed.split(s, func(id int32, start, end int) {
		if id >= 0 {
			e.dst = append(e.dst, id)
			return
		}
		e.pieces(0, s[start:end])
	})
}

// pieces runs the pre-tokenizer's steps from the given level on. s must not be empty.
func (e *encoder) pieces(level int, s string) {
	if level == e.t.prefixLevel && s[0] != ' ' {
		s = " " + s
	}
	if level == len(e.t.steps) {
		e.word(s)
		return
	}
	st := &e.t.steps[level]
	if st.split != nil {
		e.splitPieces(level, s)
		return
	}
	last := level+1 == len(e.t.steps) && e.t.prefixLevel <= level
	for s != "" {
		n := st.scan(s)
		if last {
			e.word(s[:n])
		} else {
			e.pieces(level+1, s[:n])
		}
		s = s[n:]
	}
}

// splitPieces is pieces for a step without a scanner. It is a separate function because the
// variables that its closure captures are allocated on the heap.
func (e *encoder) splitPieces(level int, s string) {
	e.t.steps[level].split(s, func(start, end int) { e.pieces(level+1, s[start:end]) })
}

// The cache of an encoder maps short pieces to their ids. It is direct-mapped, and so
// bounded, with one cache line per entry. In natural text, 97 of 100 pieces hit it.
const (
	cacheSize = 1 << 14
	cacheKey  = 26
	cacheIDs  = 9
)

type cacheEntry struct {
	ids   [cacheIDs]int32
	key   [cacheKey]byte
	width uint8 // width of the key; 0 if the entry is empty
	count uint8
}

var cacheSeed = maphash.MakeSeed()

// word appends the ids of one piece.
func (e *encoder) word(piece string) {
	if len(piece) > cacheKey {
		e.dst = append(e.dst, e.bpe(piece)...)
		return
	}
	slot := &e.cache[maphash.String(cacheSeed, piece)%cacheSize]
	if int(slot.width) == len(piece) && string(slot.key[:len(piece)]) == piece {
		e.dst = append(e.dst, slot.ids[:slot.count]...)
		return
	}
	ids := e.bpe(piece)
	e.dst = append(e.dst, ids...)
	if len(ids) <= cacheIDs {
		slot.width, slot.count = uint8(len(piece)), uint8(len(ids))
		copy(slot.key[:], piece)
		copy(slot.ids[:], ids)
	}
}

// bpe returns the ids of one piece, valid until the next call.
func (e *encoder) bpe(piece string) []int32 {
	if id, ok := e.whole(piece); ok {
		e.one[0] = id
		return e.one[:]
	}
	return e.merger.merge(&e.t.model, piece)
}

// whole looks up a whole piece in the vocabulary, if ignore_merges is set.
func (e *encoder) whole(piece string) (int32, bool) {
	if !e.t.model.ignoreMerges {
		return 0, false
	}
	e.buf = e.buf[:0]
	for i := 0; i < len(piece); i++ {
		e.buf = utf8.AppendRune(e.buf, byteRune[piece[i]])
	}
	id, ok := e.t.model.ids[string(e.buf)]
	return id, ok
}
