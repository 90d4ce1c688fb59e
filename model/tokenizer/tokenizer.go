package tokenizer

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
)

// Tokenizer turns text into ids and back. It is read-only after Load and may be used
// by any number of goroutines.
type Tokenizer struct {
	model model
	nfc   bool
	steps []step
	// prefixLevel is the step before which ByteLevel puts a space before a text that
	// has none (add_prefix_space), -1 if it does not.
	prefixLevel int
	post        postProcessor
	added       []addedToken // in the file's order
	raw         addedSet     // matched in the text as it is
	normed      addedSet     // matched in normalized text
	special     map[int32]bool
	pieces      []string // by id: what Token returns, "" where an id is not used
	decoded     []string // by id: the bytes it decodes to

	bos, eos, pad namedToken
	chatTemplate  string
	free          chan *encoder
	digest        func() string
}

// namedToken is a role that tokenizer_config.json gives to a token.
type namedToken struct {
	id   int32
	text string
	ok   bool
}

// Load reads the tokenizer of a model directory: tokenizer.json, and, where they are
// present, tokenizer_config.json, special_tokens_map.json and chat_template.jinja.
// An error names the file with the byte offset or the field, and nothing that would
// change an encoding is ignored.
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
			return nil, fmt.Errorf("reading tokenizer.json: post_processor: id %d is no token", id)
		}
	}
	if err := t.loadConfig(fsys); err != nil {
		return nil, err
	}
	t.digest = sync.OnceValue(t.computeDigest)
	return t, nil
}

// addTokens gives the added tokens their ids. tokenizers does not read the ids of the
// file: a token of the vocabulary keeps its id there, others are counted on from
// the size of the vocabulary. A file that says otherwise is refused.
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
	for i := range t.added { // decoding skips a token by its text
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

// VocabSize is the number of ids: one more than the highest id of a token, added
// tokens included. A model's embedding has at least that many rows, often more.
func (t *Tokenizer) VocabSize() int { return len(t.pieces) }

// Token returns a token as tokenizer.json spells it (Ġ is a space, Ċ a line break),
// "" for an id that is no token.
func (t *Tokenizer) Token(id int32) string {
	if id < 0 || int(id) >= len(t.pieces) {
		return ""
	}
	return t.pieces[id]
}

// find returns the id of a token spelled as Token returns it: an added token or one
// of the vocabulary.
func (t *Tokenizer) find(token string) (int32, bool) {
	for i := range t.added {
		if t.added[i].content == token {
			return t.added[i].id, true
		}
	}
	id, ok := t.model.ids[token]
	return id, ok
}

// EOS is the end token that tokenizer_config.json names; ok is false if it names none.
func (t *Tokenizer) EOS() (id int32, text string, ok bool) { return t.eos.id, t.eos.text, t.eos.ok }

// BOS is the token tokenizer_config.json names as start of a text. Whether a prompt
// starts with it is the post-processor's say: see EncodePrompt.
func (t *Tokenizer) BOS() (id int32, text string, ok bool) { return t.bos.id, t.bos.text, t.bos.ok }

// ChatTemplate is the Jinja source of the chat template, "" if there is none. It is
// not part of Digest.
func (t *Tokenizer) ChatTemplate() string { return t.chatTemplate }

// Digest is a SHA-256 in hex over all that decides which ids a text gets, and over
// bos, eos and pad: equal digests give equal ids and decoded texts. It
// covers, in a fixed binary form, the vocabulary by id, the merges in order with
// their results, unk_token, fuse_unk, ignore_merges, the added tokens with their
// flags, the normalizer, the steps of the pre-tokenizer, add_prefix_space,
// trim_offsets, the ids that the post-processor adds, and the three named tokens.
// The file's spacing, the order of its vocabulary and its other fields do not
// enter; nor does the chat template.
func (t *Tokenizer) Digest() string { return t.digest() }
