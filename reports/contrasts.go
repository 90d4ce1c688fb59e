package reports

import (
	"fmt"
	"slices"
	"strings"
)

// contrast is one comparison, b minus a: of two arms that differ in one axis, of
// two values of an axis in the mean over the settings of the others (a main
// effect), or of an arm with its base model (axis "").
type contrast struct {
	name, axis   string
	context      string // what both share on the other axes that vary
	aName, bName string
	sides
	aArm, bArm *arm        // aArm is nil for base; of a main effect, those of its first setting
	settings   []*contrast // of a main effect: what it is the mean of
	rows       []Difference
	powers     []power
}

// sides are the cells that are compared, paired by seed where both have seeds.
// Of a main effect setting and seed tell the pairs apart.
type sides struct {
	a, b          []string
	setting, seed []string
}

// family names the comparisons whose figures Holm adjusts together: those along one
// axis in one setting, and the main effects of an axis. An arm and its base model
// stand alone.
func (c *contrast) family() string {
	switch {
	case c.axis == "":
		return c.name
	case c.settings != nil:
		return c.axis + " (mean over settings)"
	case c.context != "":
		return c.axis + " (" + c.context + ")"
	}
	return c.axis
}

// contrasts lists the comparisons: axis by axis the arms that differ in it alone,
// each with the reference or with every other one; then the same in the mean over
// the settings; then every arm with its base model.
func (s *study) contrasts() (between, mains, base []*contrast) {
	for _, axis := range s.axes {
		reference, pairs := s.fact("reference", axis), s.fact("pairs", axis) != ""
		settings := map[string][]*arm{}
		for _, a := range s.arms {
			settings[s.context(a, axis)] = append(settings[s.context(a, axis)], a)
		}
		for _, b := range s.arms {
			context := s.context(b, axis)
			for _, a := range comparedWith(b, settings[context], axis, reference, pairs) {
				c := &contrast{axis: axis, context: context, aArm: a, bArm: b, aName: a.name, bName: b.name}
				c.sides = matchSeeds(a, b)
				between = append(between, c)
			}
		}
	}
	if len(s.axes) == 0 { // cells without axis facts
		for _, b := range s.arms[min(1, len(s.arms)):] {
			a := s.arms[0]
			between = append(between, &contrast{axis: "cell", aArm: a, bArm: b, aName: a.name, bName: b.name, sides: sides{a: a.names(), b: b.names()}})
		}
	}
	mains = mainEffects(between)
	for _, b := range s.arms {
		if b.base != "" {
			base = append(base, &contrast{aName: b.base, bArm: b, bName: b.name, name: b.name + " - base", sides: sides{a: []string{b.base}, b: b.names()}})
		}
	}
	all := slices.Concat(between, mains, base)
	families := map[string][]*contrast{}
	var order []string
	for _, c := range all {
		if c.name == "" {
			c.name = c.bName + " - " + c.aName
		}
		s.compare(c)
		f := c.family()
		if families[f] == nil {
			order = append(order, f)
		}
		families[f] = append(families[f], c)
	}
	for _, f := range order {
		settle(families[f], 0.05)
	}
	return between, mains, base
}

// context says an arm's place on the other axes that vary.
func (s *study) context(a *arm, axis string) string {
	var shared []string
	for _, other := range s.axes {
		if other != axis {
			shared = append(shared, other+"="+a.axes[other])
		}
	}
	return strings.Join(shared, ", ")
}

// comparedWith lists the arms that b is compared with, of those in its setting: the
// one of the reference, where the study names none the first, or all before b where
// every two are compared.
func comparedWith(b *arm, setting []*arm, axis, reference string, pairs bool) []*arm {
	at := 0
	switch {
	case pairs:
		return setting[:slices.Index(setting, b)]
	case reference != "":
		at = slices.IndexFunc(setting, func(a *arm) bool { return a.axes[axis] == reference })
	}
	if at < 0 || setting[at] == b {
		return nil
	}
	return setting[at : at+1]
}

