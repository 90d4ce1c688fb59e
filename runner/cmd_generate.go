package runner

import (
	"fmt"

	"xrun/model"
	"xrun/model/tokenizer"
	"xrun/runner/store"
)

var generateCommand = &command{
	name: "generate", args: "MODEL TEXT", summary: "continue a text", min: 2, max: 2,
	help: `
Continues TEXT with the model (a directory, a hub id in the local cache, or
builtin:tiny). Greedy unless -temperature is above 0; the same seed gives the
same text.`,
	define: func(f *flags) {
		f.defineEngine()
		f.set.IntVar(&f.maxNew, "n", 128, "most new `tokens`")
		f.set.Float64Var(&f.temp, "temperature", 0, "a `number`; 0 = greedy")
		f.set.IntVar(&f.topK, "top-k", 0, "keep the `k` likeliest tokens; 0 = all")
		f.set.Float64Var(&f.topP, "top-p", 1, "keep the likeliest tokens up to this `probability`")
		f.set.Uint64Var(&f.seed, "seed", 1, "`number` that seeds the sampling")
		f.set.StringVar(&f.dtype, "precision", "f32", "`f32|bf16`")
	},
	run: func(e *env, f *flags, args []string) error {
		if err := oneOf("precision", f.dtype, "f32", "bf16"); err != nil {
			return err
		}
		in := &inputs{digests: store.OpenDigests(e.disk, "")}
		d, err := in.model(args[0])
		if err != nil {
			return err
		}
		tok, err := tokenizer.Load(d.FS)
		if err != nil {
			return fmt.Errorf("reading model %s: %w", args[0], err)
		}
		prompt := tok.EncodePrompt(args[1])
		if len(prompt) == 0 {
			return usagef("TEXT is empty, and %s begins a text with no token of its own; give a first word", args[0])
		}
		engine, err := newEngine(f, 0)
		if err != nil {
			return err
		}
		defer engine.Close()
		m, err := model.LoadFrozen(engine, d.FS, precisionOf(f.dtype))
		if err != nil {
			return fmt.Errorf("loading %s: %w", args[0], err)
		}
		defer m.Close()
		out, err := m.Generate([][]int32{prompt}, model.GenerateOptions{
			MaxNew: f.maxNew, EOS: endTokens(tok, m.Config), Temperature: f.temp, TopK: f.topK, TopP: f.topP, Seed: f.seed})
		if err != nil {
			return err
		}
		fmt.Fprintln(e.stdout, tok.Decode(out[0], true))
		return nil
	},
}

// endTokens are the tokens that end a generated text: the tokenizer's and the
// model's own.
func endTokens(tok *tokenizer.Tokenizer, c model.Config) []int32 {
	ends := c.EOS
	if id, _, ok := tok.EOS(); ok {
		ends = append([]int32{id}, ends...)
	}
	return ends
}
