package window_test

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/mcpwatch/mcpwatch/detector/window"
)

// The parts of a cell as it is written.

func flag(b byte) []byte { return []byte{b} }

func half(n uint16) []byte { return binary.LittleEndian.AppendUint16(nil, n) }

func word(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

func double(f float64) []byte { return word(math.Float64bits(f)) }

func uvarint(n uint64) []byte { return binary.AppendUvarint(nil, n) }

func varint(n int64) []byte { return binary.AppendVarint(nil, n) }

func step(at int64) []byte { return slices.Concat(varint(at), uvarint(7), uvarint(1), []byte("c")) }

func cell(parts ...[]byte) []byte { return slices.Concat(parts...) }

// moment is the rank of a time, as newest times are written.
func moment(at int64) []byte { return word(uint64(at) ^ 1<<63) }

func decode[C any, P window.Cell[C]](src []byte) error {
	_, err := P(new(C)).Decode(src)
	return err
}

// TestDecodeRefusesWhatNoCellIs holds that what breaks a cell's promises is not read. Each is one
// change away from what is.
func TestDecodeRefusesWhatNoCellIs(t *testing.T) {
	many := make([]byte, 100_000)
	for name, test := range map[string]struct {
		decode    func([]byte) error
		good, bad []byte
	}{
		"a count's 13th part":          {decode[window.Count], cell(moment(1), half(1<<11), half(1)), cell(moment(1), half(1<<12), half(1))},
		"a sum that is no number":      {decode[window.Sum], cell(moment(1), half(1), double(1)), cell(moment(1), half(1), double(math.NaN()))},
		"a sum without end":            {decode[window.Sum], cell(moment(1), half(1), double(1)), cell(moment(1), half(1), double(math.Inf(-1)))},
		"values out of order":          {decode[window.Distinct], cell(moment(9), uvarint(2), word(1), varint(3), uvarint(0), word(2), varint(4), uvarint(0)), cell(moment(9), uvarint(2), word(1), varint(4), uvarint(0), word(2), varint(3), uvarint(0))},
		"a value after the newest":     {decode[window.Distinct], cell(moment(3), uvarint(1), word(1), varint(3), uvarint(0)), cell(moment(3), uvarint(1), word(1), varint(4), uvarint(0))},
		"a value twice":                {decode[window.Distinct], cell(moment(9), uvarint(2), word(1), varint(3), uvarint(0), word(2), varint(3), uvarint(0)), cell(moment(9), uvarint(2), word(1), varint(3), uvarint(0), word(1), varint(3), uvarint(0))},
		"a long text":                  {decode[window.Distinct], cell(moment(9), uvarint(1), word(1), varint(3), uvarint(64), many[:64]), cell(moment(9), uvarint(1), word(1), varint(3), uvarint(65), many[:65])},
		"too many values":              {decode[window.Distinct], cell(moment(0), uvarint(0)), cell(moment(0), uvarint(window.MaxDistinct+1), many)},
		"a flag of 2":                  {decode[window.FirstSeen], cell(flag(1), varint(3), uvarint(0)), cell(flag(2), varint(3), uvarint(0))},
		"a known value twice":          {decode[window.FirstSeen], cell(flag(1), varint(3), uvarint(2), word(1), varint(3), word(2), varint(3)), cell(flag(1), varint(3), uvarint(2), word(1), varint(3), word(1), varint(3))},
		"more values than bytes":       {decode[window.FirstSeen], cell(flag(1), varint(3), uvarint(1), word(1), varint(3)), cell(flag(1), varint(3), uvarint(1<<60), word(1), varint(3))},
		"an event of no step":          {decode[window.Sequence], cell(moment(9), uvarint(1), uvarint(1), step(3)), cell(moment(9), uvarint(1), uvarint(0), step(3))},
		"an event of a 33rd step":      {decode[window.Sequence], cell(moment(9), uvarint(1), uvarint(1<<31), step(3)), cell(moment(9), uvarint(1), uvarint(1<<32), step(3))},
		"events out of order":          {decode[window.Sequence], cell(moment(9), uvarint(2), uvarint(1), step(3), uvarint(2), step(4)), cell(moment(9), uvarint(2), uvarint(1), step(4), uvarint(2), step(3))},
		"an event after the newest":    {decode[window.Sequence], cell(moment(3), uvarint(1), uvarint(1), step(3)), cell(moment(3), uvarint(1), uvarint(1), step(4))},
		"too many events":              {decode[window.Sequence], cell(moment(3), uvarint(0)), cell(moment(3), uvarint(65), many)},
		"a wait that was over at once": {decode[window.Absence], cell(uvarint(1), step(3), varint(3), varint(3), varint(9), uvarint(0)), cell(uvarint(1), step(3), varint(2), varint(3), varint(9), uvarint(0))},
		"a wait that ends too early":   {decode[window.Absence], cell(uvarint(1), step(3), varint(4), varint(4), varint(9), uvarint(0)), cell(uvarint(1), step(3), varint(4), varint(3), varint(9), uvarint(0))},
		"an answer of the past":        {decode[window.Absence], cell(uvarint(0), uvarint(1), step(3), varint(3)), cell(uvarint(0), uvarint(1), step(3), varint(2))},
		"too many waits":               {decode[window.Absence], cell(uvarint(0), uvarint(0)), cell(uvarint(65), many)},
		"too many answers":             {decode[window.Absence], cell(uvarint(0), uvarint(0)), cell(uvarint(0), uvarint(65), many)},
		"more held back than can be":   {decode[window.Quiet], cell(flag(1), varint(1), varint(1), uvarint(math.MaxUint32), uvarint(0)), cell(flag(1), varint(1), varint(1), uvarint(math.MaxUint32+1), uvarint(0))},
	} {
		if err := test.decode(test.good); err != nil {
			t.Errorf("%s: what it is a change from is refused: %v", name, err)
		}
		if test.decode(test.bad) == nil {
			t.Errorf("%s: it is read", name)
		}
	}
}
