// Package chat renders a tokenizer's own chat template, the Jinja text that
// transformers applies in apply_chat_template, over a list of messages.
//
// It is not a general Jinja engine: it implements the part of the language that chat
// templates use and rejects the rest by name, rather than rendering something
// similar. (Note: gonja v2.9.1 also renders the templates of Qwen2.5 and SmolLM2
// correctly, but it concatenates None as nothing and gives -7 % 3 the sign it has in
// C, so it may change a prompt silently.)
//
// The two calls most readers need:
//
//	t, err := chat.Parse(tok.ChatTemplate())
//	text, err := t.Render([]chat.Message{{Role: "user", Content: "Hi"}}, true, nil)
//
// # The language
//
// The semantics are those of Jinja2 3.1 in Python with transformers' settings:
// trim_blocks, lstrip_blocks, an immutable sandbox, no autoescape, the loopcontrols
// extension, and its own tojson.
//
//   - statements: for (with else, if, unpacking, break, continue), if, set (also of
//     namespace attributes and as a block), macro, generation (which has no effect
//     here); comments; the signs - and + in every tag;
//   - expressions: all operators except %-formatting of text and **; literals, lists,
//     tuples, dicts with string keys, slices, calls with keywords, inline if;
//   - names: messages, add_generation_prompt, tools and documents (None), and those
//     the caller adds; namespace, range, dict, raise_exception; loop with index,
//     index0, revindex, revindex0, first, last, length, previtem, nextitem, depth,
//     depth0, cycle;
//   - filters, tests and methods: the tables in filters.go, tests.go and methods.go.
//
// strftime_now is rejected, because a prompt that contains today's date changes from
// day to day. So are raw, filter, call, with, include, import, extends, block and
// autoescape. A template may not set a name that the caller defines (such as tools)
// after a loop, macro or block has used it, because Jinja's compile-time scoping
// gives surprising results there. An unknown filter or test is an error of Parse even
// if it would never be reached.
//
// Limits: a template of 1 MiB, 3 million steps, 64 MiB of text, and 100,000 numbers
// in a range.
package chat
