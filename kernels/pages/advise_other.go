//go:build unix && !linux

package pages

func advise([]byte) {}

const drops = false

// drop does nothing: memory goes back with the whole chunk.
func drop([]byte) {}
