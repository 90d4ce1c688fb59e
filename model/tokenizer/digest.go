package tokenizer

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// digestVersion changes whenever the format of the hashed data changes, or the encoding that
// the same files give.
const digestVersion = "xrun tokenizer 1"

// computeDigest hashes every part as its length and bytes, or as a fixed-width number.
func (t *Tokenizer) computeDigest() string {
	h := sha256.New()
	w := bufio.NewWriterSize(h, 1<<16)
	var b [8]byte
	num := func(v int) {
		binary.LittleEndian.PutUint64(b[:], uint64(v))
		w.Write(b[:])
	}
	text := func(s string) {
		num(len(s))
		w.WriteString(s)
	}
	flag := func(v bool) {
		if v {
			num(1)
		} else {
			num(0)
		}
	}
	ids := func(list []int32) {
		num(len(list))
		for _, id := range list {
			num(int(id))
		}
	}
	text(digestVersion)
	num(len(t.pieces))
	for id, token := range t.pieces {
		text(token)
		in, ok := t.model.ids[token]
		flag(ok && int(in) == id)
	}
	num(len(t.model.mergeLog))
	for _, m := range t.model.mergeLog {
		num(int(m.left))
		num(int(m.right))
		num(int(m.joined))
	}
	num(int(t.model.unkID))
	flag(t.model.fuseUnk)
	flag(t.model.ignoreMerges)
	num(len(t.added))
	for _, a := range t.added {
		num(int(a.id))
		text(a.content)
		for _, f := range []bool{a.singleWord, a.lstrip, a.rstrip, a.normalized, a.special} {
			flag(f)
		}
	}
	flag(t.nfc)
	num(len(t.steps))
	for _, s := range t.steps {
		text(s.name)
	}
	num(t.prefixLevel)
	flag(t.post.trim)
	flag(t.post.trimPrefix)
	ids(t.post.before)
	ids(t.post.after)
	for _, n := range []namedToken{t.bos, t.eos, t.pad} {
		flag(n.ok)
		num(int(n.id))
	}
	w.Flush() // writing to a hash never fails
	return hex.EncodeToString(h.Sum(nil))
}
