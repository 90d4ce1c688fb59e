package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxCells bounds a matrix; a study of more is a slip in an axis.
const maxCells = 65536

// check finds what the closed schema cannot say: fields that contradict each
// other. It sees the sound parts of the spec only.
func (c *checker) check(s *Spec) {
	axes := c.checkAxes(s)
	c.checkSchedules(s)
	c.checkWarmup("train.warmup", s.Train.Warmup)
	for _, a := range s.Matrix.Extra {
		for i, v := range a.Values {
			if w, ok := v.(float64); ok && a.Path == "train.warmup" {
				c.checkWarmup(c.item("matrix.train.warmup", i), w)
			}
		}
	}
	c.checkSeeds(s)
	c.checkData(s)
	c.checkEval(s)
	c.checkSamples(s)
	c.checkResources(s)
	c.checkExclude(s, axes)
	c.checkCompare(s, axes)
}

// checkAxes refuses repeated values, fields that are axis and set, and matrices
// beyond reason. It returns the axes.
func (c *checker) checkAxes(s *Spec) []axis {
	axes := s.axes()
	cells := 1
	for _, a := range axes {
		path := "matrix." + a.name
		seen := map[string]bool{}
		for i, v := range a.values {
			if seen[v] {
				c.add(c.item(path, i), fmt.Sprintf("%s is on the axis twice", quoteWord(v)), "remove one")
			}
			seen[v] = true
		}
		if _, set := c.at[a.name]; a.extra && set {
			c.add(a.name, fmt.Sprintf("is set here and is an axis of the matrix (%s)", strings.Join(a.values, ", ")), "remove one of the two")
		}
		if cells *= max(1, len(a.values)); cells > maxCells {
			c.add("matrix", fmt.Sprintf("has more than %d cells", maxCells), "shorten an axis")
			break
		}
	}
	return axes
}

// takes lists which arguments each schedule of transformers has.
var takes = map[string][]string{
	"linear":               {"warmup"},
	"cosine":               {"warmup", "numCycles"},
	"cosine_with_restarts": {"warmup", "numCycles"},
	"polynomial":           {"warmup", "power", "lrEnd"},
	"constant":             {},
	"constant_with_warmup": {"warmup"},
	"inverse_sqrt":         {"warmup", "timescale"},
	"cosine_with_min_lr":   {"warmup", "numCycles", "minLr", "minLrRate"},
	"warmup_stable_decay":  {"warmup", "numCycles", "minLrRatio", "numStableSteps", "numDecaySteps", "warmupType", "decayType"},
}

func (c *checker) checkSchedules(s *Spec) {
	rates := []float64{s.Train.LR}
	for _, a := range s.Matrix.Extra {
		if a.Path == "train.lr" {
			rates = rates[:0]
			for _, v := range a.Values {
				rates = append(rates, v.(float64))
			}
		}
	}
	for i, x := range s.Matrix.Schedule {
		path := c.item("matrix.schedule", i)
		known, ok := takes[x.Name]
		if !ok {
			continue
		}
		for _, a := range x.args() {
			if slices.Contains(known, a.name) {
				continue
			}
			hint := "it takes " + strings.Join(known, ", ")
			if len(known) == 0 {
				hint = "it takes no arguments; constant_with_warmup has one"
			}
			c.add(path+"."+a.name, fmt.Sprintf("%s does not take %s", x.Name, a.name), hint)
		}
		if x.Warmup != nil && slices.Contains(known, "warmup") {
			c.checkWarmup(path+".warmup", *x.Warmup)
		}
		c.checkSchedule(path, x, rates)
	}
}

