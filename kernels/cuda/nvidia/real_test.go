//go:build cuda && cgo && linux && !fakecuda

package nvidia_test

const faked = false
