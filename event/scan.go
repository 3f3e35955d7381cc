package event

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// maxDepth bounds the nesting of what is parsed, whoever wrote it.
const maxDepth = 300

// keptNodes is the longest tape that a parser keeps for its next document: 1 MiB.
const keptNodes = 1 << 16

// A scanner reads one JSON text (RFC 8259) onto a tape, in one pass. It is strict: what it takes,
// every parser takes.
type scanner struct {
	text  []byte
	at    int
	nodes []node
}

var errNesting = fmt.Errorf("nested deeper than %d", maxDepth)

// scan reads a document. The tape's memory is used again.
func (t *tape) scan(text []byte) error {
	if len(text) > math.MaxInt32 {
		return errors.New("longer than 2 GiB")
	}
	if cap(t.nodes) > keptNodes {
		t.nodes = nil
	}
	s := scanner{text: text, nodes: t.nodes[:0]}
	s.space()
	err := s.value(0)
	if s.space(); err == nil && s.at < len(text) {
		err = s.unexpected("after the value")
	}
	t.text, t.nodes = text, s.nodes
	return err
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func (s *scanner) space() {
	for s.at < len(s.text) && isSpace(s.text[s.at]) {
		s.at++
	}
}

func (s *scanner) unexpected(where string) error {
	if s.at >= len(s.text) {
		return fmt.Errorf("it ends early, %s", where)
	}
	return fmt.Errorf("unexpected %q at byte %d, %s", s.text[s.at], s.at, where)
}

// value reads a value.
func (s *scanner) value(depth int) error {
	if s.at >= len(s.text) {
		return s.unexpected("where a value should be")
	}
	i := len(s.nodes)
	s.nodes = append(s.nodes, node{start: uint32(s.at)})
	var kind ValueKind
	var err error
	switch c := s.text[s.at]; {
	case c == '"':
		kind = String
		s.nodes[i].escaped, err = s.string()
	case c == '{':
		kind, err = Object, s.object(depth+1)
	case c == '[':
		kind, err = Array, s.array(depth+1)
	case c == '-' || '0' <= c && c <= '9':
		kind, err = Number, s.number()
	case c == 't':
		kind, err = Bool, s.word("true")
	case c == 'f':
		kind, err = Bool, s.word("false")
	case c == 'n':
		kind, err = Null, s.word("null")
	default:
		return s.unexpected("where a value should be")
	}
	n := &s.nodes[i]
	n.kind, n.end, n.next = kind, uint32(s.at), uint32(len(s.nodes))
	return err
}

func (s *scanner) word(word string) error {
	if len(s.text)-s.at < len(word) || string(s.text[s.at:s.at+len(word)]) != word {
		return s.unexpected("where a value should be")
	}
	s.at += len(word)
	return nil
}

func (s *scanner) object(depth int) error {
	if depth > maxDepth {
		return errNesting
	}
	s.at++
	s.space()
	if s.at < len(s.text) && s.text[s.at] == '}' {
		s.at++
		return nil
	}
	for {
		if s.at >= len(s.text) || s.text[s.at] != '"' {
			return s.unexpected("where a name should be")
		}
		if err := s.value(depth); err != nil { // a string
			return err
		}
		s.space()
		if s.at >= len(s.text) || s.text[s.at] != ':' {
			return s.unexpected("where a colon should be")
		}
		s.at++
		s.space()
		if err := s.value(depth); err != nil {
			return err
		}
		if more, err := s.more('}'); !more {
			return err
		}
	}
}

func (s *scanner) array(depth int) error {
	if depth > maxDepth {
		return errNesting
	}
	s.at++
	s.space()
	if s.at < len(s.text) && s.text[s.at] == ']' {
		s.at++
		return nil
	}
	for {
		if err := s.value(depth); err != nil {
			return err
		}
		if more, err := s.more(']'); !more {
			return err
		}
	}
}

// more reads a comma, and reports true, or the end.
func (s *scanner) more(end byte) (bool, error) {
	s.space()
	if s.at >= len(s.text) {
		return false, s.unexpected("where a comma should be")
	}
	switch s.text[s.at] {
	case ',':
		s.at++
		s.space()
		return true, nil
	case end:
		s.at++
		return false, nil
	}
	return false, s.unexpected("where a comma should be")
}

// plain are the bytes that stand for themselves in a string.
var plain = func() (table [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// string reads a string, and reports whether it holds escapes.
func (s *scanner) string() (escaped bool, err error) {
	text, i := s.text, s.at+1
	defer func() { s.at = i }()
	for {
		for i < len(text) && plain[text[i]] {
			i++
		}
		if i >= len(text) {
			return escaped, errors.New("it ends within a string")
		}
		switch c := text[i]; {
		case c == '"':
			i++
			return escaped, nil
		case c == '\\':
			escaped = true
			n := escapeLength(text[i:])
			if n == 0 {
				return escaped, fmt.Errorf("an escape that is none at byte %d", i)
			}
			i += n
		case c < ' ':
			return escaped, fmt.Errorf("the control character %#x in a string at byte %d", c, i)
		default:
			r, n := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && n == 1 {
				return escaped, fmt.Errorf("invalid UTF-8 at byte %d", i)
			}
			i += n
		}
	}
}

// escapeLength is how many bytes an escape takes, 0 where it is none.
func escapeLength(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(text) < 6 {
			return 0
		}
		for _, c := range text[2:6] {
			if !isHex(c) {
				return 0
			}
		}
		return 6
	}
	return 0
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// number reads a number.
func (s *scanner) number() error {
	if s.text[s.at] == '-' {
		s.at++
	}
	switch {
	case s.at >= len(s.text):
		return s.unexpected("within a number")
	case s.text[s.at] == '0':
		s.at++
	case !s.digits():
		return s.unexpected("within a number")
	}
	if s.at < len(s.text) && s.text[s.at] == '.' {
		if s.at++; !s.digits() {
			return s.unexpected("within a number")
		}
	}
	if s.at < len(s.text) && (s.text[s.at] == 'e' || s.text[s.at] == 'E') {
		s.at++
		if s.at < len(s.text) && (s.text[s.at] == '+' || s.text[s.at] == '-') {
			s.at++
		}
		if !s.digits() {
			return s.unexpected("within a number")
		}
	}
	return nil
}

// digits reads digits, and reports whether there was one.
func (s *scanner) digits() bool {
	begin := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > begin
}
