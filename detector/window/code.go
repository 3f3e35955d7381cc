package window

import (
	"encoding/binary"
	"errors"
)

var errRange = errors.New("a number out of range")

// maxBytes bounds one text or list that is read.
const maxBytes = 1 << 20

func flag(is bool) byte {
	if is {
		return 1
	}
	return 0
}

// The readers pass an error on, so that a cell's fields are read one after another and the
// error is looked at once.

func uvarint(src []byte, err error) (uint64, []byte, error) {
	if err != nil {
		return 0, nil, err
	}
	n, size := binary.Uvarint(src)
	if size <= 0 {
		return 0, nil, errShort
	}
	return n, src[size:], nil
}

func varint(src []byte, err error) (int64, []byte, error) {
	if err != nil {
		return 0, nil, err
	}
	n, size := binary.Varint(src)
	if size <= 0 {
		return 0, nil, errShort
	}
	return n, src[size:], nil
}

func bytesOf(src []byte, err error) ([]byte, []byte, error) {
	n, src, err := uvarint(src, err)
	switch {
	case err != nil:
		return nil, nil, err
	case n > maxBytes || n > uint64(len(src)):
		return nil, nil, errShort
	}
	return src[:n], src[n:], nil
}

func appendBytes[T string | []byte](dst []byte, b T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// length reads how many things follow, of which each takes a byte at least.
func length(src []byte, err error) (int, []byte, error) {
	n, src, err := uvarint(src, err)
	if err == nil && n > uint64(len(src)) {
		return 0, nil, errShort
	}
	return int(n), src, err
}
