package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"xrun/experiments"
	"xrun/runner/store"
	"xrun/runner/suites"
)

// builtinPrefix marks names inside the binary: builtin:tiny/instruct.json.
const builtinPrefix = "builtin:"

// inputs resolves the names a spec uses for files and directories, and digests
// what they hold.
type inputs struct {
	digests *store.Digests
}

// dir is a directory of input files. path is "" inside the binary.
type dir struct {
	fs.FS
	name string // as the spec has it
	path string
}

// suites returns the directory as a place of suite files.
func (d dir) suites() suites.Root { return suites.Root{FS: d.FS, Name: d.name} }

// hubID reports whether name has the form ORGANISATION/MODEL of a model hub.
func hubID(name string) bool {
	org, repo, ok := strings.Cut(name, "/")
	return ok && org != "" && repo != "" && !strings.ContainsAny(name, `\:`) &&
		!strings.Contains(repo, "/") && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "~")
}

// directory opens a directory: builtin:..., or a path.
func (in *inputs) directory(name string) (dir, error) {
	if inner, ok := strings.CutPrefix(name, builtinPrefix); ok {
		sub, err := fs.Sub(experiments.FS, path.Clean(inner))
		if err == nil {
			_, err = fs.Stat(experiments.FS, path.Clean(inner))
		}
		if err != nil {
			return dir{}, withHint(fmt.Errorf("%s is not in this program", name), "builtin:tiny is")
		}
		return dir{FS: sub, name: name}, nil
	}
	st, err := os.Stat(name)
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("opening the directory %s: %w", name, p.Err)
	}
	if err == nil && !st.IsDir() {
		err = fmt.Errorf("%s is not a directory", name)
	}
	if err != nil {
		return dir{}, err
	}
	return dir{FS: os.DirFS(name), name: name, path: name}, nil
}

// model opens a model directory: builtin:tiny, a path, or a hub id found in the
// cache that Python's huggingface_hub keeps.
func (in *inputs) model(name string) (dir, error) {
	if name == builtinPrefix+"tiny" {
		d, err := in.directory(builtinPrefix + "tiny/model")
		d.name = name
		return d, err
	}
	if _, err := os.Stat(name); err != nil && hubID(name) {
		snapshot, err := hubSnapshot(name)
		if err != nil {
			return dir{}, err
		}
		return modelDir(name, snapshot)
	}
	d, err := in.directory(name)
	if errors.Is(err, fs.ErrNotExist) {
		return dir{}, withHint(fmt.Errorf("finding model %s: no such directory", name),
			"name a directory with config.json, tokenizer.json and model.safetensors, a hub id such as Qwen/Qwen2.5-0.5B, or builtin:tiny")
	}
	if err != nil || d.path == "" {
		return d, err
	}
	return modelDir(name, d.path)
}

// modelDir opens a directory that may come from anywhere, such as an archive
// somebody else made: nothing outside it can be read through it, by whatever link
// or path. The hub's cache keeps the files of a snapshot elsewhere in the model's
// own folder, which is then the limit.
func modelDir(name, path string) (dir, error) {
	limit, inner := path, "."
	if real, err := filepath.EvalSymlinks(path); err == nil {
		snapshots := filepath.Dir(real)
		if repo := filepath.Dir(snapshots); filepath.Base(snapshots) == "snapshots" && strings.HasPrefix(filepath.Base(repo), "models--") {
			limit, inner = repo, "snapshots/"+filepath.Base(real)
		}
	}
	root, err := os.OpenRoot(limit)
	if err != nil {
		return dir{}, fmt.Errorf("opening model %s: %w", name, err)
	}
	sub, err := fs.Sub(confined{root.FS()}, inner)
	return dir{FS: sub, name: name, path: path}, err
}

// confined opens the plain files and directories of a root. A pipe in the place
// of a file would make reading it wait for ever.
type confined struct{ fs.FS }

func (c confined) Open(name string) (fs.File, error) {
	st, err := fs.Stat(c.FS, name)
	if err != nil {
		if strings.Contains(err.Error(), "escapes from parent") {
			return nil, withHint(err, "a link leads out of the model's directory; copy the file, or name the directory where it is")
		}
		var at *fs.PathError
		if errors.As(err, &at) { // not the system call's name, statat
			err = &fs.PathError{Op: "open", Path: name, Err: at.Err}
		}
		return nil, err
	}
	if !st.Mode().IsRegular() && !st.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("is not a plain file")}
	}
	return c.FS.Open(name)
}

