package model

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"xrun/kernels/num"
)

// Schedule is one of transformers' learning-rate schedules (optimization.py, release 5),
// with the same name, arguments, defaults and formula. A nil argument means transformers'
// default.
type Schedule struct {
	// Name is one of [ScheduleNames].
	Name string `json:"name"`
	// Warmup is the number of warm-up steps, Steps the total number of steps.
	Warmup int `json:"num_warmup_steps"`
	Steps  int `json:"num_training_steps"`

	// The arguments below name the schedules that take them, with their defaults in
	// brackets.

	// NumCycles: cosine, cosine_with_min_lr, warmup_stable_decay (waves, 0.5) and
	// cosine_with_restarts (restarts, a whole number, 1).
	NumCycles *float64 `json:"num_cycles,omitempty"`
	// Power (1) and LREnd (1e-7): polynomial.
	Power *float64 `json:"power,omitempty"`
	LREnd *float64 `json:"lr_end,omitempty"`
	// Timescale: inverse_sqrt (Warmup, or 10,000 without one).
	Timescale *float64 `json:"timescale,omitempty"`
	// MinLR or MinLRRate, exactly one of them: cosine_with_min_lr.
	MinLR     *float64 `json:"min_lr,omitempty"`
	MinLRRate *float64 `json:"min_lr_rate,omitempty"`
	// NumDecay (required), NumStable (the rest of Steps), WarmupType (linear),
	// DecayType (cosine), MinLRRatio (0): warmup_stable_decay. The types are linear,
	// cosine and 1-sqrt.
	NumDecay   *int     `json:"num_decay_steps,omitempty"`
	NumStable  *int     `json:"num_stable_steps,omitempty"`
	WarmupType string   `json:"warmup_type,omitempty"`
	DecayType  string   `json:"decay_type,omitempty"`
	MinLRRatio *float64 `json:"min_lr_ratio,omitempty"`
}

// ScheduleNames lists the schedules.
var ScheduleNames = []string{
	"linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup",
	"inverse_sqrt", "cosine_with_min_lr", "warmup_stable_decay",
}

// scheduleArguments lists the arguments that each schedule takes.
var scheduleArguments = map[string][]string{
	"linear":               {},
	"cosine":               {"num_cycles"},
	"cosine_with_restarts": {"num_cycles"},
	"polynomial":           {"power", "lr_end"},
	"constant":             {},
	"constant_with_warmup": {},
	"inverse_sqrt":         {"timescale"},
	"cosine_with_min_lr":   {"num_cycles", "min_lr", "min_lr_rate"},
	"warmup_stable_decay":  {"num_decay_steps", "num_stable_steps", "warmup_type", "decay_type", "min_lr_ratio", "num_cycles"},
}

func or[T any](p *T, def T) T {
	if p == nil {
		return def
	}
	return *p
}

// given lists the arguments that are set, in the order of the fields.
func (s Schedule) given() []string {
	var names []string
	add := func(name string, set bool) {
		if set {
			names = append(names, name)
		}
	}
	add("num_cycles", s.NumCycles != nil)
	add("power", s.Power != nil)
	add("lr_end", s.LREnd != nil)
	add("timescale", s.Timescale != nil)
	add("min_lr", s.MinLR != nil)
	add("min_lr_rate", s.MinLRRate != nil)
	add("num_decay_steps", s.NumDecay != nil)
	add("num_stable_steps", s.NumStable != nil)
	add("warmup_type", s.WarmupType != "")
	add("decay_type", s.DecayType != "")
	add("min_lr_ratio", s.MinLRRatio != nil)
	return names
}

// Validate returns an error if transformers would reject the schedule, or if its curve
// would be meaningless for the given peak learning rate.
func (s Schedule) Validate(peak float64) error {
	takes, ok := scheduleArguments[s.Name]
	if !ok {
		return fmt.Errorf("checking the schedule: unknown name %q; want one of %s", s.Name, strings.Join(ScheduleNames, ", "))
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("checking the schedule %s: "+format, append([]any{s.Name}, args...)...)
	}
	for _, name := range s.given() {
		if !slices.Contains(takes, name) {
			return fail("it has no argument %s", name)
		}
	}
	for _, a := range []struct {
		name string
		v    *float64
	}{{"num_cycles", s.NumCycles}, {"power", s.Power}, {"lr_end", s.LREnd}, {"min_lr", s.MinLR}, {"min_lr_rate", s.MinLRRate}, {"min_lr_ratio", s.MinLRRatio}} {
		if v := or(a.v, 0); !(v >= 0) || math.IsInf(v, 0) {
			return fail("%s is %v; want a finite, non-negative number", a.name, v)
		}
	}
	if s.Warmup < 0 || s.Steps < 0 {
		return fail("warm-up %d and steps %d must not be negative", s.Warmup, s.Steps)
	}
	switch s.Name {
	case "polynomial":
		if s.Steps <= s.Warmup {
			return fail("warm-up %d leaves none of %d steps for the decay", s.Warmup, s.Steps)
		}
		if end := or(s.LREnd, 1e-7); !(peak > end) {
			return fail("lr_end %v must be smaller than the learning rate %v", end, peak)
		}
	case "cosine_with_restarts":
		if c := or(s.NumCycles, 1); c != math.Floor(c) {
			return fail("num_cycles is %v; want a whole number", c)
		}
	case "inverse_sqrt":
		if scale := or(s.Timescale, 1); !(scale > 0) || math.IsInf(scale, 0) {
			return fail("timescale is %v; want a positive number", scale)
		}
	case "cosine_with_min_lr":
		if (s.MinLR == nil) == (s.MinLRRate == nil) {
			return fail("exactly one of min_lr and min_lr_rate is needed")
		}
		if s.MinLR != nil && !(peak > 0) {
			return fail("min_lr needs a positive learning rate")
		}
	case "warmup_stable_decay":
		return s.validateWSD(fail)
	}
	return nil
}

