package runner

import (
	"fmt"
	"io"
	"slices"

	"xrun/model"
	"xrun/reports"
	"xrun/runner/data"
	"xrun/runner/store"
	"xrun/schema"
)

const preparedFile = "prepared.bin"

// loadPrepared reads a stored training set, or nil if it is not stored.
func (s *study) loadPrepared(k store.Key) (*data.Prepared, error) {
	if !s.store.Has(k) {
		return nil, nil
	}
	o, err := s.store.Get(k)
	if err != nil {
		return nil, nil // damaged: it is tokenized again, and rebuilt when run
	}
	b, err := o.Read(preparedFile)
	if err != nil {
		return nil, nil
	}
	return data.ReadPrepared(b)
}

// items reads a data set.
func (s *study) items(d schema.Data) ([]data.Item, error) {
	f, err := s.in.file(d.Source)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	items, err := data.Read(f, st.Size(), d.Source, d.Format, d.Columns)
	if err != nil {
		return nil, err
	}
	if d.Limit > 0 && d.Limit < len(items) {
		items = items[:d.Limit]
	}
	return items, nil
}

// tokenize turns a data set into tokens and labels.
func (s *study) tokenize(d schema.Data, m *modelInput) (*data.Prepared, error) {
	items, err := s.items(d)
	if err != nil {
		return nil, err
	}
	opt, err := dataOptions(d, m)
	if err != nil {
		return nil, err
	}
	return data.Prepare(items, m.tokenizer, opt)
}

func runPrepare(p *preparation) func(*execution, *stage) error {
	return func(x *execution, st *stage) error {
		return x.put(st, func(out *store.Writer) error {
			return out.WriteFile(preparedFile, func(w io.Writer) error {
				_, err := p.WriteTo(w)
				return err
			})
		})
	}
}

func runEvaluate(ref *weightsRef, from *suiteInput, ask asking) func(*execution, *stage) error {
	return func(x *execution, st *stage) error {
		suite, err := from.open()
		if err != nil {
			return err
		}
		m, err := x.model(ref)
		if err != nil {
			return err
		}
		items, err := score(x.ctx, suite, m, ref.input.tokenizer, ask, x.progress)
		if err != nil {
			return err
		}
		return x.put(st, func(out *store.Writer) error { return writeRows(out, itemsTable, items) })
	}
}

func runHeldout(ref *weightsRef, p *preparation) func(*execution, *stage) error {
	return func(x *execution, st *stage) error {
		m, err := x.model(ref)
		if err != nil {
			return err
		}
		h, err := heldoutLoss(m, p.Prepared)
		if err != nil {
			return err
		}
		return x.put(st, func(out *store.Writer) error { return writeRows(out, heldoutTable, []reports.HeldOut{h}) })
	}
}

// prompts puts the spec's samples through the data template.
func (s *study) prompts(p *preparation) ([]promptKey, error) {
	opt, err := dataOptions(p.set, p.model)
	if err != nil {
		return nil, err
	}
	keys := make([]promptKey, len(s.spec.Samples))
	for i, smp := range s.spec.Samples {
		text := smp.Prompt
		if text == "" {
			if text, err = data.Prompt(data.Item{Instruction: smp.Instruction, Input: smp.Input}, opt); err != nil {
				return nil, fmt.Errorf("samples[%d]: %w", i, err)
			}
		}
		tokens, err := data.EncodePrompt(text, p.model.tokenizer, opt)
		if err != nil {
			return nil, fmt.Errorf("samples[%d]: %w", i, err)
		}
		keys[i] = promptKey{Tokens: tokens, MaxNew: smp.MaxNew}
	}
	return keys, nil
}

func runSample(ref *weightsRef, prompts []promptKey) func(*execution, *stage) error {
	return func(x *execution, st *stage) error {
		m, err := x.model(ref)
		if err != nil {
			return err
		}
		tok := ref.input.tokenizer
		ends := endTokens(tok, m.Config)
		rows := make([]reports.Sample, len(prompts))
		for i, q := range prompts {
			out, err := m.Generate([][]int32{q.Tokens}, model.GenerateOptions{MaxNew: q.MaxNew, EOS: ends})
			if err != nil {
				return fmt.Errorf("samples[%d]: %w", i, err)
			}
			smp := x.spec.Samples[i]
			shown := smp.Prompt
			if shown == "" {
				shown = smp.Instruction
				if smp.Input != "" {
					shown += "\n" + smp.Input
				}
			}
			got := out[0]
			rows[i] = reports.Sample{
				Prompt: int32(i), Shown: shown, Text: tok.Decode(got, true), Tokens: int32(len(got)),
				Ended: len(got) > 0 && slices.Contains(ends, got[len(got)-1]),
			}
		}
		return x.put(st, func(out *store.Writer) error { return writeRows(out, samplesTable, rows) })
	}
}
