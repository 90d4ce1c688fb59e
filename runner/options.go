package runner

import (
	"fmt"

	"xrun/model/chat"
	"xrun/runner/data"
	"xrun/schema"
)

// dataOptions turns a spec's data section into data's options for one model's
// tokenizer.
func dataOptions(d schema.Data, m *modelInput) (data.Options, error) {
	opt := data.Options{
		Template: d.Template, System: d.System, MaxLength: d.MaxLength, Truncate: d.Truncate, Holdout: d.Holdout.Items,
		BOS: d.BOS, End: d.End, Name: d.Source,
	}
	if d.Template != "chat" {
		return opt, nil
	}
	source := m.tokenizer.ChatTemplate()
	if source == "" {
		return opt, withHint(fmt.Errorf("template chat: the tokenizer of %s has no chat template", m.dir.name), `use template: "alpaca", or a model whose tokenizer_config.json has a chat_template`)
	}
	t, err := chat.Parse(source)
	if err != nil {
		return opt, fmt.Errorf("chat template of %s: %w", m.dir.name, err)
	}
	extra := map[string]any{}
	if _, text, ok := m.tokenizer.BOS(); ok {
		extra["bos_token"] = text
	}
	if _, text, ok := m.tokenizer.EOS(); ok {
		extra["eos_token"] = text
	}
	opt.Chat = func(messages []data.Message, generationPrompt bool) (string, error) {
		list := make([]chat.Message, len(messages))
		for i, msg := range messages {
			list[i] = chat.Message{Role: msg.Role, Content: msg.Content}
		}
		return t.Render(list, generationPrompt, extra)
	}
	return opt, nil
}
