package runner

import (
	"encoding/json"

	"xrun/runner/store"
	"xrun/runner/suites"
)

// suiteCount is the work that a suite asks of one tokenizer's models.
type suiteCount struct {
	suite string
	suites.Counts
}

// countKey determines what counting a suite comes to. Unlike a stage's key it
// holds the suite's identity on this machine, because notes name files.
type countKey struct {
	Kind      string       `json:"kind"` // "count"
	Version   int          `json:"version"`
	Suite     string       `json:"suite"`
	Config    string       `json:"config"`
	Tokenizer string       `json:"tokenizer"`
	Template  *templateKey `json:"template,omitempty"`
}

// counted is what is remembered under a countKey.
type counted struct {
	suites.Counts
	Notes []string
}

// estimate fills in the work of the evaluations and what is said of their
// suites. That takes tokenizing them, so it is remembered; a run does not need
// it.
func (s *study) estimate() error {
	type question struct {
		suite    *suiteInput
		model    *modelInput
		template templateKey
	}
	counts := map[question]counted{}
	s.notes = map[*suiteInput][]string{}
	for _, st := range s.stages {
		if st.suite == nil {
			continue
		}
		q := question{suite: st.suite, model: st.model}
		if st.ask.key != nil {
			q.template = *st.ask.key
		}
		n, ok := counts[q]
		if !ok {
			var err error
			if n, err = s.count(st); err != nil {
				return err
			}
			counts[q] = n
			s.counts = append(s.counts, suiteCount{st.suite.name, n.Counts})
			s.notes[st.suite] = n.Notes
		}
		st.tokens = int64(n.Distinct)
		st.flops = st.model.config.ForwardFLOPs(1, 0, 1) * float64(n.Distinct)
	}
	s.in.digests.Save()
	return nil
}

// count is the work of one evaluation.
func (s *study) count(st *stage) (n counted, err error) {
	key, _, err := store.KeyOf(countKey{
		Kind: "count", Version: evaluateVersion, Suite: st.suite.identity,
		Config: st.model.configSum, Tokenizer: st.model.tokenizer.Digest(), Template: st.ask.key,
	})
	if err != nil {
		return n, err
	}
	if text, ok := s.in.digests.Recall(string(key)); ok && st.suite.identity != "" {
		if json.Unmarshal([]byte(text), &n) == nil {
			return n, nil
		}
	}
	suite, err := st.suite.open()
	if err != nil {
		return n, err
	}
	if n.Counts, err = suite.Count(st.model.tokenizer, st.ask.options(st.model.config, st.model.tokenizer)); err != nil {
		return n, err
	}
	n.Notes = suite.Notes()
	if text, err := json.Marshal(n); err == nil && st.suite.identity != "" {
		s.in.digests.Remember(string(key), string(text))
	}
	return n, nil
}
