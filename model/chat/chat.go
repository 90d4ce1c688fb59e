package chat

import (
	"fmt"
	"unicode/utf8"
)

const maxSource = 1 << 20

// Message is one turn of a conversation.
type Message struct {
	Role    string // "system", "user", "assistant" or another role that the template knows
	Content string
}

// Template is a parsed chat template. It is immutable and may be used by any number of
// goroutines.
type Template struct {
	body []statement
	late []string // names that the caller must not define; see frame
}

// templateError is raised as a panic inside the package.
type templateError struct {
	line int
	msg  string
}

func (e *templateError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.msg) }

// RaisedError is the message of a template that called raise_exception, because the
// conversation breaks one of its rules, for example that roles alternate.
type RaisedError struct {
	Line    int
	Message string
}

func (e *RaisedError) Error() string {
	return fmt.Sprintf("line %d: the template refuses the conversation: %s", e.Line, e.Message)
}

// Parse parses a template. An error names the line and the construct that is malformed or
// not supported.
func Parse(source string) (t *Template, err error) {
	defer catch(&err, "parsing the chat template")
	if len(source) > maxSource {
		panic(&templateError{1, fmt.Sprintf("the template has %d bytes, more than %d", len(source), maxSource)})
	}
	if !utf8.ValidString(source) {
		panic(&templateError{1, "the template is not UTF-8"})
	}
	p := &parser{tokens: lex(source)}
	t = &Template{body: p.template()}
	t.late = p.late
	return t, nil
}

// Render returns the text of a conversation, followed by the start of the assistant's next
// turn if addGenerationPrompt is set. extra defines further names, usually bos_token and
// eos_token. Its values may be nil, bool, int, int64, float64, string, []any and
// map[string]any (whose keys are sorted). Other names are undefined, as in Jinja.
func (t *Template) Render(messages []Message, addGenerationPrompt bool, extra map[string]any) (text string, err error) {
	defer catch(&err, "rendering the chat template")
	in := newRun()
	for name, v := range extra {
		in.scope.vars[name] = fromGo(v)
	}
	list := make([]any, len(messages))
	for i, m := range messages {
		list[i] = newDict("role", m.Role, "content", m.Content)
	}
	in.scope.vars["messages"] = list
	in.scope.vars["tools"] = nil
	in.scope.vars["documents"] = nil
	in.scope.vars["add_generation_prompt"] = addGenerationPrompt
	for _, name := range t.late {
		if _, ok := in.lookup(name).(undefined); !ok {
			in.fail("the name %s is set after a loop, macro or block has used it, which is not supported", quote(name))
		}
	}
	in.exec(t.body)
	return in.out.String(), nil
}

// catch converts the package's own panics to errors.
func catch(err *error, doing string) {
	switch r := recover().(type) {
	case nil:
	case *templateError:
		*err = fmt.Errorf("%s: %w", doing, r)
	case *RaisedError:
		*err = fmt.Errorf("%s: %w", doing, r)
	default:
		panic(r)
	}
}
