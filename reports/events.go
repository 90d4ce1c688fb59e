package reports

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"path"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// EventsFile is the name of every cell's TensorBoard file: TensorBoard wants
// "tfevents" in it, and a fixed name keeps the run directory reproducible.
const EventsFile = "events.out.tfevents.0.xrun"

// WriteEvents writes TensorBoard's scalars of every cell below dir/events, one
// directory a cell: `tensorboard --logdir RUN/events` shows them side by side.
// The training scalars are those that transformers' Trainer logs, at the ends of
// logEvery windows: train/loss is the mean of the window's step losses,
// train/learning_rate and train/grad_norm are the last step's,
// train/num_input_tokens_seen counts from the start. heldout/output_loss and
// heldout/prompt_loss stand at every step they were measured at.
//
// An event's wall_time is its step number, since equal runs have equal files.
func WriteEvents(dir Directory, run *Run) error {
	for _, cell := range eventCells(run) {
		var steps []Step
		for _, s := range run.Steps {
			if s.Cell == cell {
				steps = append(steps, s)
			}
		}
		var heldout []HeldOut
		for _, h := range run.HeldOut {
			if h.Cell == cell {
				heldout = append(heldout, h)
			}
		}
		name := path.Join("events", fileName(cell), EventsFile)
		if err := dir.WriteFile(name, func(w io.Writer) error { return EncodeEvents(w, steps, heldout) }); err != nil {
			return err
		}
	}
	return nil
}

// eventCells lists the cells with training or held-out rows, in table order.
func eventCells(run *Run) []string {
	var names []string
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, s := range run.Steps {
		add(s.Cell)
	}
	for _, h := range run.HeldOut {
		add(h.Cell)
	}
	return names
}

// fileName makes a cell's name a portable file name: other characters than
// letters, digits and "._=,+-" become %XX, and so does a leading dot.
func fileName(cell string) string {
	var b strings.Builder
	for i := range len(cell) {
		c := cell[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("_=,+-", c) >= 0, c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if b.Len() == 0 {
		return "%"
	}
	return b.String()
}

// EncodeEvents writes one cell's TensorBoard file; see [WriteEvents]. Rows must
// be in the order of their steps.
func EncodeEvents(w io.Writer, steps []Step, heldout []HeldOut) error {
	if err := writeRecord(w, eventBytes(0, "brain.Event:2", nil)); err != nil {
		return err
	}
	points := LogPoints(steps)
	for len(points) > 0 || len(heldout) > 0 {
		var event []byte
		if len(heldout) == 0 || len(points) > 0 && points[0].Step <= heldout[0].Step {
			p := points[0]
			points = points[1:]
			event = eventBytes(p.Step, "", []scalar{
				{"train/loss", p.Loss}, {"train/learning_rate", p.LR}, {"train/grad_norm", p.GradNorm},
				{"train/num_input_tokens_seen", float64(p.Tokens)},
			})
		} else {
			h := heldout[0]
			heldout = heldout[1:]
			event = eventBytes(h.Step, "", []scalar{{"heldout/output_loss", h.OutputLoss}, {"heldout/prompt_loss", h.PromptLoss}})
		}
		if err := writeRecord(w, event); err != nil {
			return err
		}
	}
	return nil
}

// LogPoint is what is shown of a logEvery window at its last step.
type LogPoint struct {
	Step     int32
	Loss     float64 // mean of the losses of the window's steps that had a target; NaN if none had
	LR       float64 // of the last step
	GradNorm float64 // of the last step
	Tokens   int64   // since the start
}

// LogPoints condenses one cell's steps into its logEvery windows, as
// transformers' Trainer logs them. Steps after the last log point make no window.
func LogPoints(steps []Step) []LogPoint {
	var points []LogPoint
	var sum float64
	var n int
	var tokens int64
	for _, s := range steps {
		tokens += int64(s.Tokens)
		if !s.Skipped {
			sum += s.Loss
			n++
		}
		if s.LogPoint {
			p := LogPoint{Step: s.Step, Loss: math.NaN(), LR: s.LR, GradNorm: s.GradNorm, Tokens: tokens}
			if n > 0 {
				p.Loss = sum / float64(n)
			}
			points = append(points, p)
			sum, n = 0, 0
		}
	}
	return points
}

type scalar struct {
	tag   string
	value float64
}

// eventBytes encodes tensorflow.Event: wall_time 1 (double), step 2 (int64),
// file_version 3 (string), summary 5; Summary: value 1; Value: tag 1,
// simple_value 2 (float).
func eventBytes(step int32, version string, scalars []scalar) []byte {
	var b []byte
	b = protowire.AppendTag(b, 1, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, math.Float64bits(float64(step)))
	b = protowire.AppendTag(b, 2, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(step))
	if version != "" {
		b = protowire.AppendTag(b, 3, protowire.BytesType)
		return protowire.AppendString(b, version)
	}
	var summary []byte
	for _, s := range scalars {
		var v []byte
		v = protowire.AppendTag(v, 1, protowire.BytesType)
		v = protowire.AppendString(v, s.tag)
		v = protowire.AppendTag(v, 2, protowire.Fixed32Type)
		bits := math.Float32bits(float32(s.value))
		if math.IsNaN(s.value) {
			bits = 0x7fc00000 // processors differ in a NaN's sign and payload
		}
		v = protowire.AppendFixed32(v, bits)
		summary = protowire.AppendTag(summary, 1, protowire.BytesType)
		summary = protowire.AppendBytes(summary, v)
	}
	b = protowire.AppendTag(b, 5, protowire.BytesType)
	return protowire.AppendBytes(b, summary)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC is TFRecord's checksum: CRC-32C turned by 15 bits plus a constant, so
// that a sum over data holding sums stays good.
func maskedCRC(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// writeRecord writes a TFRecord: length, its sum, data, its sum.
func writeRecord(w io.Writer, data []byte) error {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, maskedCRC(b))
	b = append(b, data...)
	b = binary.LittleEndian.AppendUint32(b, maskedCRC(data))
	_, err := w.Write(b)
	return err
}
