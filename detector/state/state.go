// Package state is the form in which a detector's memory lies in Kafka: segments of changed
// cells, which are never written twice, and a manifest that names the segments in force. It is
// pure.
//
// A checkpoint writes what changed as one more segment, and now and then everything as a new
// first one. The manifest is committed together with the offset that it belongs to, in one request
// that the broker refuses from whoever has lost the partition. So what a paused former owner still
// writes is named by no manifest, and is never read.
package state

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Version is the version of the format. What another version wrote is refused.
const Version = 2

// Table names a table of cells: the rule's, in the version that its memory belongs to, and
// which of the rule's tables it is.
type Table struct {
	Rule, Version string
	Number        int // 0 to 16
}

// maxNumber is the highest number of a table that is read.
const maxNumber = 16

// ChunkBytes is about how long a chunk is: a record of the state topic.
const ChunkBytes = 960 << 10

// Writer makes the chunks of a segment.
type Writer struct {
	chunks [][]byte
	chunk  []byte
	table  Table
}

// What a record in a chunk is.
const (
	recordTable = 1
	recordEntry = 2
)

// Add adds an entry of a table.
func (w *Writer) Add(table Table, entry []byte) {
	if len(w.chunk) > 0 && len(w.chunk)+len(entry) > ChunkBytes {
		w.chunks = append(w.chunks, w.chunk)
		w.chunk = make([]byte, 0, ChunkBytes) // it will be filled like the one before
	}
	if len(w.chunk) == 0 {
		w.chunk = append(w.chunk, Version)
	}
	if len(w.chunk) == 1 || w.table != table {
		w.table = table
		w.chunk = append(w.chunk, recordTable)
		w.chunk = appendText(w.chunk, table.Rule)
		w.chunk = appendText(w.chunk, table.Version)
		w.chunk = binary.AppendUvarint(w.chunk, uint64(table.Number))
	}
	w.chunk = append(w.chunk, recordEntry)
	w.chunk = appendText(w.chunk, entry)
}

// Chunks ends the segment and returns its chunks; none where nothing was added.
func (w *Writer) Chunks() [][]byte {
	if len(w.chunk) > 0 {
		w.chunks = append(w.chunks, w.chunk)
		w.chunk = nil
	}
	return w.chunks
}

// Read calls each for the entries of a chunk. The bytes are good during the call.
func Read(chunk []byte, each func(table Table, entry []byte) error) error {
	if len(chunk) == 0 || chunk[0] != Version {
		return fmt.Errorf("reading a chunk of state: not of version %d", Version)
	}
	var table Table
	for rest := chunk[1:]; len(rest) > 0; {
		kind := rest[0]
		var first, second []byte
		var ok bool
		if first, rest, ok = text(rest[1:]); !ok {
			return errCut
		}
		switch kind {
		case recordEntry:
			if err := each(table, first); err != nil {
				return err
			}
		case recordTable:
			if second, rest, ok = text(rest); !ok {
				return errCut
			}
			number, n := binary.Uvarint(rest)
			if n <= 0 {
				return errCut
			}
			if number > maxNumber {
				return fmt.Errorf("reading a chunk of state: table %d of rule %.40q", number, first)
			}
			rest = rest[n:]
			table = Table{string(first), string(second), int(number)}
		default:
			return fmt.Errorf("reading a chunk of state: a record of kind %d", kind)
		}
	}
	return nil
}

var errCut = errors.New("reading a chunk of state: it ends early")

func appendText[T string | []byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func text(src []byte) (s, rest []byte, ok bool) {
	length, n := binary.Uvarint(src)
	if n <= 0 || length > uint64(len(src)-n) {
		return nil, nil, false
	}
	end := n + int(length)
	return src[n:end], src[end:], true
}

// Manifest says what a partition's memory is at a committed offset.
type Manifest struct {
	// Clock is the collectors' clock that was last seen, in microseconds since 1970.
	Clock int64
	// Control is the hash of what decided: rules, lists, exceptions.
	Control string
	// Chunks are the offsets of the chunks in the state topic, in the order in which they are read.
	Chunks []int64
}

// MaxChunks bounds the chunks that a manifest names: it has to fit into a commit.
const MaxChunks = 700

const prefix = "mcpwatch.state.1:"

// Encode writes the manifest as text of printable ASCII.
func (m *Manifest) Encode() string {
	data := binary.AppendVarint(nil, m.Clock)
	data = appendText(data, m.Control)
	data = binary.AppendUvarint(data, uint64(len(m.Chunks)))
	last := int64(0)
	for _, offset := range m.Chunks {
		data = binary.AppendVarint(data, offset-last)
		last = offset
	}
	return prefix + base64.RawStdEncoding.EncodeToString(data)
}

// DecodeManifest reads a manifest. The empty text is an empty one: nothing was committed yet.
func DecodeManifest(s string) (Manifest, error) {
	if s == "" {
		return Manifest{}, nil
	}
	encoded, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return Manifest{}, fmt.Errorf("reading the manifest of the state: %.40q is of another version", s)
	}
	data, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return Manifest{}, fmt.Errorf("reading the manifest of the state: %w", err)
	}
	var m Manifest
	clock, n := binary.Varint(data)
	if n <= 0 {
		return Manifest{}, errCut
	}
	control, data, ok := text(data[n:])
	if !ok {
		return Manifest{}, errCut
	}
	count, n := binary.Uvarint(data)
	if n <= 0 || count > MaxChunks {
		return Manifest{}, errCut
	}
	data = data[n:]
	m.Clock, m.Control = clock, string(control)
	last := int64(0)
	for range count {
		step, n := binary.Varint(data)
		if n <= 0 {
			return Manifest{}, errCut
		}
		if last, data = last+step, data[n:]; last < 0 {
			return Manifest{}, fmt.Errorf("reading the manifest of the state: offset %d", last)
		}
		m.Chunks = append(m.Chunks, last)
	}
	if len(data) > 0 {
		return Manifest{}, errCut
	}
	return m, nil
}
