package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Cadence is how often something is done: every so many optimizer steps, or
// after so much time. The zero value leaves it to xrun. At most one is set.
type Cadence struct {
	Steps int
	Time  time.Duration
}

// MarshalJSON writes a number of steps, or a time such as "10m".
func (c Cadence) MarshalJSON() ([]byte, error) {
	if c.Time == 0 {
		return json.Marshal(c.Steps)
	}
	for _, u := range []struct {
		name string
		unit time.Duration
	}{{"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if c.Time%u.unit == 0 {
			return json.Marshal(fmt.Sprint(int64(c.Time/u.unit), u.name))
		}
	}
	return nil, fmt.Errorf("the time %v is not in whole seconds", c.Time)
}

// UnmarshalJSON reads what MarshalJSON writes: a whole number of steps, or a time
// of whole hours, minutes or seconds in quotes.
func (c *Cadence) UnmarshalJSON(b []byte) error {
	*c = Cadence{}
	var text string
	if json.Unmarshal(b, &text) != nil {
		if err := json.Unmarshal(b, &c.Steps); err != nil || c.Steps < 0 {
			return fmt.Errorf("%s is neither a number of steps nor a time such as \"10m\"", b)
		}
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d%time.Second != 0 || strings.ContainsAny(text, "+.") {
		return fmt.Errorf("%q is no time such as \"10m\" or \"90s\"", text)
	}
	c.Time = d
	return nil
}
