package ptx

import "errors"

// Parse reads and checks a PTX module. name appears in errors. An error is of
// type *SyntaxError.
func Parse(name string, src []byte) (*Module, error) {
	return nil, errors.New("ptx: being built")
}

type source struct{ lines []string }

func (s *source) line(n int) string { return s.lines[n-1] }

type variable struct{}

type function struct {
	name         string
	contractible []Pos
}

type symbol struct {
	addr uint64
	size int64
}

func (d *Device) load(m *Module) (*Image, error) { return nil, errors.New("ptx: being built") }
func (d *Device) unload(i *Image) error          { return nil }
func (d *Device) launch(k *Kernel, l Launch, params []byte) error {
	return errors.New("ptx: being built")
}
