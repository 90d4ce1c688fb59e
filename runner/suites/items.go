package suites

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

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
	if !slices.Contains(s.notes, n) {
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
