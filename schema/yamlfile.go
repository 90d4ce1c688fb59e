package schema

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/token"
	"gopkg.in/yaml.v3"
)

// buildYAML turns a YAML spec into CUE's syntax tree, positions kept, and
// evaluates it. What YAML 1.1 and 1.2 readers disagree about is refused, so a spec
// means the same to every program: yes and no, octals, 12:30, merge keys.
func (c *checker) buildYAML(ctx *cue.Context, data []byte, tags map[string]string) (v cue.Value, ok bool) {
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		c.addAt(position{}, "-t "+name+"="+tags[name], "a YAML spec has no tags", "edit the file, or write the spec in CUE with @tag("+name+")")
	}
	if len(tags) > 0 || !c.shallow(data) {
		return v, false
	}
	root, ok := c.parseYAML(data)
	if !ok {
		return v, false
	}
	y := yamlReader{checker: c, file: token.NewFile(c.file, -1, len(data)+1), data: data, lines: lineStarts(data)}
	y.file.SetLinesForContent(data)
	f := &ast.File{Filename: c.file}
	if root.Kind != yaml.MappingNode {
		c.addAt(position{root.Line, root.Column}, "", "is not a mapping", "a spec is a list of fields such as question: ...")
		return v, false
	}
	f.Decls = y.fields(root, "", 0)
	if len(c.errs) > 0 && f.Decls == nil {
		return v, false
	}
	v = ctx.BuildFile(f)
	c.cueErrors(v.Validate())
	return v, true
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

func (c *checker) parseYAML(data []byte) (*yaml.Node, bool) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	err := d.Decode(&doc)
	if err == io.EOF || err == nil && len(doc.Content) == 0 {
		c.addAt(position{1, 1}, "", "is empty", "a spec is a list of fields such as question: ...")
		return nil, false
	}
	if err == nil {
		var second yaml.Node
		if err = d.Decode(&second); err == io.EOF {
			return doc.Content[0], true
		} else if err == nil {
			c.addAt(position{second.Line, second.Column}, "", "has a second document", "keep one spec a file")
			return nil, false
		}
	}
	at, message := position{1, 1}, err.Error()
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		at.line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
	}
	c.addAt(at, "", "syntax error: "+strings.TrimPrefix(message, "yaml: "), "correct the YAML text there")
	return nil, false
}

// yamlReader converts nodes. nodes counts them with aliases written out, so that
// a few lines cannot stand for millions.
type yamlReader struct {
	*checker
	file  *token.File
	data  []byte
	lines []int
	nodes int
}

const maxNodes = 100_000

// maxDepth ends aliases that contain themselves.
const maxDepth = 200

func lineStarts(data []byte) []int {
	starts := []int{0}
	for i, b := range data {
		if b == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// pos converts a node's place: yaml.v3 counts characters, CUE bytes.
func (y *yamlReader) pos(n *yaml.Node) token.Pos {
	if n.Line < 1 || n.Line > len(y.lines) {
		return token.NoPos
	}
	at := y.lines[n.Line-1]
	for i := 1; i < n.Column && at < len(y.data); i++ {
		_, size := utf8.DecodeRune(y.data[at:])
		at += size
	}
	return y.file.Pos(at, token.NoRelPos)
}

func (y *yamlReader) fails(n *yaml.Node, path, message, hint string) ast.Expr {
	y.addAt(y.checker.pos(y.pos(n)), path, message, hint)
	return nil
}

func (y *yamlReader) fields(n *yaml.Node, path string, depth int) (decls []ast.Decl) {
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			y.fails(key, path, "a key is no word", "write each field out; merge keys and compound keys are not read")
			continue
		}
		at := join(path, key.Value)
		if was, ok := seen[key.Value]; ok {
			y.fails(key, at, fmt.Sprintf("is given twice (first in line %d)", was.Line), "remove one")
			continue
		}
		seen[key.Value] = key
		x := y.value(value, at, depth+1)
		if x == nil {
			// The fault is reported; a value that passes everywhere keeps the
			// field from being called missing.
			x = &ast.Ident{NamePos: y.pos(value), Name: "_"}
		}
		label := ast.NewString(key.Value)
		label.ValuePos = y.pos(key)
		decls = append(decls, &ast.Field{Label: label, Value: x})
	}
	return decls
}

