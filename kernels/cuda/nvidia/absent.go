//go:build !(cuda && cgo && linux)

package nvidia

import "xrun/kernels/cuda"

// Options of [Open].
type Options struct{}

// Open returns an *UnavailableError: this build has no CUDA.
func Open(Options) (cuda.Driver, error) {
	return nil, &UnavailableError{"this xrun is built without CUDA", "build it with: just build-cuda (Linux, a C compiler; no CUDA toolkit needed)"}
}
