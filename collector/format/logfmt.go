package format

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
)

// maxPairs is how many pairs of a line of logfmt are read.
const maxPairs = 128

// logfmt gives the pairs key=value of a line as Go's slog.TextHandler writes it: a value with a
// space, a quote or an equals sign in it is a Go string in quotes. It never fails: a word that is
// no pair is passed over, and a value whose quotes are wrong has the rest of the line.
func logfmt(line string) iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		for range maxPairs {
			line = strings.TrimLeft(line, " ")
			end := strings.IndexAny(line, "= ")
			if end < 0 {
				return
			}
			key := line[:end]
			if line[end] == ' ' {
				line = line[end:]
				continue
			}
			var value string
			if value, line = logfmtValue(line[end+1:]); !yield(key, value) {
				return
			}
		}
	}
}

// logfmtValue takes the value off the beginning of a line.
func logfmtValue(line string) (value, rest string) {
	if !strings.HasPrefix(line, `"`) {
		value, _, _ = strings.Cut(line, " ")
		return value, line[len(value):]
	}
	quoted, err := strconv.QuotedPrefix(line)
	if err == nil {
		value, err = strconv.Unquote(quoted)
	}
	if err != nil {
		return line, ""
	}
	return strings.ToValidUTF8(value, "\uFFFD"), line[len(quoted):]
}

// isSlog reports whether a line begins as one that slog.TextHandler wrote.
func isSlog(line []byte) bool {
	return bytes.HasPrefix(line, []byte("time=")) || bytes.HasPrefix(line, []byte("level="))
}

// slogMessage is the message of a line that slog.TextHandler wrote, without and with a time before
// its level. A text that somebody put into the line can't be taken for it: what follows the message
// is not read.
func slogMessage(line string) (message string, ok bool) {
	want := []string{"time", "level", "msg"}
	if strings.HasPrefix(line, "level=") {
		want = want[1:]
	}
	for key, value := range logfmt(line) {
		if key != want[0] {
			return "", false
		}
		if want = want[1:]; len(want) == 0 {
			return value, true
		}
	}
	return "", false
}
