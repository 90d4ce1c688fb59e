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
