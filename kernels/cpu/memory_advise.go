//go:build unix && !linux

package cpu

func advise([]byte) {}
