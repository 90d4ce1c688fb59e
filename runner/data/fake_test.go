package data_test

import (
	"strings"
	"unicode/utf8"
)

// fake is a tokenizer of one token a character, with three special tokens. It
// lets a test read rows at a glance.
type fake struct{ bos bool }

const (
	bosText, eosText, imEnd = "<s>", "</s>", "<|im_end|>"
	bosID, eosID, imEndID   = 1_200_000, 1_200_001, 1_200_002
)

var specials = map[string]int32{bosText: bosID, eosText: eosID, imEnd: imEndID}

func (f fake) Encode(text string) []int32 {
	var ids []int32
next:
	for text != "" {
		for s, id := range specials {
			if rest, ok := strings.CutPrefix(text, s); ok {
				ids, text = append(ids, id), rest
				continue next
			}
		}
		r, n := utf8.DecodeRuneInString(text)
		ids, text = append(ids, int32(r)), text[n:]
	}
	return ids
}

func (f fake) EncodePrompt(text string) []int32 {
	if f.bos {
		return append([]int32{bosID}, f.Encode(text)...)
	}
	return f.Encode(text)
}

func (f fake) Decode(ids []int32, skip bool) string {
	var b strings.Builder
next:
	for _, id := range ids {
		for s, special := range specials {
			if id == special {
				if !skip {
					b.WriteString(s)
				}
				continue next
			}
		}
		b.WriteRune(id)
	}
	return b.String()
}

func (f fake) BOS() (int32, string, bool) { return bosID, bosText, f.bos }
func (f fake) EOS() (int32, string, bool) { return eosID, eosText, true }