func (c *checker) checkSchedule(path string, x Schedule, rates []float64) {
	switch x.Name {
	case "cosine_with_restarts":
		if x.NumCycles != nil && *x.NumCycles != math.Floor(*x.NumCycles) {
			c.add(path+".numCycles", fmt.Sprintf("is %s", number(*x.NumCycles)), "restarts are a whole number")
		}
	case "cosine_with_min_lr":
		if (x.MinLR == nil) == (x.MinLRRate == nil) {
			c.add(path, "cosine_with_min_lr needs its floor once", "give either minLr or minLrRate")
		}
	case "warmup_stable_decay":
		if x.NumDecay == nil {
			c.add(path, "warmup_stable_decay needs numDecaySteps", "give the steps of the decay")
		}
	case "polynomial":
		end := 1e-7
		if x.LREnd != nil {
			end = *x.LREnd
		}
		c.checkFloor(path, "lrEnd", end, rates)
	}
	if x.MinLR != nil {
		c.checkFloor(path, "minLr", *x.MinLR, rates)
	}
}

func (c *checker) checkFloor(path, name string, floor float64, rates []float64) {
	for _, lr := range rates {
		if floor >= lr {
			c.add(path+"."+name, fmt.Sprintf("is %s, not below train.lr %s", number(floor), number(lr)), "lower it, or raise train.lr")
			return
		}
	}
}

// checkWarmup: below 1 it is a share of the steps, from 1 on it counts them.
func (c *checker) checkWarmup(path string, w float64) {
	if w >= 1 && w != math.Floor(w) {
		c.add(path, fmt.Sprintf("is %s", number(w)), "write a whole number of steps, or a share of all steps below 1")
	}
}

// checkSeeds refuses several seeds where nothing is drawn: their cells would be
// one training, counted as several.
func (c *checker) checkSeeds(s *Spec) {
	drawn := s.Data.Shuffle
	for _, a := range s.Matrix.Extra {
		if a.Path == "data.shuffle" {
			drawn = slices.Contains(a.Values, any(true))
		}
	}
	if len(s.Matrix.Seed) > 1 && !drawn {
		c.add("matrix.seed", "changes no result while data.shuffle is false, since seeds draw the order of the items", "give one seed, or shuffle")
	}
}

// checkSource refuses a spec that names no data, neither in data.source nor on
// the axis of that name.
func (c *checker) checkSource(s *Spec) {
	if s.Data.Source != "" || slices.ContainsFunc(s.Matrix.Extra, func(a Axis) bool { return a.Path == "data.source" }) {
		return
	}
	for _, at := range []string{"data", "data.source", "matrix.data.source"} {
		if c.faulty(at) {
			return
		}
	}
	if _, ok := c.at["data"]; ok {
		c.add("data.source", "is required", "add a file, or builtin:tiny/NAME")
		return
	}
	c.add("data", "is required", "add data: source: ...")
}

func (c *checker) checkData(s *Spec) {
	c.checkSource(s)
	d := s.Data
	if h := d.Holdout.Items; d.Limit > 0 && h >= d.Limit {
		c.add("data.holdout.items", fmt.Sprintf("is %d of %d items (data.limit), which leaves none to train on", h, d.Limit), "hold out fewer")
	}
	for _, pair := range [][2]string{{"question", "instruction"}, {"answer", "output"}} {
		if d.Columns[pair[0]] != "" && d.Columns[pair[1]] != "" {
			c.add("data.columns."+pair[1], fmt.Sprintf("is another word for %s, which is given too", pair[0]), "remove one")
		}
	}
	used := map[string]string{}
	for _, ours := range slices.Sorted(maps.Keys(d.Columns)) {
		if other, ok := used[d.Columns[ours]]; ok {
			c.add("data.columns."+ours, fmt.Sprintf("reads column %q, as %s does", d.Columns[ours], other), "name another column")
		}
		used[d.Columns[ours]] = ours
	}
}

