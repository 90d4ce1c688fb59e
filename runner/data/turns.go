package data

import (
	"encoding/json"
	"fmt"
)

func (b *builder) chat(r record, it *Item) error {
	messages, err := b.messages(r, "messages", true)
	if err != nil {
		return err
	}
	if it.System, err = b.text(r, "system", false); err != nil {
		return err
	}
	return b.split(r, it, messages)
}

// split takes the last assistant turn as the output.
func (b *builder) split(r record, it *Item, messages []Message) error {
	n := len(messages) - 1
	if n < 0 {
		return b.fails(r.line, "the conversation is empty; want at least an assistant's turn")
	}
	if messages[n].Role != "assistant" {
		return b.fails(r.line, "the conversation ends with the turn of %q; its last turn must be the assistant's, which is what is learned", messages[n].Role)
	}
	it.Messages, it.Output = messages[:n:n], messages[n].Content
	if it.Messages == nil {
		it.Messages = []Message{}
	}
	return nil
}

// messages reads a field that is a list of turns.
func (b *builder) messages(r record, ours string, required bool) ([]Message, error) {
	name, key := b.theirs(ours)
	switch v := b.find(r, ours).(type) {
	case nil:
		if required {
			return nil, b.fails(r.line, "there is no %q; it has %s; name the column in data.columns.%s", name, list(r.names), key)
		}
		return nil, nil
	case []Message:
		for i := range v {
			role, ok := roles[v[i].Role]
			if !ok {
				return nil, b.fails(r.line, "%q: turn %d is of %q; want system, user, assistant or tool", name, i+1, v[i].Role)
			}
			v[i].Role = role
		}
		return v, nil
	case json.RawMessage:
		var turns []json.RawMessage
		if json.Unmarshal(v, &turns) != nil {
			return nil, b.fails(r.line, "%q is %s; want a list of turns", name, jsonKind(v))
		}
		out := make([]Message, len(turns))
		for i, t := range turns {
			m, err := message(t)
			if err != nil {
				return nil, b.fails(r.line, "%q: turn %d %w", name, i+1, err)
			}
			out[i] = m
		}
		return out, nil
	}
	return nil, b.fails(r.line, "%q is a text; want a list of turns", name)
}

// roles maps the names that data sets use to ours.
var roles = map[string]string{
	"system": "system",
	"user":   "user", "human": "user", "prompter": "user",
	"assistant": "assistant", "gpt": "assistant", "model": "assistant", "chatgpt": "assistant", "bot": "assistant",
	"tool": "tool", "observation": "tool", "function": "tool", "ipython": "tool",
}

// message reads {role, content} or {from, value}.
func message(raw json.RawMessage) (Message, error) {
	fields, err := object(raw)
	if err != nil {
		return Message{}, err
	}
	r := record{names: fields.names, values: fields.values}
	who, what := r.get("role"), r.get("content")
	if who == nil && what == nil {
		who, what = r.get("from"), r.get("value")
	}
	if who == nil || what == nil {
		return Message{}, fmt.Errorf("has %s; want role and content, or from and value", list(r.names))
	}
	name, err := unquote(who.(json.RawMessage))
	if err != nil {
		return Message{}, fmt.Errorf("has a role that is %w", err)
	}
	role, ok := roles[name]
	if !ok {
		return Message{}, fmt.Errorf("is of %q; want system, user, assistant or tool", name)
	}
	content, err := unquote(what.(json.RawMessage))
	if err != nil {
		return Message{}, fmt.Errorf("has a content that is %w", err)
	}
	return Message{Role: role, Content: content}, nil
}

// preference reads the prompt in any form and takes the chosen answer.
func (b *builder) preference(r record, it *Item) error {
	messages, err := b.messages(r, "messages", false)
	if err != nil {
		return err
	}
	chosen := b.find(r, "chosen")
	if raw, ok := chosen.(json.RawMessage); ok && len(raw) > 0 {
		switch raw[0] {
		case '[':
			if messages, err = b.messages(r, "chosen", true); err != nil {
				return err
			}
			return b.split(r, it, messages)
		case '{':
			m, err := message(raw)
			if err != nil {
				name, _ := b.theirs("chosen")
				return b.fails(r.line, "%q %w", name, err)
			}
			if it.System, err = b.text(r, "system", false); err != nil {
				return err
			}
			return b.split(r, it, append(messages[:len(messages):len(messages)], m))
		}
	}
	if whole, ok := chosen.([]Message); ok && whole != nil {
		if messages, err = b.messages(r, "chosen", true); err != nil {
			return err
		}
		return b.split(r, it, messages)
	}
	if it.Output, err = b.text(r, "chosen", true); err != nil {
		return err
	}
	if messages != nil {
		it.Messages = messages
		it.System, err = b.text(r, "system", false)
		return err
	}
	if err = b.context(r, it); err != nil {
		return err
	}
	ask := "instruction"
	if b.find(r, ask) == nil && b.find(r, "question") != nil {
		ask = "question"
	} else if b.find(r, ask) == nil && b.find(r, "prompt") != nil {
		ask = "prompt"
	}
	it.Instruction, err = b.text(r, ask, true)
	return err
}