// hubSnapshot finds the newest downloaded snapshot of a hub model, laid out as
// huggingface_hub does: models--ORG--NAME/refs/main names snapshots/REVISION.
func hubSnapshot(id string) (string, error) {
	root := hubCache()
	repo := filepath.Join(root, "models--"+strings.ReplaceAll(id, "/", "--"))
	missing := func() error {
		return withHint(fmt.Errorf("finding model %s: not in the hub cache %s", id, root),
			"fetch it once on a machine with internet: `hf download %s`, or name its directory instead", id)
	}
	ref, err := os.ReadFile(filepath.Join(repo, "refs", "main"))
	revision := strings.TrimSpace(string(ref))
	if err != nil {
		entries, derr := os.ReadDir(filepath.Join(repo, "snapshots"))
		if derr != nil || len(entries) == 0 {
			return "", missing()
		}
		if len(entries) > 1 {
			return "", withHint(fmt.Errorf("finding model %s: %d snapshots and no refs/main in %s", id, len(entries), repo), "name one snapshot's directory instead")
		}
		revision = entries[0].Name()
	}
	if !filepath.IsLocal(revision) {
		return "", fmt.Errorf("finding model %s: %s names revision %q", id, filepath.Join(repo, "refs", "main"), revision)
	}
	snapshot := filepath.Join(repo, "snapshots", revision)
	if _, err := os.Stat(snapshot); err != nil {
		return "", missing()
	}
	return snapshot, nil
}

// hubCache is where huggingface_hub keeps models: $HF_HUB_CACHE, $HF_HOME/hub,
// $XDG_CACHE_HOME/huggingface/hub or ~/.cache/huggingface/hub.
func hubCache() string {
	if d := os.Getenv("HF_HUB_CACHE"); d != "" {
		return d
	}
	if d := os.Getenv("HF_HOME"); d != "" {
		return filepath.Join(d, "hub")
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, _ := os.UserHomeDir()
		cache = filepath.Join(home, ".cache")
	}
	return filepath.Join(cache, "huggingface", "hub")
}

// file opens a data file: builtin:... or a path relative to the working
// directory. The reader must be closed.
func (in *inputs) file(name string) (inputFile, error) {
	var f fs.File
	var err error
	if inner, ok := strings.CutPrefix(name, builtinPrefix); ok {
		f, err = experiments.FS.Open(path.Clean(inner))
	} else {
		f, err = os.Open(name)
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("opening %s: no such file", name)
		}
		return nil, err
	}
	r, ok := f.(inputFile)
	if !ok {
		f.Close()
		return nil, fmt.Errorf("opening %s: cannot be read at random", name)
	}
	return r, nil
}

type inputFile interface {
	fs.File
	io.ReaderAt
}

// digest returns the sha256 of one file of a directory.
func (in *inputs) digest(d dir, name string) (string, error) {
	if d.path != "" {
		f, err := d.FS.Open(name) // which keeps to the directory, as a path does not
		if err != nil {
			return "", err
		}
		f.Close()
		return in.digests.File(filepath.Join(d.path, filepath.FromSlash(name)))
	}
	return digestFS(d.FS, name)
}

// digestFile returns the sha256 of a data file.
func (in *inputs) digestFile(name string) (string, error) {
	if inner, ok := strings.CutPrefix(name, builtinPrefix); ok {
		return digestFS(experiments.FS, path.Clean(inner))
	}
	if st, err := os.Stat(name); err == nil && st.IsDir() {
		return "", errors.New("it is a directory; want a file")
	}
	return in.digests.File(name)
}

func digestFS(fsys fs.FS, name string) (string, error) {
	b, err := fs.ReadFile(fsys, name)
	if err != nil {
		return "", err
	}
	return digestBytes(b), nil
}

// weightsDigest identifies a model's weight files by content: the sha256 over
// the digests of its safetensors files in name order.
func (in *inputs) weightsDigest(d dir) (string, error) {
	names, err := fs.Glob(d.FS, "*.safetensors")
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		err := fmt.Errorf("reading model %s: no *.safetensors file in %s", d.name, d.path)
		if hubID(d.name) {
			return "", withHint(err, "fetch them once on a machine with internet: `hf download %s`", d.name)
		}
		return "", withHint(err, "xrun reads safetensors only; convert other formats with transformers' save_pretrained")
	}
	sort.Strings(names)
	h := sha256.New()
	for _, n := range names {
		sum, err := in.digest(d, n)
		if err != nil {
			return "", fmt.Errorf("reading model %s: %w", d.name, err)
		}
		fmt.Fprintln(h, sum)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
