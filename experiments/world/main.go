// Command world draws the world of the embedded scale and writes everything that
// is made from it, the same bytes every time:
//
//	go run ./experiments/world
//
// writes experiments/tiny/{instruct.json,suites}, the tokenizer and the
// configuration under experiments/tiny/model, and into build/world what only
// pretraining needs: corpus.jsonl and the model it starts from. The trained
// weights, experiments/tiny/model/model.safetensors, are made from those by
// `just pretrain`.
//
// It is not part of xrun: xrun reads its output like any other model and data.
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"xrun/model/safetensors"
)

// seed is the world's. Another seed is another world, as good as this one.
const seed = 20250101

// documents is the size of the pretraining text.
const documents = 13000

func main() {
	tiny := flag.String("tiny", "experiments/tiny", "directory of the embedded data")
	runs := flag.String("runs", "build/world", "directory for the corpus and the initial model")
	n := flag.Int("documents", documents, "documents of the corpus")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "world: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	if err := write(*tiny, *runs, *n); err != nil {
		fmt.Fprintln(os.Stderr, "world: error:", err)
		os.Exit(1)
	}
}

func write(tiny, runs string, n int) error {
	embedded, err := embeddedFiles(n)
	if err != nil {
		return err
	}
	for name, b := range embedded {
		if err := put(filepath.Join(tiny, filepath.FromSlash(name)), b); err != nil {
			return err
		}
	}
	for _, name := range []string{"config.json", "tokenizer.json", "tokenizer_config.json"} {
		if err := put(filepath.Join(runs, "init", name), embedded["model/"+name]); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, initial(seed), nil); err != nil {
		return err
	}
	if err := put(filepath.Join(runs, "init", "model.safetensors"), b.Bytes()); err != nil {
		return err
	}
	b.Reset()
	if err := writeCorpus(&b, n); err != nil {
		return err
	}
	return put(filepath.Join(runs, "corpus.jsonl"), b.Bytes())
}

// put writes a file and the directories above it.
func put(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o666)
}

// newCorpus starts the corpus of n documents from its beginning.
func newCorpus(w *world, t suites) *corpus {
	return &corpus{w: w, s: newSource(seed, "corpus"), held: t.heldBack()}
}

func writeCorpus(b *bytes.Buffer, n int) error {
	w := build(seed)
	c := newCorpus(w, drawSuites(w, seed))
	out := bufio.NewWriter(b)
	for range n {
		line, err := plainJSON(struct {
			Text string `json:"text"`
		}{c.document()})
		if err != nil {
			return err
		}
		out.Write(append(line, '\n'))
	}
	return out.Flush()
}

// embeddedFiles returns the embedded files, by their path under tiny, but for
// the trained weights. The tokenizer is trained on n documents and on the
// instruction set as the alpaca template shows it.
func embeddedFiles(n int) (map[string][]byte, error) {
	w := build(seed)
	t := drawSuites(w, seed)
	files := map[string][]byte{}
	suiteFiles, err := t.files()
	if err != nil {
		return nil, err
	}
	for name, b := range suiteFiles {
		files["suites/"+name] = b
	}
	items := instructions(w, seed)
	if files["instruct.json"], err = indented(items); err != nil {
		return nil, err
	}

	freq := counts{}
	for _, it := range items {
		freq.add(it.alpaca())
	}
	c := newCorpus(w, t)
	for range n {
		freq.add(c.document())
	}
	merges := train(freq, vocabSize-256-len(specials))
	if got := 256 + len(merges) + len(specials); got != vocabSize {
		return nil, fmt.Errorf("training the tokenizer: the text gives %d tokens, not %d", got, vocabSize)
	}
	if files["model/tokenizer.json"], err = tokenizerJSON(merges); err != nil {
		return nil, err
	}
	if files["model/config.json"], err = configJSON(); err != nil {
		return nil, err
	}
	files["model/tokenizer_config.json"], err = tokenizerConfigJSON()
	return files, err
}
