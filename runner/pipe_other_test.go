//go:build !unix

package runner

import "errors"

func makePipe(string) error { return errors.ErrUnsupported }
