package chat

import (
	"fmt"
	"slices"
	"strings"
)

// parser compiles tokens. Its expressions are in expr.go.
type parser struct {
	tokens []token
	pos    int
	depth  int // of nested expressions and statements
	loops  int // for loops around the statement
	frames []*frame
	late   []string // see frame
}

// frame tracks the names of one scope while it is parsed. Jinja decides at compile time
// where a name is looked up. That differs from looking it up at run time in one case: a
// scope sets a name of the caller (such as tools) after an inner scope has used that name.
// Such names are collected in late and rejected by Render.
type frame struct {
	own   map[string]bool // read or set in the scope itself
	inner map[string]bool // used in an inner scope before that
}

func (p *parser) push() { p.frames = append(p.frames, &frame{map[string]bool{}, map[string]bool{}}) }

func (p *parser) pop() { p.frames = p.frames[:len(p.frames)-1] }

// scoped compiles a body with a scope of its own.
func (p *parser) scoped(ends ...string) ([]statement, string) {
	p.push()
	defer p.pop()
	return p.body(ends...)
}

// reads records that the innermost scope reads a name.
func (p *parser) reads(name string) {
	last := len(p.frames) - 1
	for i := last; i >= 0 && !p.frames[i].own[name]; i-- {
		if i < last {
			p.frames[i].inner[name] = true
		}
	}
	p.frames[last].own[name] = true
}

// sets records that the innermost scope sets a name. If it does so inside an if, the name of
// an outer scope may be read when the condition is false, so this counts as reading.
func (p *parser) sets(name string) {
	f := p.frames[len(p.frames)-1]
	if f.inner[name] && !f.own[name] {
		p.late = append(p.late, name)
	}
	p.reads(name)
}

const maxDepth = 200

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != tokEOF {
		p.pos++
	}
	return t
}

func (p *parser) fail(format string, args ...any) {
	panic(&templateError{p.peek().line, fmt.Sprintf(format, args...)})
}

// enter begins a level of recursion, whose depth is bounded. Its result ends the level.
func (p *parser) enter() func() {
	if p.depth++; p.depth > maxDepth {
		p.fail("nested more than %d deep", maxDepth)
	}
	return func() { p.depth-- }
}

func (p *parser) is(k kind, text string) bool {
	t := p.peek()
	return t.kind == k && t.text == text
}

// skip consumes a token if it is the next.
func (p *parser) skip(k kind, text string) bool {
	if p.is(k, text) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expect(k kind, text string) token {
	if t := p.peek(); t.kind != k || text != "" && t.text != text {
		want := fmt.Sprintf("%q", text)
		switch {
		case text != "":
		case k == tokName:
			want = "a name"
		case k == tokBlockEnd:
			want = "%}"
		case k == tokVarEnd:
			want = "}}"
		}
		p.fail("want %s, found %s", want, t)
	}
	return p.next()
}

// template compiles the whole template.
func (p *parser) template() []statement {
	body, end := p.scoped()
	if end != "" {
		p.fail("unexpected {%% %s %%}", end)
	}
	return body
}

// body compiles text and tags up to a tag that begins with one of the names in ends. It
// consumes and returns that name, or returns "" at the end of the template.
func (p *parser) body(ends ...string) (body []statement, end string) {
	defer p.enter()()
	for {
		t := p.next()
		switch t.kind {
		case tokEOF:
			if len(ends) > 0 {
				p.fail("the template ends before {%% %s %%}", ends[len(ends)-1])
			}
			return body, ""
		case tokData:
			body = append(body, func(in *run) control {
				in.write(t.text)
				return goOn
			})
		case tokVarBegin:
			value := p.tuple(true)
			p.expect(tokVarEnd, "")
			body = append(body, func(in *run) control {
				in.line = t.line
				in.write(in.str(value(in)))
				return goOn
			})
		case tokBlockBegin:
			name := p.peek()
			if name.kind != tokName {
				p.fail("want the name of a statement, found %s", name)
			}
			p.pos++
			if slices.Contains(ends, name.text) {
				return body, name.text
			}
			if strings.HasPrefix(name.text, "end") || name.text == "else" || name.text == "elif" {
				p.pos--
				return body, p.stray(name.text, ends)
			}
			body = append(body, p.statement(name))
		}
	}
}

// stray reports an end tag that closes nothing. At the top level, template does.
func (p *parser) stray(name string, ends []string) string {
	if len(ends) > 0 {
		p.fail("found {%% %s %%} before {%% %s %%}", name, ends[len(ends)-1])
	}
	return name
}

func (p *parser) blockEnd() { p.expect(tokBlockEnd, "") }

func (p *parser) statement(name token) statement {
	switch name.text {
	case "if":
		return p.ifStatement(name.line)
	case "for":
		return p.forStatement(name.line)
	case "set":
		return p.setStatement(name.line)
	case "macro":
		return p.macroStatement()
	case "generation": // marks the assistant's tokens in transformers; the text is the same
		p.blockEnd()
		body, _ := p.scoped("endgeneration")
		p.blockEnd()
		return func(in *run) control {
			// Jinja runs it as a function, so names set inside are local.
			in.write(in.capture(map[string]any{}, in.scope, body))
			return goOn
		}
	case "break", "continue":
		if p.loops == 0 {
			p.fail("{%% %s %%} is outside a loop", name.text)
		}
		p.blockEnd()
		result := breakLoop
		if name.text == "continue" {
			result = continueLoop
		}
		return func(*run) control { return result }
	}
	p.fail("the statement {%% %s %%} is not supported", name.text)
	return nil
}
