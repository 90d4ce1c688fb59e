package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedSet finds added tokens in text: a trie over their bytes.
type addedSet struct {
	nodes  []trieNode
	starts [256]bool // bytes that a token starts with
	only   byte      // that byte, if there is only one
	single bool
	tokens map[int32]*addedToken
}

type trieNode struct {
	next map[byte]int32
	id   int32 // id of the token that ends here, or -1
}

// add adds a token under the text to be found.
func (a *addedSet) add(text string, t *addedToken) {
	if a.nodes == nil {
		a.nodes = []trieNode{{id: -1}}
		a.tokens = map[int32]*addedToken{}
		a.single, a.only = true, text[0]
	}
	a.starts[text[0]] = true
	a.single = a.single && a.only == text[0]
	at := int32(0)
	for i := 0; i < len(text); i++ {
		next, ok := a.nodes[at].next[text[i]]
		if !ok {
			next = int32(len(a.nodes))
			a.nodes = append(a.nodes, trieNode{id: -1})
			if a.nodes[at].next == nil {
				a.nodes[at].next = map[byte]int32{}
			}
			a.nodes[at].next[text[i]] = next
		}
		at = next
	}
	a.nodes[at].id = t.id
	a.tokens[t.id] = t
}

// find returns the leftmost token in s from byte at on, the longest if several start there.
// id is -1 if there is none.
func (a *addedSet) find(s string, at int) (start, end int, id int32) {
	for ; at < len(s); at++ {
		if a.single {
			i := strings.IndexByte(s[at:], a.only)
			if i < 0 {
				break
			}
			at += i
		} else if !a.starts[s[at]] {
			continue
		}
		id, end = -1, at
		node := int32(0)
		for i := at; i < len(s); i++ {
			next, ok := a.nodes[node].next[s[i]]
			if !ok {
				break
			}
			if node = next; a.nodes[node].id >= 0 {
				id, end = a.nodes[node].id, i+1
			}
		}
		if id >= 0 {
			return at, end, id
		}
	}
	return len(s), len(s), -1
}

// split cuts s at its added tokens and calls part for each part in order, with id -1 for
// text between tokens. White space that two tokens strip belongs to the first, except that
// a token that consists of white space keeps what the previous token stripped. tokenizers
// returns such white space twice, and so does split.
func (a *addedSet) split(s string, part func(id int32, start, end int)) {
	done := 0
	if a.nodes != nil {
		for at := 0; ; {
			start, end, id := a.find(s, at)
			if id < 0 {
				break
			}
			at = end
			t := a.tokens[id]
			if t.singleWord {
				before, _ := utf8.DecodeLastRuneInString(s[:start])
				after, _ := utf8.DecodeRuneInString(s[end:])
				if start > 0 && isWord(before) || end < len(s) && isWord(after) {
					continue
				}
			}
			if t.lstrip {
				start = max(len(strings.TrimRightFunc(s[:start], unicode.IsSpace)), done)
			}
			if t.rstrip {
				end = len(s) - len(strings.TrimLeftFunc(s[end:], unicode.IsSpace))
			}
			if done < start {
				part(-1, done, start)
			}
			part(id, start, end)
			done = end
		}
	}
	if done < len(s) {
		part(-1, done, len(s))
	}
}