func (y *yamlReader) value(n *yaml.Node, path string, depth int) ast.Expr {
	if y.nodes++; y.nodes > maxNodes || depth > maxDepth {
		if y.reported[""] {
			return nil
		}
		y.reported[""] = true
		return y.fails(n, path, "the spec is too large", "it has aliases in aliases, or nests too deeply; write it out")
	}
	switch n.Kind {
	case yaml.AliasNode:
		return y.value(n.Alias, path, depth+1)
	case yaml.MappingNode:
		return &ast.StructLit{Lbrace: y.pos(n), Elts: y.fields(n, path, depth)}
	case yaml.SequenceNode:
		list := &ast.ListLit{Lbrack: y.pos(n)}
		for i, el := range n.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			x := y.value(el, at, depth+1)
			if x == nil {
				x = &ast.Ident{NamePos: y.pos(el), Name: "_"}
			}
			list.Elts = append(list.Elts, x)
		}
		return list
	}
	return y.scalar(n, path)
}

var (
	yamlDecimal     = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
	yamlFloat       = regexp.MustCompile(`^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$`)
	yamlOctal       = regexp.MustCompile(`^[-+]?0o?[0-9_]+$`)
	yamlSexagesimal = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$`)
	yamlSwitch      = regexp.MustCompile(`^(?i:y|yes|no|n|on|off)$`)
)

// scalar converts one value. Plain words are where the YAML versions differ;
// quoted ones are strings in all of them.
func (y *yamlReader) scalar(n *yaml.Node, path string) ast.Expr {
	at := y.pos(n)
	text := func() ast.Expr {
		return &ast.BasicLit{ValuePos: at, Kind: token.STRING, Value: literal.String.Quote(n.Value)}
	}
	if n.Style&^yaml.TaggedStyle != 0 || n.Style&yaml.TaggedStyle != 0 && n.ShortTag() == "!!str" {
		return text()
	}
	s := n.Value
	switch {
	case n.Style&yaml.TaggedStyle != 0:
		return y.fails(n, path, fmt.Sprintf("has the tag %s", n.Tag), "remove it; quote the value for a text")
	case yamlSwitch.MatchString(s):
		return y.fails(n, path, fmt.Sprintf("is %s, a truth value to some YAML readers and a word to others", s), fmt.Sprintf("write true or false, or %q for the word", s))
	case yamlOctal.MatchString(s) && s != "0" && s != "-0" && s != "+0":
		return y.fails(n, path, fmt.Sprintf("is %s, an octal number to some YAML readers and a decimal to others", s), fmt.Sprintf("write it without the leading 0, or %q for the text", s))
	case yamlSexagesimal.MatchString(s):
		return y.fails(n, path, fmt.Sprintf("is %s, a number in base 60 to some YAML readers and a text to others", s), fmt.Sprintf("write %q for the text", s))
	}
	switch tag := n.ShortTag(); tag {
	case "!!str", "!!timestamp":
		return text()
	case "!!null":
		return &ast.BasicLit{ValuePos: at, Kind: token.NULL, Value: "null"}
	case "!!bool":
		kind := token.FALSE
		if strings.EqualFold(s, "true") {
			kind = token.TRUE
		}
		return &ast.BasicLit{ValuePos: at, Kind: kind, Value: strings.ToLower(s)}
	case "!!int", "!!float":
		return y.number(n, path, at)
	default:
		return y.fails(n, path, fmt.Sprintf("has the tag %s", n.Tag), "remove it; quote the value for a text")
	}
}

func (y *yamlReader) number(n *yaml.Node, path string, at token.Pos) ast.Expr {
	s := n.Value
	kind := token.INT
	switch {
	case yamlDecimal.MatchString(s):
	case yamlFloat.MatchString(s):
		kind = token.FLOAT
	default:
		return y.fails(n, path, fmt.Sprintf("is %s", s), "write a plain decimal number")
	}
	negative := strings.HasPrefix(s, "-")
	s = strings.TrimLeft(s, "+-")
	// CUE wants digits on both sides of the point, and no zeros before them.
	whole, rest := s, ""
	if i := strings.IndexAny(s, ".eE"); i >= 0 {
		whole, rest = s[:i], s[i:]
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if strings.HasPrefix(rest, ".") && (len(rest) == 1 || rest[1] == 'e' || rest[1] == 'E') {
		rest = ".0" + rest[1:]
	}
	var x ast.Expr = &ast.BasicLit{ValuePos: at, Kind: kind, Value: whole + rest}
	if negative {
		x = &ast.UnaryExpr{OpPos: at, Op: token.SUB, X: x}
	}
	return x
}
