package cuda

import "fmt"

func (e *OutOfMemoryError) Error() string {
	where := "device"
	if e.Host {
		where = "page-locked host"
	}
	if e.Total == 0 {
		return fmt.Sprintf("out of %s memory: %d bytes asked", where, e.Asked)
	}
	return fmt.Sprintf("out of %s memory: %d bytes asked, %d of %d free", where, e.Asked, e.Free, e.Total)
}

// tally is the errors of many alike steps, of which the first is told: a device
// that fails refuses each of hundreds of tensors in the same words.
type tally struct {
	first error
	n     int
}

func (t *tally) add(err error) {
	if err == nil {
		return
	}
	if t.n++; t.first == nil {
		t.first = err
	}
}

func (t *tally) err() error {
	if t.n > 1 {
		return fmt.Errorf("%w (the first of %d such errors)", t.first, t.n)
	}
	return t.first
}
