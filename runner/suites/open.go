package suites

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sort"
	"strconv"
	"strings"

	"xrun/schema"
)

// Suite is a suite whose files were read and found sound.
type Suite struct {
	spec    schema.Suite
	prog    *program
	root    Root
	files   []File
	subsets []string // in layout order; one empty name for a suite without subsets
	items   []item
	prefix  map[string]string // head and shots of each subset
	notes   []string
	skipped int  // rows that the protocol leaves out
	labeled bool // an annotation file was applied
	clean   bool // ... which tells clean from unlabeled
}

// item is a parsed row.
type item struct {
	subset  string
	id      string
	row     row // without its value
	vars    map[string]string
	labels  []string
	texts   []string
	gold    int
	answer  string // gold text, for generate
	split   string
	cluster string
}

// Open finds a suite's files under root, reads and checks them. The suite is
// one of those known by name (see [Known]), in its protocol and variant, or the
// name of a JSON file under root that holds a [Definition].
func Open(root Root, s schema.Suite) (*Suite, error) {
	if strings.HasSuffix(s.Suite, ".json") {
		return openFile(root, s)
	}
	def, err := Find(s.Suite, s.Protocol, s.Variant)
	if err != nil {
		return nil, err
	}
	return OpenDefinition(root, def, s)
}

// openFile opens a suite by the file of its definition, which decides protocol
// and variant.
func openFile(root Root, s schema.Suite) (*Suite, error) {
	ok, dir, err := root.stat(s.Suite)
	if err != nil || !ok || dir {
		return nil, fmt.Errorf("opening suite %s: no definition at %s", s.Suite, root.display(s.Suite))
	}
	f, _, _, err := root.read(s.Suite, "definition")
	if err != nil {
		return nil, err
	}
	def, err := ParseDefinition(f.Name, f.data)
	if err != nil {
		return nil, err
	}
	if s.Name == s.Suite {
		s.Name = def.Name
	}
	return OpenDefinition(root, def, s)
}

