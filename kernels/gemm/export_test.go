package gemm

// Paths returns the names of the paths that can run here, best first.
func Paths() []string {
	var names []string
	for _, p := range paths() {
		names = append(names, p.name)
	}
	return names
}

// Force makes the package use the named path until the returned function is
// called.
func Force(name string) (restore func()) {
	p, err := choose(name)
	if err != nil {
		panic(err)
	}
	forced = p
	return func() { forced = nil }
}