// checkForm refuses a suite, protocol or variant that is neither known by name
// nor defined, and options that the form does not have.
func (c *checker) checkForm(path string, s *Spec, x Suite) {
	forms := s.forms(x.Suite)
	if len(forms) == 0 {
		at := path
		if _, ok := c.at[path+".suite"]; ok {
			at += ".suite"
		}
		c.add(at, fmt.Sprintf("%s is no suite", quoteWord(x.Suite)), didYouMean(x.Suite, s.suiteNames()))
		return
	}
	var protocols, variants []string
	var form *Definition
	for i, d := range forms {
		if !slices.Contains(protocols, d.Protocol) {
			protocols = append(protocols, d.Protocol)
		}
		if d.Protocol != x.Protocol {
			continue
		}
		if d.Variant != "" {
			variants = append(variants, d.Variant)
		}
		if form == nil && (x.Variant == "" || x.Variant == d.Variant) {
			form = &forms[i]
		}
	}
	switch {
	case !slices.Contains(protocols, x.Protocol):
		c.add(path+".protocol", fmt.Sprintf("%s has no form in %s", x.Suite, x.Protocol), "it has "+strings.Join(protocols, " and "))
	case form != nil:
		c.checkOptions(path, x, *form)
	case len(variants) == 0:
		c.add(path+".variant", fmt.Sprintf("%s has no variants in %s", x.Suite, x.Protocol), "remove it")
	default:
		c.add(path+".variant", fmt.Sprintf("%s has no variant %q", x.Suite, x.Variant), didYouMean(x.Variant, variants))
	}
}

// checkOptions refuses options that a form of a suite does not have.
func (c *checker) checkOptions(path string, x Suite, d Definition) {
	scoped := slices.ContainsFunc(d.Files.Test, func(f string) bool { return strings.Contains(f, "{subset}") })
	if len(x.Subjects) > 0 && !scoped {
		c.add(path+".subjects", fmt.Sprintf("%s has no subjects", x.Suite), "only mmlu does")
	}
	if x.Annotations != "" && d.Annotations == nil {
		c.add(path+".annotations", fmt.Sprintf("%s has no contamination annotations in %s", x.Suite, x.Protocol), "mmlu, hellaswag and arc-c have them in opencompass")
	}
}

func (c *checker) checkEval(s *Spec) {
	for _, a := range s.Matrix.Extra {
		if _, set := c.at["eval.precision"]; a.Path == "train.precision" && len(a.Values) > 1 && !set && len(s.Eval.Suites) > 0 {
			c.add("eval.precision", "is train's by default, and train.precision is an axis", "set eval.precision, so that all cells are scored alike")
		}
	}
	c.checkDefinitions(s)
	if s.Eval.Template == "data" {
		for _, a := range s.Matrix.Extra {
			if len(a.Values) > 1 && slices.Contains([]string{"data.template", "data.system", "data.bos"}, a.Path) {
				c.add("eval.template", fmt.Sprintf("is the data's, and %s is an axis", a.Path), "base and all cells must see one prompt: set it in data, or leave eval.template out")
			}
		}
	}
	first := map[string]int{}
	for i, x := range s.Eval.Suites {
		path := c.item("eval.suites", i)
		if j, ok := first[x.Name]; ok {
			c.add(path, fmt.Sprintf("is named %q, as %s is", x.Name, c.item("eval.suites", j)), "give one of them another name: {suite: ..., name: ...}")
		} else {
			first[x.Name] = i
		}
		c.checkForm(path, s, x)
		if x.Path == "" && s.Eval.Root == "" && len(s.forms(x.Suite)) > 0 {
			c.add(path, "has no file", "set eval.root to the directory of the suites' files, or the suite's path")
		}
		seen := map[string]bool{}
		for j, subject := range x.Subjects {
			if seen[subject] {
				c.add(c.item(path+".subjects", j), fmt.Sprintf("%q is listed twice", subject), "remove one")
			}
			seen[subject] = true
		}
	}
}

// checkDefinitions refuses suites of the spec's own under a name that is taken,
// and asks the caller about the rest of each.
func (c *checker) checkDefinitions(s *Spec) {
	for _, name := range slices.Sorted(maps.Keys(s.Eval.Define)) {
		path := "eval.define." + name
		if slices.ContainsFunc(Suites(), func(d Definition) bool { return d.Name == name }) {
			c.add(path, fmt.Sprintf("%s is a suite known by name", name), "give yours another name")
		}
		if !suiteName.MatchString(name) {
			c.add(path, "is no name for a suite", "want letters, digits, dots, dashes and underscores")
		}
		if c.suite == nil || c.faulty(path) {
			continue
		}
		if err := c.suite(s.Eval.Define[name]); err != nil {
			c.add(path, "cannot be read: "+err.Error(), "")
		}
	}
}

