package cuda

import "fmt"

func (e *OutOfMemoryError) Error() string {
	where := "device"
	if e.Host {
		where = "page-locked host"
	}
	if e.Total == 0 {
		return fmt.Sprintf("out of %s memory: %d bytes requested", where, e.Asked)
	}
	return fmt.Sprintf("out of %s memory: %d bytes requested, %d of %d free", where, e.Asked, e.Free, e.Total)
}

// tally collects the errors of many similar steps and reports the first, with their
// number: a failed device refuses hundreds of tensors with the same message.
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
