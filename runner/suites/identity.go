package suites

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"

	"xrun/schema"
)

// Identity determines what [OpenDefinition] makes of the files as they are now,
// without parsing them: two openings of one identity are both refused, or have
// the same items and the same [Suite.Digest]. sum returns a file's sha256. Unlike
// the digest it names paths, so it is good for remembering what an opening came
// to on this machine, and for no content key. 64 hexadecimal digits.
func Identity(root Root, def schema.Definition, s schema.Suite, sum func(path string) (string, error)) (string, error) {
	suite, err := located(root, def, s)
	if err != nil {
		return "", err
	}
	if err := suite.findSubsets(); err != nil {
		return "", err
	}
	type file struct{ Role, Name, SHA256 string }
	var files []file
	add := func(role, name string, err error) error {
		if err != nil {
			return err
		}
		h, err := suite.root.sum(name, sum)
		files = append(files, file{role, name, h})
		return err
	}
	for _, subset := range suite.subsets {
		name, err := suite.testFile(subset)
		if err := add("test/"+subset, name, err); err != nil {
			return "", err
		}
		if sh := suite.prog.def.Shots; sh != nil {
			name, err := suite.locate(sh.Files, subset)
			if err := add("shots/"+subset, name, err); err != nil {
				return "", err
			}
		}
	}
	if a := suite.prog.def.Annotations; a != nil {
		name, err := suite.annotationFile(a)
		if err != nil {
			return "", err
		}
		if name != "" {
			if err := add("annotations", name, nil); err != nil {
				return "", err
			}
		}
	}
	b, err := json.Marshal(struct {
		Kind       string
		Version    int
		Root       string
		Suite      schema.Suite
		Definition schema.Definition
		Files      []file
	}{"suite", formVersion, root.Name, suite.spec, suite.prog.def, files})
	if err != nil {
		return "", fmt.Errorf("identifying suite %s: %w", s.Name, err)
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:]), nil
}

// sum is the sha256 of one file; those in the binary are read each time.
func (r Root) sum(name string, file func(string) (string, error)) (string, error) {
	if !r.builtin() || outside(name) {
		return file(r.path(name))
	}
	b, err := fs.ReadFile(r.FS, path.Clean(name))
	if err != nil {
		return "", err
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:]), nil
}