// mainEffects gathers what compares the same two values of an axis in several
// settings of the others.
func mainEffects(between []*contrast) (mains []*contrast) {
	at := map[[3]string]*contrast{}
	for _, c := range between {
		x, y := c.aArm.axes[c.axis], c.bArm.axes[c.axis]
		k := [3]string{c.axis, x, y}
		m := at[k]
		if m == nil {
			m = &contrast{axis: c.axis, aArm: c.aArm, bArm: c.bArm, aName: c.axis + "=" + x, bName: c.axis + "=" + y}
			at[k] = m
			mains = append(mains, m)
		}
		m.settings = append(m.settings, c)
		for i := range c.a {
			m.a, m.b = append(m.a, c.a[i]), append(m.b, c.b[i])
			m.setting, m.seed = append(m.setting, c.context), append(m.seed, c.seed[i])
		}
	}
	return slices.DeleteFunc(mains, func(m *contrast) bool { return len(m.settings) < 2 })
}

// matchSeeds pairs two arms' cells by seed; without a common seed by order, as
// many as both have.
func matchSeeds(a, b *arm) (out sides) {
	for _, x := range a.cells {
		for _, y := range b.cells {
			if x.axes["seed"] == y.axes["seed"] {
				out.a, out.b, out.seed = append(out.a, x.name), append(out.b, y.name), append(out.seed, x.axes["seed"])
			}
		}
	}
	if out.a != nil {
		return out
	}
	n := min(len(a.cells), len(b.cells))
	out.a, out.b = a.names()[:n], b.names()[:n]
	for i := range n {
		out.seed = append(out.seed, fmt.Sprint(i))
	}
	return out
}

// scored lists the cells of two sides that have the figure. Where cells are paired
// by seed, a seed that one side lacks counts on neither; of a main effect, a
// setting that lacks a seed counts on neither side, so that every setting weighs
// the same for every seed.
func (s *study) scored(f *figure, x sides) (out sides) {
	has := func(cell string) bool { return f.byCell[cell] != nil }
	if len(x.setting) > 0 {
		seeds, complete := map[string]bool{}, map[string]int{}
		for i := range x.a {
			seeds[x.seed[i]] = true
			if has(x.a[i]) && has(x.b[i]) {
				complete[x.setting[i]]++
			}
		}
		for i := range x.a {
			if complete[x.setting[i]] == len(seeds) {
				out.a, out.b = append(out.a, x.a[i]), append(out.b, x.b[i])
				out.setting, out.seed = append(out.setting, x.setting[i]), append(out.seed, x.seed[i])
			}
		}
		return out
	}
	if len(x.a) == len(x.b) {
		for i := range x.a {
			if has(x.a[i]) && has(x.b[i]) {
				out.a, out.b = append(out.a, x.a[i]), append(out.b, x.b[i])
			}
		}
		if len(out.a) > 0 {
			return out
		}
	}
	lacks := func(cell string) bool { return !has(cell) }
	return sides{a: slices.DeleteFunc(slices.Clone(x.a), lacks), b: slices.DeleteFunc(slices.Clone(x.b), lacks)}
}

// perSeed lists the differences seed by seed, of a main effect each the mean over
// its settings; a base model stands for every seed.
func perSeed(f *figure, x sides) (out []float64) {
	if len(x.setting) > 0 {
		at, n := map[string]int{}, 0.0
		for i, seed := range x.seed {
			j, ok := at[seed]
			if !ok {
				j = len(out)
				at[seed], out = j, append(out, 0)
			}
			out[j] += f.value(x.b[i]) - f.value(x.a[i])
		}
		n = float64(distinct(x.setting))
		for j := range out {
			out[j] /= n
		}
		return out
	}
	for i, b := range x.b {
		switch {
		case len(x.a) == 1:
			out = append(out, f.value(b)-f.value(x.a[0]))
		case i < len(x.a):
			out = append(out, f.value(b)-f.value(x.a[i]))
		}
	}
	return out
}

func distinct(list []string) int {
	seen := map[string]bool{}
	for _, s := range list {
		seen[s] = true
	}
	return len(seen)
}
