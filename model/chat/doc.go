// Package chat renders a tokenizer's own chat template, the Jinja text that
// transformers applies in apply_chat_template, over a list of messages.
//
// It is not a Jinja engine for other uses: it knows the part of the language that
// chat templates are written in and refuses the rest by name, instead of
// rendering something close. (Note: gonja v2.9.1 renders the templates of Qwen2.5
// and SmolLM2 rightly too, but concatenates None as nothing and gives -7 % 3 the
// sign of C, and so may change a prompt without a word.)
//
// The two calls most readers need:
//
//	t, err := chat.Parse(tok.ChatTemplate())
//	text, err := t.Render([]chat.Message{{Role: "user", Content: "Hi"}}, true, nil)
//
// # The language
//
// Semantics are those of Jinja2 3.1 in Python with transformers' settings
// (trim_blocks, lstrip_blocks, an immutable sandbox, no autoescape, the loopcontrols
// extension, its own tojson).
//
//   - statements: for (with else, if, unpacking, break, continue), if, set (also of
//     namespace attributes and as a block), macro, generation (which marks nothing
//     here); comments; the signs - and + in every tag;
//   - expressions: all operators but %-formatting of text and **; literals, lists,
//     tuples, dicts with string keys, slices, calls with keywords, inline if;
//   - names: messages, add_generation_prompt, tools and documents (None), what the
//     caller adds; namespace, range, dict, raise_exception; loop with index, index0,
//     revindex, revindex0, first, last, length, previtem, nextitem, depth, depth0, cycle;
//   - filters, tests and methods: the tables in filters.go, tests.go and methods.go.
//
// strftime_now is refused: a prompt that holds today's date is another one
// tomorrow. So are raw, filter, call, with, include, import, extends, block and
// autoescape, and a name of the caller (such as tools) that a template sets after a loop,
// macro or block has used it, where Jinja's compile-time scopes differ from anybody's
// guess. An unknown filter or test is an error of Parse even where it would
// not be reached.
//
// Limits: a template of 1 MiB, 3 million steps, 64 MiB of text, 100,000 numbers in a range.
package chat
