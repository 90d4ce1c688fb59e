package nvidia

import (
	"errors"
	"fmt"
	"strings"
)

// UnavailableError explains why no device can be used.
type UnavailableError struct {
	Reason string
	Advice string // what to do; may be empty
}

func (e *UnavailableError) Error() string { return e.Reason }

// Hint returns what the user can do.
func (e *UnavailableError) Hint() string { return e.Advice }

// Error is a failure that the CUDA driver reported.
type Error struct {
	Doing string // the operation, as in "loading gemm.ptx"
	Code  int    // CUresult
	Name  string // CUDA_ERROR_..., or another text if the driver has no name for Code
	Log   string // of the PTX compiler
	About string // further information, such as kernels in flight
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cuda: %s: ", e.Doing)
	if x, ok := explanations[e.Code]; ok {
		fmt.Fprintf(&b, "%s (%s, CUDA error %d)", x.what, e.Name, e.Code)
	} else {
		fmt.Fprintf(&b, "%s (CUDA error %d)", e.Name, e.Code)
	}
	if e.About != "" {
		b.WriteString("; " + e.About)
	}
	if e.Log != "" {
		b.WriteString("\n" + strings.TrimRight(e.Log, "\n"))
	}
	return b.String()
}

// Hint returns what the user can do, or "".
func (e *Error) Hint() string { return explanations[e.Code].hint }

// Exhausted reports whether the driver lacked memory for something of its own, such as a
// kernel's code. If a caller requested the memory, the error is a
// *cuda.OutOfMemoryError instead.
func Exhausted(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == 2
}

// explanations covers the codes that a user of this program may encounter. For the
// others, the driver's names are clear enough.
var explanations = map[int]struct{ what, hint string }{
	2:   {"out of device memory", "close other programs that use the GPU (nvidia-smi lists them)"},
	3:   {"the driver is not initialized", ""},
	34:  {"libcuda.so.1 is the toolkit's stub, not a driver", "take the toolkit's stubs directory off LD_LIBRARY_PATH"},
	46:  {"the device is busy or unavailable", "another process holds it in exclusive mode: see nvidia-smi, compute mode"},
	100: {"no CUDA device", "is CUDA_VISIBLE_DEVICES set? does nvidia-smi list a device?"},
	101: {"no such device", "see CUDA_VISIBLE_DEVICES"},
	200: {"the kernel image is invalid", ""},
	201: {"no valid context", ""},
	209: {"the driver cannot make code for this device", "kernels are PTX for compute capability 8.0 and need a driver that compiles it"},
	214: {"uncorrectable memory error on the device", "the hardware reported it: see nvidia-smi -q -d ECC"},
	218: {"the driver's compiler refused the PTX", ""},
	220: {"uncorrectable NVLink error", "the hardware reported it"},
	221: {"the driver has no PTX compiler", "install the driver's libnvidia-ptxjitcompiler"},
	222: {"the driver is too old for the PTX version of the kernels", "PTX 7.0 needs a driver of CUDA 11.0, 450.36 or newer"},
	223: {"compilation of PTX is switched off", "unset CUDA_DISABLE_PTX_JIT"},
	500: {"no such name in the module", ""},
	700: {"a kernel read or wrote an illegal address", inFlight},
	701: {"a launch asks for more registers or shared memory than the device has", ""},
	702: {"a kernel ran longer than the device's display allows", "use a GPU that drives no display"},
	709: {"the context is destroyed", ""},
	710: {"a kernel's assertion failed", inFlight},
	714: {"the device's stack overflowed or was corrupted", inFlight},
	715: {"a kernel executed an illegal instruction or a trap", inFlight},
	716: {"a kernel used a misaligned address", inFlight},
	717: {"a kernel used an address of another space", inFlight},
	718: {"a kernel's program counter left its code", inFlight},
	719: {"a kernel failed", inFlight},
	802: {"the system's GPUs are not ready", "is nvidia-fabricmanager running?"},
	803: {"the driver's kernel module and library differ in version", "reboot, or reload the nvidia modules"},
	804: {"this driver's compatibility package does not serve this device", "remove cuda-compat from the library path"},
	999: {"the driver failed for an unknown reason", "see dmesg for lines of NVRM"},
}

const inFlight = "run again with CUDA_LAUNCH_BLOCKING=1 to learn which kernel; this is a bug in xrun: please report it with the output of xrun selftest"
