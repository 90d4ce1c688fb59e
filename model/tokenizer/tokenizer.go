package tokenizer

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
)

// Tokenizer converts text to ids and back. It is immutable and may be used by any number of
// goroutines.
type Tokenizer struct {
	model model
	nfc   bool
	steps []step
	// prefixLevel is the step before which ByteLevel adds a space at the start of a text
	// that does not begin with one (add_prefix_space), or -1.
	prefixLevel int
	post        postProcessor
	added       []addedToken // in the file's order
	raw         addedSet     // matched in the text before normalization
	normed      addedSet     // matched in normalized text
	special     map[int32]bool
	pieces      []string // by id: what Token returns, "" where an id is not used
	decoded     []string // by id: the bytes it decodes to

	bos, eos, pad namedToken
	chatTemplate  string
	free          chan *encoder
	digest        func() string
}

// namedToken is a token with a role, such as bos.
type namedToken struct {
	id   int32
	text string
	ok   bool
}

// Load reads the tokenizer of a model directory: tokenizer.json and, if present,
// tokenizer_config.json, special_tokens_map.json and chat_template.jinja. Settings that
// would change an encoding and are not supported are errors. An error names the file with
// the byte offset or the field.
func Load(fsys fs.FS) (*Tokenizer, error) {
	src, err := readFile(fsys, "tokenizer.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (a transformers model directory has one; vocab.json with merges.txt alone is not read)", err)
	}
	if err != nil {
		return nil, err
	}
	r, err := newJSONReader("tokenizer.json", src)
	if err != nil {
		return nil, err
	}
	doc, err := parse(r)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{
		model: doc.model, nfc: doc.nfc, steps: doc.steps, prefixLevel: doc.prefixLevel, post: doc.post, added: doc.added,
		special: map[int32]bool{}, free: make(chan *encoder, runtime.GOMAXPROCS(0)),
	}
	if err := t.addTokens(r, doc); err != nil {
		return nil, err
	}
	t.decode()
	for _, id := range append(append([]int32{}, t.post.before...), t.post.after...) {
		if t.Token(id) == "" {
			return nil, fmt.Errorf("reading tokenizer.json: post_processor: id %d is not a token", id)
		}
	}
	if err := t.loadConfig(fsys); err != nil {
		return nil, err
	}
	t.digest = sync.OnceValue(t.computeDigest)
	return t, nil
}

// addTokens assigns ids to the added tokens. tokenizers ignores the ids in the file: a token
// of the vocabulary keeps its id, and others are numbered from the size of the vocabulary.
// A file with other ids is an error.
func (t *Tokenizer) addTokens(r *jsonReader, doc *document) error {
	t.pieces = t.model.tokens
	next, seen := int32(len(t.model.ids)), map[string]bool{}
	contents := map[string]bool{}
	for i := range t.added {
		a := &t.added[i]
		field := fmt.Sprintf("added_tokens[%d]", i)
		if seen[a.content] {
			return r.failAt(doc.addedPos[i], field, "%s stands in the list twice", quote(a.content))
		}
		seen[a.content] = true
		want, inVocab := t.model.ids[a.content]
		if !inVocab {
			want = next
			next++
		}
		if a.id != want {
			return r.failAt(doc.addedPos[i], field+".id", "%s has id %d where tokenizers gives it %d (its id in model.vocab, or the next one after it)", quote(a.content), a.id, want)
		}
		if int(a.id) < len(t.pieces) && !inVocab && t.pieces[a.id] != "" {
			return r.failAt(doc.addedPos[i], field+".id", "%s and %s have the same id %d", quote(t.pieces[a.id]), quote(a.content), a.id)
		}
		content := a.content
		if a.normalized && t.nfc {
			content = normalize(content)
		}
		if !inVocab {
			for int(a.id) >= len(t.pieces) {
				t.pieces = append(t.pieces, "")
			}
			t.pieces[a.id] = content
		}
		if a.special {
			contents[a.content] = true
		}
		if a.normalized {
			t.normed.add(content, a)
		} else {
			t.raw.add(content, a)
		}
	}
	for i := range t.added { // decoding skips tokens by their text
		if contents[t.pieces[t.added[i].id]] {
			t.special[t.added[i].id] = true
		}
	}
	return nil
}

// decode fills the table of decoded bytes.
func (t *Tokenizer) decode() {
	arena := make([]byte, 0, 1<<20)
	ends := make([]int, len(t.pieces))
	for id, token := range t.pieces {
		arena = rawBytes(arena, token)
		ends[id] = len(arena)
	}
	text, start := string(arena), 0
	t.decoded = make([]string, len(ends))
	for id, end := range ends {
		t.decoded[id] = text[start:end]
		start = end
	}
}

// VocabSize returns the number of ids: one more than the highest id of a token, including
// added tokens. A model's embedding has at least that many rows, and often more.
func (t *Tokenizer) VocabSize() int { return len(t.pieces) }

// Token returns a token as written in tokenizer.json (Ġ is a space, Ċ a line break), or ""
// if id is not a token.
func (t *Tokenizer) Token(id int32) string {
	if id < 0 || int(id) >= len(t.pieces) {
		return ""
	}
	return t.pieces[id]
}

// find returns the id of a token, written as Token returns it: an added token or one of the
// vocabulary.
func (t *Tokenizer) find(token string) (int32, bool) {
	for i := range t.added {
		if t.added[i].content == token {
			return t.added[i].id, true
		}
	}
	id, ok := t.model.ids[token]
	return id, ok
}

// EOS returns the end token named in tokenizer_config.json. ok is false if there is none.
func (t *Tokenizer) EOS() (id int32, text string, ok bool) { return t.eos.id, t.eos.text, t.eos.ok }

// BOS returns the start token named in tokenizer_config.json. Whether a prompt starts with it
// is determined by the post-processor; see EncodePrompt.
func (t *Tokenizer) BOS() (id int32, text string, ok bool) { return t.bos.id, t.bos.text, t.bos.ok }

// ChatTemplate returns the Jinja source of the chat template, or "" if there is none. It is
// not part of Digest.
func (t *Tokenizer) ChatTemplate() string { return t.chatTemplate }

// Digest returns a SHA-256 in hex over everything that determines the ids of a text, and over
// bos, eos and pad. Tokenizers with equal digests give equal ids and decoded texts. It
// covers, in a fixed binary form, the vocabulary by id, the merges in order with their
// results, unk_token, fuse_unk, ignore_merges, the added tokens with their flags, the
// normalizer, the steps of the pre-tokenizer, add_prefix_space, trim_offsets, the ids that
// the post-processor adds, and the three named tokens. It does not cover the file's spacing,
// the order of its vocabulary, its other fields, or the chat template.
func (t *Tokenizer) Digest() string { return t.digest() }
