package syslog

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
)

// Framer takes a stream apart into frames, each with its length before it or a line's end behind it
// (RFC 6587, 3.4.1 and 3.4.2; RFC 5425 knows the first alone).
type Framer struct {
	in   *bufio.Reader
	most int
}

// buffered is how much of a stream is read ahead, in bytes.
const buffered = 64 << 10

// maxDigits bounds the length before a frame.
const maxDigits = 9

// NewFramer returns a framer of frames of at most that many bytes.
func NewFramer(in io.Reader, most int) *Framer {
	return &Framer{in: bufio.NewReaderSize(in, buffered), most: most}
}

// errLength says that a frame begins with a number that is no length: what follows cannot be told
// apart.
var errLength = errors.New("a frame's length cannot be read")

// Next is the next frame, the caller's to keep. Of one that is too long, which long says, it is the
// first part. A frame may be empty. The error is io.EOF at the end, io.ErrUnexpectedEOF within a
// frame with a length, or one that ends the stream.
func (f *Framer) Next() (frame []byte, long bool, err error) {
	first, err := f.in.Peek(1)
	if err != nil {
		return nil, false, err
	}
	if first[0] >= '1' && first[0] <= '9' {
		return f.counted()
	}
	return f.line()
}

func (f *Framer) counted() (frame []byte, long bool, err error) {
	length := 0
	for range maxDigits + 1 {
		b, err := f.in.ReadByte()
		switch {
		case err != nil:
			return nil, false, unexpected(err)
		case b == ' ':
			return f.exactly(length)
		case b < '0' || b > '9':
			return nil, false, errLength
		}
		length = 10*length + int(b-'0')
	}
	return nil, false, errLength
}

func (f *Framer) exactly(length int) (frame []byte, long bool, err error) {
	var b bytes.Buffer // grows with what comes, not with what is announced
	if _, err := io.CopyN(&b, f.in, int64(min(length, f.most))); err != nil {
		return nil, false, unexpected(err)
	}
	if length > f.most {
		if _, err := io.CopyN(io.Discard, f.in, int64(length-f.most)); err != nil {
			return nil, false, unexpected(err)
		}
	}
	return b.Bytes(), length > f.most, nil
}

func (f *Framer) line() (frame []byte, long bool, err error) {
	for {
		part, err := f.in.ReadSlice('\n')
		room := f.most - len(frame)
		long = long || len(bytes.TrimSuffix(part, []byte("\n"))) > room
		frame = append(frame, part[:min(len(part), room)]...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(frame) > 0, err == nil:
			return bytes.TrimRight(frame, "\r\n\x00"), long, nil
		}
		return nil, false, err
	}
}

// Ready reports whether a whole frame has been read already: Next does not wait then.
func (f *Framer) Ready() bool {
	there, _ := f.in.Peek(f.in.Buffered())
	if len(there) == 0 || there[0] < '1' || there[0] > '9' {
		return bytes.IndexByte(there, '\n') >= 0
	}
	digits, rest, found := bytes.Cut(there, []byte(" "))
	if !found || len(digits) > maxDigits {
		return false
	}
	length, err := strconv.Atoi(string(digits))
	return err != nil || len(rest) >= length // Next says what is wrong
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
