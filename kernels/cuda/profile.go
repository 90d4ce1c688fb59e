package cuda

import (
	"cmp"
	"slices"
)

// KernelTime is the time that the launches of one kernel took on the device.
type KernelTime struct {
	Kernel   string  `json:"kernel"`
	Launches int     `json:"launches"`
	Seconds  float64 `json:"seconds"` // of all launches
}

// laps holds the launches being timed, each between two events.
type laps struct {
	kernels []string
	events  []Event // two for each launch
}

// Profile times every kernel launched while run runs and returns the times by kernel,
// longest first. Copies and clears are not included. The events between the kernels cost
// a little time themselves, so the sum is somewhat larger than the time of the same work
// without them.
func (e *Engine) Profile(run func() error) ([]KernelTime, error) {
	e.laps = &laps{}
	err := run()
	if err == nil {
		err = e.Sync()
	}
	l := e.laps
	e.laps = nil
	e.events = append(e.events, l.events...)
	if err != nil {
		return nil, err
	}
	at, times := map[string]int{}, []KernelTime(nil)
	for i, name := range l.kernels {
		ms, err := e.driver.Elapsed(l.events[2*i], l.events[2*i+1])
		if err != nil {
			return nil, err
		}
		j, ok := at[name]
		if !ok {
			j = len(times)
			at[name], times = j, append(times, KernelTime{Kernel: name})
		}
		times[j].Launches++
		times[j].Seconds += ms / 1000
	}
	slices.SortStableFunc(times, func(a, b KernelTime) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return times, nil
}

// lap records the next event of a profile.
func (e *Engine) lap() {
	var at Event
	if n := len(e.events); n > 0 {
		at, e.events = e.events[n-1], e.events[:n-1]
	} else {
		var err error
		if at, err = e.driver.NewEvent(); err != nil {
			e.broken("making an event", err)
			return
		}
	}
	e.laps.events = append(e.laps.events, at)
	if err := e.driver.Record(at, e.compute); err != nil {
		e.broken("recording an event", err)
	}
}
