package data

import (
	"fmt"
	"strings"
)

// The two prompts of Stanford Alpaca (Taori et al. 2023), to the byte.
const (
	alpacaWithInput = "Below is an instruction that describes a task, paired with an input that provides further context. " +
		"Write a response that appropriately completes the request.\n\n### Instruction:\n%s\n\n### Input:\n%s\n\n### Response:\n"
	alpacaWithout = "Below is an instruction that describes a task. " +
		"Write a response that appropriately completes the request.\n\n### Instruction:\n%s\n\n### Response:\n"
)

// Prompt returns the text before an item's output:
//
//   - alpaca: Stanford Alpaca's text with or, where the input is empty, without
//     the input; the system message and a blank line before it, and each earlier
//     turn as its own such text with its answer and a blank line.
//   - plain: a line each for the system message, for each earlier question and
//     its answer, for the instruction and, where there is one, for the input.
//   - chat: the tokenizer's own template (Options.Chat) with its generation
//     prompt.
//
// A bare item has none.
func Prompt(it Item, opt Options) (string, error) {
	prompt, _, err := parts(it, opt)
	return prompt, err
}

// parts returns an item's prompt and output texts.
func parts(it Item, opt Options) (prompt, output string, err error) {
	if it.Bare {
		return "", it.Output, nil
	}
	if it.System == "" && !hasSystem(it.Messages) {
		it.System = opt.System
	}
	switch opt.Template {
	case "chat":
		return chatParts(it, opt)
	case "alpaca", "plain":
	default:
		return "", "", fmt.Errorf("template %q is unknown; want alpaca, plain or chat", opt.Template)
	}
	if it.Messages != nil {
		if it, err = asTurns(it, opt.Template); err != nil {
			return "", "", err
		}
	}
	var b strings.Builder
	turn, between := alpaca, "\n\n"
	if opt.Template == "plain" {
		turn, between = plain, "\n"
	}
	if it.System != "" {
		b.WriteString(it.System + between)
	}
	for _, h := range it.History {
		b.WriteString(turn(h[0], "") + h[1] + between)
	}
	b.WriteString(turn(it.Instruction, it.Input))
	return b.String(), it.Output, nil
}

func alpaca(instruction, input string) string {
	if input == "" {
		return fmt.Sprintf(alpacaWithout, instruction)
	}
	return fmt.Sprintf(alpacaWithInput, instruction, input)
}

func plain(instruction, input string) string {
	if input != "" {
		instruction += "\n" + input
	}
	return instruction + "\n"
}

func hasSystem(messages []Message) bool { return len(messages) > 0 && messages[0].Role == "system" }

// asTurns rewrites a conversation as history and a last instruction.
func asTurns(it Item, template string) (Item, error) {
	m := it.Messages
	if hasSystem(m) {
		if it.System != "" {
			return it, fmt.Errorf("the item has two system messages; remove one")
		}
		it.System, m = m[0].Content, m[1:]
	}
	for i, t := range m {
		want := "user"
		if i%2 == 1 {
			want = "assistant"
		}
		if t.Role != want {
			return it, fmt.Errorf("turn %d is of %q where the %s template needs %q; use template chat", i+1, t.Role, template, want)
		}
	}
	if len(m)%2 == 0 {
		return it, fmt.Errorf("no user's turn stands before the output, as the %s template needs; use template chat", template)
	}
	it.History = nil
	for i := 0; i+1 < len(m); i += 2 {
		it.History = append(it.History, [2]string{m[i].Content, m[i+1].Content})
	}
	it.Instruction, it.Input = m[len(m)-1].Content, ""
	return it, nil
}

// asMessages rewrites an instruction as a conversation. Input follows the
// instruction on its own line.
func asMessages(it Item) []Message {
	var m []Message
	if it.System != "" {
		m = append(m, Message{"system", it.System})
	}
	if it.Messages != nil {
		return append(m, it.Messages...)
	}
	for _, h := range it.History {
		m = append(m, Message{"user", h[0]}, Message{"assistant", h[1]})
	}
	ask := it.Instruction
	if it.Input != "" {
		ask += "\n" + it.Input
	}
	return append(m, Message{"user", ask})
}

// chatParts renders the conversation with the generation prompt and again with
// the answer; what the second has beyond the first is the output, with whatever
// the template puts after an answer.
func chatParts(it Item, opt Options) (prompt, output string, err error) {
	if opt.Chat == nil {
		return "", "", fmt.Errorf("the tokenizer has no chat template; use template alpaca or plain")
	}
	messages := asMessages(it)
	if prompt, err = opt.Chat(messages, true); err != nil {
		return "", "", fmt.Errorf("rendering the chat template: %w", err)
	}
	whole, err := opt.Chat(append(messages[:len(messages):len(messages)], Message{"assistant", it.Output}), false)
	if err != nil {
		return "", "", fmt.Errorf("rendering the chat template: %w", err)
	}
	output, ok := strings.CutPrefix(whole, prompt)
	if !ok {
		return "", "", fmt.Errorf("the chat template does not put the answer after its generation prompt (they part at %q), so training would not see what generation sees; use template alpaca or plain", parting(whole, prompt))
	}
	return prompt, output, nil
}

// parting returns the text around the first difference.
func parting(a, b string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return strings.ToValidUTF8(b[max(0, i-20):min(len(b), i+20)], "")
}