func (s Schedule) validateWSD(fail func(string, ...any) error) error {
	if s.NumDecay == nil {
		return fail("num_decay_steps is needed")
	}
	if *s.NumDecay < 0 || or(s.NumStable, 0) < 0 {
		return fail("numbers of steps must not be negative")
	}
	if s.NumStable == nil && s.Warmup+*s.NumDecay > s.Steps {
		return fail("warm-up %d and decay %d exceed %d steps", s.Warmup, *s.NumDecay, s.Steps)
	}
	for _, t := range []string{s.WarmupType, s.DecayType} {
		if !slices.Contains([]string{"", "linear", "cosine", "1-sqrt"}, t) {
			return fail("unknown type %q; want linear, cosine or 1-sqrt", t)
		}
	}
	return nil
}

// LR returns the learning rate of a step, counted from 0, as transformers and torch's
// LambdaLR compute it: peak times the schedule's factor, in float64, with the same
// operations in the same order. It panics if the name of the schedule is unknown.
//
// Cosine and power are correctly rounded here. Python uses those of the C library, which
// are off by one unit in the last place for about one argument in a thousand (glibc 2.36).
// So a long curve may differ from transformers' in the last bit in a few places: 33 of
// 171,932 values of 225 random curves did.
func (s Schedule) LR(step int, peak float64) float64 {
	return peak * s.factor(step, peak)
}

func (s Schedule) factor(step int, peak float64) float64 {
	t, warm, steps := float64(step), float64(s.Warmup), float64(s.Steps)
	switch s.Name {
	case "constant":
		return 1
	case "warmup_stable_decay":
		return s.wsdFactor(step)
	case "linear", "cosine", "cosine_with_restarts", "polynomial", "constant_with_warmup", "inverse_sqrt", "cosine_with_min_lr":
	default:
		panic("model: unknown schedule " + s.Name)
	}
	if step < s.Warmup {
		return t / max(1, warm)
	}
	progress := (t - warm) / max(1, steps-warm)
	switch s.Name {
	case "linear":
		return max(0, (steps-t)/max(1, steps-warm))
	case "cosine":
		return max(0, wave(or(s.NumCycles, 0.5), progress))
	case "cosine_with_restarts":
		if progress >= 1 {
			return 0
		}
		x := float64(or(s.NumCycles, 1) * progress)
		return max(0, 0.5*(1+num.Cos(math.Pi*(x-math.Floor(x)))))
	case "polynomial":
		end := or(s.LREnd, 1e-7)
		if step > s.Steps {
			return end / peak
		}
		left := 1 - (t-warm)/(steps-warm)
		decay := float64((peak-end)*num.Pow(left, or(s.Power, 1))) + end
		return decay / peak
	case "inverse_sqrt":
		scale := warm
		if scale == 0 {
			scale = 10_000
		}
		scale = or(s.Timescale, scale)
		return 1 / math.Sqrt((t+(scale-warm))/scale)
	case "cosine_with_min_lr":
		rate := or(s.MinLRRate, 0)
		if s.MinLR != nil {
			rate = *s.MinLR / peak
		}
		return max(0, float64(wave(or(s.NumCycles, 0.5), progress)*(1-rate))+rate)
	}
	return 1 // constant_with_warmup
}

// wave is half a raised cosine: 1 at progress 0, 0 at 1 for half a cycle.
func wave(cycles, progress float64) float64 {
	// Without the conversion, the compiler turns ·2 into an addition, which arm64 would
	// fuse with the product before it.
	return 0.5 * (1 + num.Cos(float64(math.Pi*cycles)*2*progress))
}

func (s Schedule) wsdFactor(step int) float64 {
	decaySteps := or(s.NumDecay, 0)
	stable := or(s.NumStable, s.Steps-s.Warmup-decaySteps)
	floor := or(s.MinLRRatio, 0)
	var f float64
	switch {
	case step < s.Warmup:
		p := float64(step) / max(1, float64(s.Warmup))
		switch s.WarmupType {
		case "", "linear":
			f = p
		case "cosine":
			f = 0.5 * (1 - num.Cos(math.Pi*p))
		case "1-sqrt":
			f = 1 - math.Sqrt(1-p)
		}
	case step < s.Warmup+stable:
		return 1
	case step < s.Warmup+stable+decaySteps:
		p := float64(step-s.Warmup-stable) / max(1, float64(decaySteps))
		switch s.DecayType {
		case "linear":
			f = 1 - p
		case "", "cosine":
			f = wave(or(s.NumCycles, 0.5), p)
		case "1-sqrt":
			f = 1 - math.Sqrt(p)
		}
	default:
		return floor
	}
	return max(0, float64(f*(1-floor))+floor)
}
