package gemm

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

//go:generate go run -C ../_gen . -width 8 -out ../gemm/avx2_amd64.s -stubs ../gemm/avx2_amd64.go -pkg gemm
//go:generate go run -C ../_gen . -width 16 -out ../gemm/avx512_amd64.s -stubs ../gemm/avx512_amd64.go -pkg gemm
//go:generate go run -C ../_gen . -width 16 -dot -out ../gemm/dot_amd64.s -stubs ../gemm/dot_amd64.go -pkg gemm
//go:generate go run -C ../_gen . -neon

// forced, if not nil, is used instead of the chosen path, for tests.
var forced *path

// active returns the path in use.
func active() *path {
	if forced != nil {
		return forced
	}
	return chosen()
}

// chosen is the path XRUN_SIMD names, or the best this processor has.
var chosen = sync.OnceValue(func() *path {
	p, err := choose(os.Getenv("XRUN_SIMD"))
	if err != nil {
		panic("kernels: gemm: " + err.Error())
	}
	return p
})

// Path returns the name of the path in use; the package documentation lists them. All
// give the same bits.
func Path() string { return active().name }

// CheckPath returns an error if the environment variable XRUN_SIMD names a path that
// does not exist or cannot run here. A program should call it first: later, the same
// condition is a panic.
func CheckPath() error {
	_, err := choose(os.Getenv("XRUN_SIMD"))
	return err
}

// choose returns the named path, or the best one if name is empty.
func choose(name string) (*path, error) {
	list := paths()
	if name == "" {
		return list[0], nil
	}
	var names []string
	for _, p := range list {
		if p.name == name {
			return p, nil
		}
		names = append(names, p.name)
	}
	return nil, fmt.Errorf("XRUN_SIMD=%s: this processor or build has only %s", name, strings.Join(names, ", "))
}
