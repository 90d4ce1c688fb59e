package runner

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xrun/experiments"
	"xrun/kernels"
	"xrun/kernels/cpu"
	"xrun/model"
	"xrun/model/tokenizer"
	"xrun/runner/disk"
	"xrun/runner/store"
)

// tinyModel writes the embedded model into a directory.
func tinyModel(t *testing.T) string {
	t.Helper()
	tiny, err := fs.Sub(experiments.FS, "tiny/model")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.CopyFS(dir, tiny); err != nil {
		t.Fatal(err)
	}
	return dir
}

// openAll does what a study does with a model's directory.
func openAll(name string) error {
	in := &inputs{digests: store.OpenDigests(disk.OS, filepath.Join(os.TempDir(), "absent", "digests.json"))}
	d, err := in.model(name)
	if err != nil {
		return err
	}
	if _, err := in.weightsDigest(d); err != nil {
		return err
	}
	if _, err := tokenizer.Load(d.FS); err != nil {
		return err
	}
	e, err := cpu.New(cpu.Options{Threads: 1})
	if err != nil {
		return err
	}
	defer e.Close()
	m, err := model.Load(e, d.FS, kernels.F32)
	if err == nil {
		m.Close()
	}
	return err
}

// A model directory that somebody prepared reaches nothing outside itself and
// does not hang: each of its files in turn is a link that leads out, a link to a
// device, or a pipe.
func TestHostileModelDirectory(t *testing.T) {
	dir := tinyModel(t)
	if err := openAll(dir); err != nil {
		t.Fatal(err)
	}
	elsewhere := tinyModel(t)
	for _, file := range []string{"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"} {
		path := filepath.Join(dir, file)
		keep := path + ".keep"
		if err := os.Rename(path, keep); err != nil {
			t.Fatal(err)
		}
		relative, err := filepath.Rel(dir, filepath.Join(elsewhere, file))
		if err != nil {
			t.Fatal(err)
		}
		for what, place := range map[string]func() error{
			"an absolute link": func() error { return os.Symlink(filepath.Join(elsewhere, file), path) },
			"a relative link":  func() error { return os.Symlink(relative, path) },
			"a device":         func() error { return os.Symlink("/dev/zero", path) },
			"a loop":           func() error { return os.Symlink(file, path) },
			"a pipe":           func() error { return makePipe(path) },
			"a directory":      func() error { return os.Mkdir(path, 0o777) },
		} {
			if err := place(); err != nil {
				t.Logf("%s: not possible here: %v", what, err)
				continue
			}
			done := make(chan error, 1)
			go func() { done <- openAll(dir) }()
			select {
			case err := <-done:
				if err == nil {
					t.Errorf("%s in the place of %s was read", what, file)
				} else if !strings.Contains(err.Error(), strings.TrimSuffix(file, ".json")) && !strings.Contains(err.Error(), "safetensors") {
					t.Errorf("%s in the place of %s: the error does not name it: %v", what, file, err)
				}
			case <-time.After(time.Minute):
				t.Fatalf("%s in the place of %s makes reading hang", what, file)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		// A link within the directory is as good as the file.
		if err := os.Symlink(filepath.Base(keep), path); err != nil {
			t.Fatal(err)
		}
		if err := openAll(dir); err != nil {
			t.Errorf("a link within the directory: %v", err)
		}
		os.Remove(path)
		if err := os.Rename(keep, path); err != nil {
			t.Fatal(err)
		}
	}
}

// The hub's cache keeps files in blobs/ and links to them from snapshots/: that
// works by the model's id and by the snapshot's path, and links out of the
// model's folder do not.
func TestHubSnapshotLinks(t *testing.T) {
	hub := t.TempDir()
	t.Setenv("HF_HUB_CACHE", hub)
	repo := filepath.Join(hub, "models--org--tiny")
	snapshot := filepath.Join(repo, "snapshots", "abc")
	for _, d := range []string{snapshot, filepath.Join(repo, "refs")} {
		if err := os.MkdirAll(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(repo, "refs", "main"), []byte("abc"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tinyModel(t), filepath.Join(repo, "blobs")); err != nil {
		t.Fatal(err)
	}
	blobs, err := os.ReadDir(filepath.Join(repo, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blobs {
		if err := os.Symlink(filepath.Join("..", "..", "blobs", b.Name()), filepath.Join(snapshot, b.Name())); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"org/tiny", snapshot} {
		if err := openAll(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	outside := filepath.Join(tinyModel(t), "model.safetensors")
	link := filepath.Join(snapshot, "model.safetensors")
	os.Remove(link)
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	if err := openAll("org/tiny"); err == nil {
		t.Error("a link out of the model's folder was followed")
	}
}

// A token that the tokenizer knows and the model has no embedding for is said
// before any work, with the item it stands in; such a token that no item has is no
// fault.
func TestTokenWithoutEmbedding(t *testing.T) {
	dir := tinyModel(t)
	path := filepath.Join(dir, "tokenizer.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	config, err := model.ReadConfig(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	doc["added_tokens"] = append(doc["added_tokens"].([]any), map[string]any{
		"id": config.Vocab, "content": "<new>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true,
	})
	if b, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	items := filepath.Join(dir, "items.jsonl")
	spec := filepath.Join(dir, "spec.cue")
	for name, text := range map[string]string{
		path:  string(b),
		items: `{"instruction": "Who?", "output": "Zoe."}` + "\n" + `{"instruction": "Who <new>?", "output": "Zoe."}` + "\n",
		spec:  fmt.Sprintf("question: \"?\"\nmatrix: model: [%q]\ndata: source: %q\ndata: limit: *0 | int @tag(limit,type=int)\n", dir, items),
	} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openStudy(disk.OS, spec, map[string]string{"limit": "1"}, t.TempDir()); err != nil {
		t.Error(err)
	}
	_, err = openStudy(disk.OS, spec, nil, t.TempDir())
	if want := fmt.Sprintf(`items.jsonl:2: item 2: its token "<new>" has id %d`, config.Vocab); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}
