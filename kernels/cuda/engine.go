package cuda

import (
	"errors"
	"fmt"

	"xrun/kernels"
)

// version is incremented whenever the bits that this engine computes change.
const version = 3

// Options configure an engine. They never change a result.
type Options struct {
	// SegmentBytes is the smallest amount of memory requested from the driver at
	// once; tensors are cut out of such segments. 0 means 64 MiB. On an emulated
	// device 0 gives each tensor an allocation of its own, so that the interpreter
	// detects accesses beyond it.
	SegmentBytes int64
	// StagingBytes is the size of the page-locked memory for copies, in each
	// direction. 0 means 16 MiB, or 256 KiB on an emulated device.
	StagingBytes int
}

// Engine is the CUDA implementation of [kernels.Engine].
//
// Operations queue their kernels on one stream and return. Copies to and from the host
// run concurrently on two other streams, ordered by events. Only operations that return
// numbers to the host wait: Read, SumSquares, CrossEntropy and LogProb; and Sync.
type Engine struct {
	driver  Driver
	device  Device
	err     error // the first failure since the last Sync
	failed  error // failure of the device, after which nothing works
	compute Stream

	modules   map[string]Module
	functions map[kernel]Function
	memory    arena
	uploads   uploads
	downloads downloads
	scratches map[string]scratch
	ints      []int32 // buffer for the contents of one upload
	starts    []int32
	blocks    []squares
	updates   []update
	sums      []float64

	laps   *laps   // while Profile runs
	events []Event // of earlier profiles, for reuse
}

var _ kernels.Engine = (*Engine)(nil)

// MinMajor and MinMinor are the lowest supported compute capability. bf16 tensor cores
// and asynchronous copies need 8.0.
const (
	MinMajor = 8
	MinMinor = 0
)

// minShared is the largest shared memory of a block of any kernel. Every GPU of the
// supported compute capabilities allows 99 KiB.
var minShared = attentionGradShared("attention_dkv", kernels.BF16, maxHeadSize)

// New returns an engine over d and takes ownership of it: Close closes d, and so does
// New if it fails.
func New(d Driver, o Options) (*Engine, error) { return newEngine(d, o, PTX()) }

func newEngine(d Driver, o Options, modules map[string][]byte) (*Engine, error) {
	e := &Engine{driver: d, device: d.Device(), modules: map[string]Module{}, functions: map[kernel]Function{}, scratches: map[string]scratch{}}
	if err := e.start(o, modules); err != nil {
		return nil, fmt.Errorf("starting the cuda engine on %s: %w", e.device.Name, errors.Join(err, d.Close()))
	}
	return e, nil
}

// stagingBytes is large enough for the ids of a large batch, and for copies of weights
// to keep the bus busy.
const stagingBytes = 16 << 20

func (e *Engine) start(o Options, modules map[string][]byte) (err error) {
	if v := e.device; v.Major < MinMajor || v.Major == MinMajor && v.Minor < MinMinor {
		return fmt.Errorf("its compute capability is %d.%d; the kernels need at least %d.%d (Ampere)", v.Major, v.Minor, MinMajor, MinMinor)
	}
	if v := e.device; v.SharedPerBlock < minShared {
		return fmt.Errorf("it allows %d bytes of shared memory per block; the kernels need %d", v.SharedPerBlock, minShared)
	}
	if o.SegmentBytes < 0 || o.StagingBytes < 0 {
		return fmt.Errorf("SegmentBytes is %d and StagingBytes %d; neither may be negative", o.SegmentBytes, o.StagingBytes)
	}
	if o.SegmentBytes == 0 && !e.device.Emulated {
		o.SegmentBytes = 64 << 20
	}
	if o.StagingBytes == 0 {
		o.StagingBytes = stagingBytes
		if e.device.Emulated {
			o.StagingBytes = 256 << 10
		}
	}
	if e.compute, err = e.driver.NewStream(); err != nil {
		return err
	}
	e.memory = newArena(e.driver, o.SegmentBytes)
	if err := e.uploads.start(e, o); err != nil {
		return err
	}
	if err := e.downloads.start(e, o); err != nil {
		return err
	}
	return e.load(modules)
}

// Name returns "cuda".
func (e *Engine) Name() string { return "cuda" }

// Numerics names this engine's version and the device's compute capability, because
// tensor cores of different generations may add in different orders. An emulated device
// counts as a generation of its own.
func (e *Engine) Numerics() string {
	s := Numerics(e.device.Major, e.device.Minor)
	if e.device.Emulated {
		s += " emulated"
	}
	return s
}

// Numerics returns the result of [Engine.Numerics] for a GPU of the given compute
// capability.
func Numerics(major, minor int) string { return fmt.Sprintf("cuda/%d sm_%d%d", version, major, minor) }

// MicroBatchInvariant returns false, because tensor cores take tokens in groups of 16
// counted from the start of the micro-batch.
func (e *Engine) MicroBatchInvariant() bool { return false }

// Pass returns 8,192 tokens, with which each kernel fills the device several times over,
// and an eighth of the device's memory, or half of what is left if that is less. On an
// emulated device it returns the CPU engine's values.
func (e *Engine) Pass() (tokens int, memory int64) {
	if e.device.Emulated {
		return 512, 256 << 20
	}
	return 8192, min(e.device.Memory/8, max(0, e.device.Memory-e.memory.reserved)/2)
}

// Device describes the device that the engine runs on.
func (e *Engine) Device() Device { return e.device }

// Sync waits for outstanding work, returns the first failure since the last Sync and
// clears it. A failure of the device itself is returned by every later Sync too.
func (e *Engine) Sync() error {
	if e.failed == nil {
		if err := e.driver.Synchronize(e.compute); err != nil {
			e.broken("waiting for the device", err)
		}
	}
	err := e.err
	e.err = e.failed
	return err
}

// Close waits for outstanding work, frees all memory and closes the driver. The engine
// and its tensors must not be used afterwards.
func (e *Engine) Close() error {
	if e.driver == nil {
		return nil
	}
	err := e.Sync()
	if e.failed == nil { // after a failure the device refuses every call
		var errs tally
		e.uploads.release(e, &errs)
		errs.add(e.downloads.close(e))
		e.memory.close(&errs)
		err = errors.Join(err, errs.err())
	}
	err = errors.Join(err, e.driver.Close())
	*e = Engine{failed: errors.New("the cuda engine is closed")}
	return err
}

// fail records the first failure for Sync.
func (e *Engine) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
}

// broken records a failure of the driver. Results of work queued since the last Sync are
// meaningless, and nothing works any more.
func (e *Engine) broken(doing string, err error) {
	if e.failed == nil {
		e.failed = fmt.Errorf("%s: %w", doing, err)
	}
	if e.err == nil {
		e.err = e.failed
	}
}

// outOfMemory records that the device's memory is exhausted.
func (e *Engine) outOfMemory(doing string, err error) {
	e.fail("%s: %w; tensors take %d of the %d MiB that this engine reserved", doing, err, e.memory.inUse>>20, e.memory.reserved>>20)
}

// bug panics with a description of the caller's mistake.
func (e *Engine) bug(format string, args ...any) {
	panic("kernels: " + fmt.Sprintf(format, args...))
}