var suiteName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func (c *checker) checkSamples(s *Spec) {
	for i, p := range s.Samples {
		path := c.item("samples", i)
		switch {
		case p.Instruction != "" && p.Prompt != "":
			c.add(path, "has an instruction and a prompt", "an instruction goes through data.template, a prompt stands alone: give one")
		case p.Instruction == "" && p.Prompt == "":
			c.add(path, "has neither an instruction nor a prompt", "give one")
		case p.Prompt != "" && p.Input != "":
			c.add(path+".input", "belongs to an instruction", "put it into the prompt")
		}
	}
}

// checkExclude rewrites the entries to axis-value texts and refuses those that
// cannot mean anything.
func (c *checker) checkExclude(s *Spec, axes []axis) {
	byName := map[string]axis{}
	var known []string
	for _, a := range axes {
		byName[a.name] = a
		known = append(known, a.name)
	}
	seen := map[string]int{}
	sound := true
	for i, entry := range s.Exclude {
		path := c.item("exclude", i)
		if len(entry) == 0 {
			c.add(path, "is empty, which excludes every cell", "name a value of an axis")
			sound = false
		}
		for _, name := range slices.Sorted(maps.Keys(entry)) {
			a, ok := byName[name]
			if !ok {
				c.add(path+"."+name, "is no axis of this matrix", didYouMean(name, known))
				sound = false
				continue
			}
			if c.faulty("matrix." + name) {
				sound = false // what is on the axis is not known
				continue
			}
			v, err := a.parse(entry[name])
			if err != "" || !a.has(v, s) {
				if err == "" {
					err = fmt.Sprintf("%s is not on the axis", quoteWord(v))
				}
				c.add(path+"."+name, err, "its values: "+strings.Join(a.values, ", "))
				sound = false
				continue
			}
			entry[name] = v
		}
		key := fmt.Sprint(entry)
		if j, ok := seen[key]; ok {
			c.add(path, fmt.Sprintf("is the same as %s", c.item("exclude", j)), "remove one")
		}
		seen[key] = i
	}
	if len(s.Exclude) > 0 && sound && len(c.errs) == 0 {
		if cells, err := s.Cells(); err == nil && len(cells) == 0 {
			c.add("exclude", "leaves no cell", "remove an entry")
		}
	}
}

// parse turns a value of exclude or compare, read from JSON, into the axis' text.
func (a axis) parse(v any) (string, string) {
	switch v := v.(type) {
	case string:
		f, err := strconv.ParseFloat(v, 64)
		switch {
		case err == nil && a.name == "labels":
			return Labels(f).String(), ""
		case err == nil && !slices.Contains(a.values, v) && slices.Contains(a.values, number(f)):
			return number(f), "" // as in a command line's tag
		}
		return v, ""
	case float64:
		if a.name == "labels" {
			return Labels(v).String(), ""
		}
		if v == math.Floor(v) && math.Abs(v) <= 1<<53 {
			// Whole numbers are written like the axis' own, whichever kind it has.
			if t := strconv.FormatFloat(v, 'f', -1, 64); slices.Contains(a.values, t) {
				return t, ""
			}
		}
		return number(v), ""
	case bool:
		return strconv.FormatBool(v), ""
	case map[string]any:
		if a.name != "schedule" {
			break
		}
		raw, err := json.Marshal(v)
		var s Schedule
		if err == nil {
			err = s.UnmarshalJSON(raw)
		}
		if err != nil {
			return "", "is not a schedule"
		}
		return s.String(), ""
	}
	return "", "is not one value"
}

func (a axis) has(v string, s *Spec) bool {
	if slices.Contains(a.values, v) {
		return true
	}
	return a.name == "schedule" && slices.ContainsFunc(s.Matrix.Schedule, func(x Schedule) bool { return x.Name == v })
}

func quoteWord(s string) string {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return s
	}
	return strconv.Quote(s)
}