// OpenDefinition is [Open] for a definition of the user's own. Of s it takes the
// name, path, subjects, limit and annotations.
func OpenDefinition(root Root, def Definition, s schema.Suite) (*Suite, error) {
	prog, err := def.compile()
	if err != nil {
		return nil, err
	}
	if s.Name == "" {
		s.Name = def.Name
	}
	if s.Limit < 0 {
		return nil, fmt.Errorf("opening suite %s: limit %d is negative", s.Name, s.Limit)
	}
	if s.Path != "" {
		s.Path = path.Clean(strings.ReplaceAll(s.Path, `\`, "/"))
	}
	suite := &Suite{spec: s, prog: prog, root: root, prefix: map[string]string{}}
	if err := suite.open(); err != nil {
		return nil, fmt.Errorf("opening suite %s: %w", s.Name, err)
	}
	return suite, nil
}

func (s *Suite) open() error {
	if err := s.findSubsets(); err != nil {
		return err
	}
	golds := map[string]int{}
	for _, subset := range s.subsets {
		if err := s.readSubset(subset, golds); err != nil {
			return err
		}
	}
	if len(s.items) == 0 {
		return errors.New("its files hold no item")
	}
	if s.prog.def.Protocol != "generate" && len(golds) == 1 && len(s.items) > 1 {
		for g := range golds {
			return fmt.Errorf("every one of the gold answers is %s: the file's answers are missing or in another form than %q", g, s.prog.def.Gold.Path)
		}
	}
	if err := s.annotate(); err != nil {
		return err
	}
	s.compareSizes()
	return nil
}

// findSubsets decides which subsets there are: those asked for, else those
// whose files exist, in layout order and then by name.
func (s *Suite) findSubsets() error {
	if !s.prog.subsetScoped {
		if len(s.spec.Subjects) > 0 {
			return errors.New("it has no subjects to choose from")
		}
		s.subsets = []string{""}
		return nil
	}
	order := layoutOf(s.prog.def.Groups)
	if len(s.spec.Subjects) > 0 {
		seen := map[string]bool{}
		for _, name := range s.spec.Subjects {
			if name == "" || strings.ContainsAny(name, `/\{}`) || seen[name] {
				return fmt.Errorf("subject %q is no subject's name or named twice", name)
			}
			seen[name] = true
		}
		s.subsets = append([]string{}, s.spec.Subjects...)
	} else {
		found, tried, err := s.listSubsets()
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return s.notFound(tried)
		}
		s.subsets = found
	}
	sort.SliceStable(s.subsets, func(i, j int) bool {
		a, aok := order[s.subsets[i]]
		b, bok := order[s.subsets[j]]
		switch {
		case aok && bok:
			return a < b
		case aok != bok:
			return aok
		}
		return s.subsets[i] < s.subsets[j]
	})
	return nil
}

// layoutOf numbers the members of the groups in order of first mention.
func layoutOf(groups []Group) map[string]int {
	order := map[string]int{}
	for _, g := range groups {
		for _, m := range g.Members {
			if _, ok := order[m]; !ok {
				order[m] = len(order)
			}
		}
	}
	return order
}

// listSubsets lists the directories where the test files may be.
func (s *Suite) listSubsets() (found, tried []string, err error) {
	for _, cand := range s.candidates(s.prog.def.Files.Test) {
		dir, base := path.Split(cand)
		dir = path.Clean(dir)
		before, after, _ := strings.Cut(base, "{subset}")
		if strings.Contains(dir, "{subset}") {
			return nil, nil, fmt.Errorf("file %q has {subset} in a directory's name; list the subjects instead", cand)
		}
		tried = append(tried, cand)
		names, err := s.root.list(dir)
		if err != nil {
			return nil, nil, fmt.Errorf("listing %s: %w", s.root.display(dir), reason(err))
		}
		for _, n := range names {
			if len(n) > len(before)+len(after) && strings.HasPrefix(n, before) && strings.HasSuffix(n, after) {
				found = append(found, n[len(before):len(n)-len(after)])
			}
		}
		if len(found) > 0 {
			return found, tried, nil
		}
	}
	return nil, tried, nil
}

// candidates are the places where a file of the definition may be: under root
// and root/data, or with a path given, that file, or below that directory at
// every suffix of the definition's own path.
func (s *Suite) candidates(files []string) []string {
	var out []string
	add := func(name string) {
		if !contains(out, name) {
			out = append(out, name)
		}
	}
	if s.spec.Path == "" {
		for _, f := range files {
			add(f)
			add("data/" + f)
		}
		return out
	}
	dir := s.spec.Path
	if ok, isDir, _ := s.root.stat(dir); ok && !isDir {
		dir = path.Dir(dir) // the other files of a suite lie beside the one named
	}
	for _, f := range files {
		for rest := f; ; {
			add(path.Join(dir, rest))
			_, after, more := strings.Cut(rest, "/")
			if !more {
				break
			}
			rest = after
		}
	}
	return out
}

// locate returns the first candidate that exists.
func (s *Suite) locate(files []string, subset string) (string, error) {
	cands := s.candidates(files)
	for i, c := range cands {
		cands[i] = strings.ReplaceAll(c, "{subset}", subset)
		ok, dir, err := s.root.stat(cands[i])
		if err != nil {
			return "", fmt.Errorf("looking for %s: %w", s.root.display(cands[i]), reason(err))
		}
		if ok && !dir {
			return cands[i], nil
		}
	}
	return "", s.notFound(cands)
}

func (s *Suite) notFound(cands []string) error {
	names := make([]string, len(cands))
	for i, c := range cands {
		names[i] = s.root.display(c)
	}
	from := ""
	if o := s.prog.def.Origin; o != "" {
		from = "; the files are those of " + o
	}
	return fmt.Errorf("no file at %s%s", strings.Join(names, " or "), from)
}

func (r Root) list(dir string) ([]string, error) {
	var entries []fs.DirEntry
	ok, isDir, err := r.stat(dir)
	if err != nil || !ok || !isDir {
		return nil, err
	}
	if outside(dir) {
		entries, err = os.ReadDir(r.path(dir))
	} else {
		entries, err = fs.ReadDir(r.FS, path.Clean(dir))
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// readRows reads one file of the suite.
func (s *Suite) readRows(name, role string) ([]row, File, error) {
	f, bom, crlf, err := s.root.read(name, role)
	if err != nil {
		return nil, f, err
	}
	var rows []row
	switch s.prog.def.Files.Format {
	case "csv":
		var dropped bool
		if rows, dropped, err = csvRows(f, s.prog.def.Files); dropped {
			s.note("%s: its first row holds column names and was left out", f.Name)
		}
	default:
		rows, err = jsonlRows(f)
	}
	if err != nil {
		return nil, f, err
	}
	if len(rows) == 0 {
		return nil, f, fmt.Errorf("reading %s: it holds no row", f.Name)
	}
	if bom {
		s.note("%s: begins with a byte order mark, left out", f.Name)
	}
	if crlf && s.prog.def.Files.Format == "jsonl" {
		s.note("%s: lines end in CR LF", f.Name)
	}
	f.Rows = len(rows)
	f.data = nil
	s.files = append(s.files, f)
	return rows, f, nil
}

// note records a remark, once.
func (s *Suite) note(format string, args ...any) {
	n := fmt.Sprintf(format, args...)
	if !contains(s.notes, n) {
		s.notes = append(s.notes, n)
	}
}

// readSubset reads a test file and its shots.
func (s *Suite) readSubset(subset string, golds map[string]int) error {
	p, role := s.prog, func(r string) string {
		if subset == "" {
			return r
		}
		return r + "/" + subset
	}
	name, err := s.testFile(subset)
	if err != nil {
		return err
	}
	rows, f, err := s.readRows(name, role("test"))
	if err != nil {
		return err
	}
	if err := s.readShots(subset, role("shots")); err != nil {
		return err
	}
	hasID := false
	if p.def.ID != "" {
		_, err := lookup(rows[0].value, p.def.ID)
		var missing *missingKey
		hasID = !errors.As(err, &missing)
	}
	ids := map[string]int{}
	taken, skipped, oddType := 0, 0, 0
	for _, r := range rows {
		it, keep, err := s.parse(r, subset, hasID)
		if err != nil {
			return fmt.Errorf("reading %s:%d: %w", f.Name, r.line, err)
		}
		if first, twice := ids[it.id]; twice {
			return fmt.Errorf("reading %s:%d: item %q is in line %d too", f.Name, r.line, it.id, first)
		}
		ids[it.id] = r.line
		if !keep {
			skipped++
			continue
		}
		if g := p.def.Gold; g.JSONType != "" {
			if v, _ := lookup(r.value, g.Path); kind(v) != g.JSONType {
				oddType++
			}
		}
		if len(it.labels) > 0 {
			golds[it.labels[it.gold]]++
		}
		if s.spec.Limit == 0 || taken < s.spec.Limit {
			s.items = append(s.items, it)
			taken++
		}
	}
	if skipped > 0 {
		s.skipped += skipped
		s.note("%s: %d of %d rows do not have %d choices and are left out, as %s does", f.Name, skipped, len(rows), p.def.Choices.Only, p.def.Protocol)
	}
	if oddType > 0 {
		s.note("%s: %s", f.Name, p.def.Gold.Warning)
	}
	return nil
}

// testFile is the file of a subset; a path that names a file is that file.
func (s *Suite) testFile(subset string) (string, error) {
	if s.spec.Path != "" && !s.prog.subsetScoped {
		ok, dir, err := s.root.stat(s.spec.Path)
		if err != nil || !ok {
			return "", fmt.Errorf("no file at %s", s.root.display(s.spec.Path))
		}
		if !dir {
			return s.spec.Path, nil
		}
	}
	return s.locate(s.prog.def.Files.Test, subset)
}

// parse makes an item of a row; keep is false for a row that the protocol
// leaves out.
func (s *Suite) parse(r row, subset string, hasID bool) (it item, keep bool, err error) {
	p := s.prog
	it = item{subset: subset, id: strconv.Itoa(r.number), row: row{line: r.line, number: r.number}}
	if hasID {
		if it.id, err = lookupText(r.value, p.def.ID); err != nil {
			return it, false, err
		}
		if it.id == "" {
			return it, false, fmt.Errorf("%q is empty", p.def.ID)
		}
	}
	if it.vars, err = p.fieldsOf(r, subset); err != nil {
		return it, false, err
	}
	if p.def.Protocol == "generate" {
		if it.answer, err = lookupText(r.value, p.def.Gold.Path); err != nil {
			return it, false, fmt.Errorf("finding the gold answer: %w", err)
		}
		if it.answer, err = p.normalGold(it.answer); err != nil {
			return it, false, err
		}
	} else {
		if it.labels, it.texts, err = p.choicesOf(r, it.vars); err != nil {
			return it, false, err
		}
		if it.labels == nil {
			return it, false, nil
		}
		if it.gold, err = p.goldOf(r, it.labels); err != nil {
			return it, false, err
		}
	}
	if text := p.cluster.render(it.vars); text != "" {
		sum := sha256.Sum256([]byte(text))
		it.cluster = hex.EncodeToString(sum[:8])
	}
	return it, true, nil
}

// readShots renders what stands before every question of a subset.
func (s *Suite) readShots(subset, role string) error {
	p := s.prog
	var b strings.Builder
	b.WriteString(p.head.render(map[string]string{"subset": subset, "subject": strings.ReplaceAll(subset, "_", " ")}))
	if sh := p.def.Shots; sh != nil {
		name, err := s.locate(sh.Files, subset)
		if err != nil {
			return fmt.Errorf("finding its examples: %w", err)
		}
		rows, f, err := s.readRows(name, role)
		if err != nil {
			return err
		}
		for i, n := range sh.Rows {
			if n >= len(rows) {
				return fmt.Errorf("reading %s: %d rows, and the examples need row %d", f.Name, len(rows), n+1)
			}
			it, keep, err := s.parse(rows[n], subset, false)
			if err == nil && !keep {
				err = errors.New("an example needs as many choices as an item")
			}
			if err != nil {
				return fmt.Errorf("reading %s:%d: %w", f.Name, rows[n].line, err)
			}
			if i > 0 {
				b.WriteString(sh.Join)
			}
			scope := map[string]string{"gold": it.answer}
			if len(it.labels) > 0 {
				scope = map[string]string{"label": it.labels[it.gold], "choice": it.texts[it.gold], "gold": it.labels[it.gold]}
			}
			b.WriteString(p.shot.render(scope, it.vars))
		}
		b.WriteString(sh.End)
	}
	s.prefix[subset] = b.String()
	return nil
}

// compareSizes notes where the files differ in size from the published ones.
// Embedded suites are small on purpose.
func (s *Suite) compareSizes() {
	e := s.prog.def.Expect
	if e == nil || s.root.builtin() {
		return
	}
	rows := map[string]int{}
	kept := map[string]int{}
	for _, it := range s.items {
		kept[it.subset]++
	}
	for _, f := range s.files {
		if r, subset, _ := strings.Cut(f.Role, "/"); r == "test" {
			rows[subset] = f.Rows
		}
	}
	if e.Items > 0 && s.spec.Limit == 0 && len(s.items) != e.Items {
		s.note("%d items expected, %d found", e.Items, len(s.items))
	}
	var missing []string
	for _, name := range sortedBy(e.Subsets, layoutOf(s.prog.def.Groups)) {
		n, ok := rows[name]
		switch {
		case !ok:
			missing = append(missing, name)
		case n != e.Subsets[name]:
			s.note("%s: %d items expected, %d found", name, e.Subsets[name], n)
		}
	}
	if len(missing) > 0 && len(missing) < len(e.Subsets) && len(s.spec.Subjects) == 0 {
		s.note("no file for %s", strings.Join(missing, ", "))
	}
	if s.spec.Limit > 0 {
		s.note("the first %d items of each file only", s.spec.Limit)
	}
}

func sortedBy(m map[string]int, order map[string]int) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	sort.Slice(names, func(i, j int) bool {
		a, b := order[names[i]], order[names[j]]
		if a != b {
			return a < b
		}
		return names[i] < names[j]
	})
	return names
}

// Name is the suite's name in tables.
func (s *Suite) Name() string { return s.spec.Name }

// Definition is the definition that the suite was opened with.
func (s *Suite) Definition() Definition { return s.prog.def }

// Len is the number of items.
func (s *Suite) Len() int { return len(s.items) }

// Files are the files that were read, in order.
func (s *Suite) Files() []File { return append([]File{}, s.files...) }

// Notes says what is unusual about the files and what was left out.
func (s *Suite) Notes() []string { return append([]string{}, s.notes...) }

// formVersion changes when the same definition and files would make other rows.
const formVersion = 1

// Digest determines the suite's rows, given tokenizer, model and length limit:
// the definition, the files' contents, the items taken. It names no path, so
// equal files anywhere have equal digests. 64 hexadecimal digits.
func (s *Suite) Digest() string {
	def := s.prog.def
	def.Origin, def.Files.Test = "", nil
	if def.Shots != nil {
		sh := *def.Shots
		sh.Files = nil
		def.Shots = &sh
	}
	if def.Annotations != nil {
		a := *def.Annotations
		a.Files = nil
		def.Annotations = &a
	}
	b, err := json.Marshal(struct {
		Version    int
		Name       string
		Definition Definition
		Limit      int
		Subsets    []string
		Files      []File
	}{formVersion, s.spec.Name, def, s.spec.Limit, s.subsets, s.files})
	if err != nil {
		panic("suites: " + err.Error()) // strings and numbers only
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
