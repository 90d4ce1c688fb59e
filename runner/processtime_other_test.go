//go:build !unix

package runner

import "time"

func processTime() time.Duration { return 0 }
