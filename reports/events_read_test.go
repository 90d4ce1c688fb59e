package reports_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// scalar is one value of a TensorBoard file.
type scalar struct {
	Step     int64
	WallTime float64
	Tag      string
	Value    float32
}

// readEvents is TensorBoard's side: it reads the scalars of a file by the formats of
// TFRecord and of the Event message. Damage is an error with its byte offset.
func readEvents(data []byte) ([]scalar, error) {
	var out []scalar
	for at := 0; at < len(data); {
		rest := data[at:]
		if len(rest) < 12 {
			return nil, fmt.Errorf("reading events: record at byte %d is cut short", at)
		}
		if binary.LittleEndian.Uint32(rest[8:]) != maskedCRC(rest[:8]) {
			return nil, fmt.Errorf("reading events: checksum of the length at byte %d does not match", at)
		}
		n := binary.LittleEndian.Uint64(rest)
		if n > uint64(len(rest)) || uint64(len(rest)) < n+16 {
			return nil, fmt.Errorf("reading events: record of %d bytes at byte %d is cut short", n, at)
		}
		body := rest[12 : 12+n]
		if binary.LittleEndian.Uint32(rest[12+n:]) != maskedCRC(body) {
			return nil, fmt.Errorf("reading events: checksum of the record at byte %d does not match", at)
		}
		scalars, err := parseEvent(body)
		if err != nil {
			return nil, fmt.Errorf("reading events: record at byte %d: %w", at, err)
		}
		out = append(out, scalars...)
		at += int(n) + 16
	}
	return out, nil
}

func parseEvent(b []byte) ([]scalar, error) {
	var step int64
	var wall float64
	var out []scalar
	err := eachField(b, func(num protowire.Number, fixed uint64, bytes []byte) error {
		switch num {
		case 1:
			wall = math.Float64frombits(fixed)
		case 2:
			step = int64(fixed)
		case 5:
			return eachField(bytes, func(num protowire.Number, _ uint64, value []byte) error {
				if num != 1 {
					return nil
				}
				var s scalar
				err := eachField(value, func(num protowire.Number, fixed uint64, bytes []byte) error {
					switch num {
					case 1:
						s.Tag = string(bytes)
					case 2:
						s.Value = math.Float32frombits(uint32(fixed))
					}
					return nil
				})
				out = append(out, s)
				return err
			})
		}
		return nil
	})
	for i := range out {
		out[i].Step, out[i].WallTime = step, wall
	}
	return out, err
}

// maskedCRC is TFRecord's: CRC-32C, turned by 15 bits, plus a constant.
func maskedCRC(b []byte) uint32 {
	c := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return (c>>15 | c<<17) + 0xa282ead8
}

// eachField walks a protobuf message; groups, which events do not have, are errors.
func eachField(b []byte, visit func(num protowire.Number, fixed uint64, bytes []byte) error) error {
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var fixed uint64
		var bytes []byte
		switch kind {
		case protowire.VarintType:
			fixed, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			fixed, n = protowire.ConsumeFixed64(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			fixed = uint64(v)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(b)
		default:
			return errors.New("group in an event")
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := visit(num, fixed, bytes); err != nil {
			return err
		}
	}
	return nil
}
