package ptx

// definite finds the registers that may be read before they are written.
func (l *lowerer) definite() {}

func (w *warp) checkWritten(in *instr, mask uint32) {}
