package event

import "fmt"

// flaw says why a text is not JSON.
type flaw struct {
	at     int // the first byte that does not fit
	reason string
	// unicode is set where nothing was found wrong before invalid UTF-8 or half a surrogate pair.
	unicode bool
	// after is set where a value has ended and what follows does not fit.
	after bool
}

func (f *flaw) Error() string { return fmt.Sprintf("is not JSON at byte %d: %s", f.at, f.reason) }

func endsEarly(data []byte) *flaw { return &flaw{at: len(data), reason: "the text ends early"} }

// outside is the innermost object or array where there is none.
const outside = -1

// scanned is what scan has read.
type scanned struct {
	nodes []node
	// open is the innermost object or array that is not ended, outside if there is none; the
	// next of an open one is the one around it.
	open int
	// spaced is set where there is white space between tokens.
	spaced bool

	inObject     bool // open is an object
	level, depth int
}

// scan reads a document in one pass (RFC 8259) and appends its nodes. Names may occur twice; a
// string is valid UTF-8, and half a surrogate pair is no character. To check a document is to
// forget each of its values that has ended.
//
// What usually comes is read in place, without a call: it is what all the time goes into.
func scan(data []byte, nodes []node, depth int, check bool) (scanned, error) {
	s := scanned{open: outside, depth: depth}
	i, err := s.space(data, 0), error(nil)
	for err == nil {
		if len(nodes)+2 > cap(nodes) {
			nodes = grow(nodes, i, len(data))
		}
		if s.inObject {
			end, meta := -1, uint32(String)
			if i < len(data) && data[i] == '"' {
				end = shortString(data, i+1)
			}
			if end < 0 {
				if end, meta, err = scanName(data, i); err != nil {
					break
				}
			}
			nodes = append(nodes, node{meta | isName, uint32(i + 1), uint32(end), uint32(len(nodes) + 1)})
			if i = end + 2; i >= len(data) || data[i-1] != ':' || data[i] <= ' ' {
				if i, err = s.colon(data, end+1); err != nil {
					break
				}
			}
		}
		if i >= len(data) {
			err = endsEarly(data)
			break
		}
		if c := data[i]; c == '"' {
			end, meta := shortString(data, i+1), uint32(String)
			if end < 0 {
				if end, meta, err = scanString(data, i+1); err != nil {
					break
				}
			}
			nodes = append(nodes, node{meta, uint32(i + 1), uint32(end), uint32(len(nodes) + 1)})
			i = end + 1
		} else if c == '{' || c == '[' {
			nodes, err = s.begin(nodes, i, c)
			if i = s.space(data, i+1); err != nil || i >= len(data) || data[i] != c+2 { // ']' is '['+2, '}' is '{'+2
				continue
			}
		} else {
			end, kind := scanInteger(data, i), Number
			if end < 0 {
				if end, kind, err = scanWord(data, i); err != nil {
					break
				}
			}
			nodes = append(nodes, node{uint32(kind), uint32(i), uint32(end), uint32(len(nodes) + 1)})
			i = end
		}
		if check {
			nodes = nodes[:s.open+1]
		}
		// A comma leads to the next value.
		if i+1 < len(data) && data[i] == ',' && s.open != outside {
			if i++; data[i] <= ' ' {
				i = s.space(data, i)
			}
			continue
		}
		var more bool
		if i, more, err = s.end(data, nodes, i, check); !more {
			break
		}
		if check {
			nodes = nodes[:s.open+1]
		}
	}
	s.nodes = nodes
	return s, err
}

// begin opens the object or array that begins at i.
func (s *scanned) begin(nodes []node, i int, c byte) ([]node, error) {
	if s.level++; s.level > s.depth {
		return nodes, errDepth
	}
	kind := Array
	if s.inObject = c == '{'; s.inObject {
		kind = Object
	}
	nodes = append(nodes, node{meta: uint32(kind), start: uint32(i), next: uint32(s.open)})
	s.open = len(nodes) - 1
	return nodes, nil
}

// end ends each object and array that ends at i, where a value has ended. It says where the
// next value begins, if there is more.
func (s *scanned) end(data []byte, nodes []node, i int, check bool) (next int, more bool, err error) {
	for {
		if i = s.space(data, i); s.open == outside || i >= len(data) {
			return i, false, ended(data, i, s.open)
		}
		c := data[i]
		i++
		if c == ',' {
			return s.space(data, i), true, nil
		}
		n := &nodes[s.open]
		if c != data[n.start]+2 {
			return i, false, &flaw{at: i - 1, reason: "neither a comma nor the end of the object or array", after: true}
		}
		s.open, n.end, n.next = int(int32(n.next)), uint32(i), uint32(len(nodes))
		s.inObject = s.open != outside && nodes[s.open].kind() == Object
		s.level--
		if check {
			nodes = nodes[:s.open+1]
		}
	}
}

// ended says what is wrong where a text has no more after a value, or a value too much.
func ended(data []byte, i, open int) error {
	switch {
	case i >= len(data) && open == outside:
		return nil
	case i >= len(data):
		early := endsEarly(data)
		early.after = true
		return early
	default:
		return &flaw{at: i, reason: "more follows the value", after: true}
	}
}

// grow makes room for two nodes and more, by how many the text had so far.
//
//go:noinline
func grow(nodes []node, at, size int) []node {
	room := 64
	if len(nodes) > 0 {
		room = int(int64(len(nodes))*int64(size-at)/int64(at+1)) + len(nodes)/8 + 64
	}
	room = min(room, size-at+2) // no text has more
	grown := make([]node, len(nodes), len(nodes)+room)
	copy(grown, nodes)
	return grown
}

// space is where the white space at a place ends, and says if there is any.
func (s *scanned) space(data []byte, i int) int {
	if i < len(data) && data[i] > ' ' {
		return i
	}
	end := spaces(data, i)
	s.spaced = s.spaced || end > i
	return end
}

func spaces(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t') {
		i++
	}
	return i
}

// scanName says where the name of a member that is due at i ends.
func scanName(data []byte, i int) (end int, meta uint32, err error) {
	if i >= len(data) {
		return 0, 0, endsEarly(data)
	}
	if data[i] != '"' {
		return 0, 0, &flaw{at: i, reason: "no name of a member"}
	}
	return scanString(data, i+1)
}

// colon says where the value begins whose name has ended.
func (s *scanned) colon(data []byte, i int) (int, error) {
	if i = s.space(data, i); i >= len(data) {
		return i, endsEarly(data)
	}
	if data[i] != ':' {
		return i, &flaw{at: i, reason: "no colon after a name"}
	}
	return s.space(data, i+1), nil
}

// scanWord says where the number, true, false or null that begins at i ends.
func scanWord(data []byte, i int) (end int, kind ValueKind, err error) {
	switch c := data[i]; {
	case '0' <= c && c <= '9', c == '-':
		return scanNumber(data, i)
	case c == 't':
		return scanLiteral(data, i, "true", Bool)
	case c == 'f':
		return scanLiteral(data, i, "false", Bool)
	case c == 'n':
		return scanLiteral(data, i, "null", Null)
	}
	return 0, Absent, &flaw{at: i, reason: "no value begins so"}
}

// scanInteger says where the number that begins at i ends if it is digits alone, else -1.
func scanInteger(data []byte, i int) int {
	end := i
	for end < len(data) && data[end]-'0' <= 9 {
		end++
	}
	if end == i || end > i+1 && data[i] == '0' || end < len(data) && (data[end] == '.' || data[end]|0x20 == 'e') {
		return -1
	}
	return end
}

func scanLiteral(data []byte, i int, word string, kind ValueKind) (int, ValueKind, error) {
	for k := range len(word) {
		if i+k >= len(data) {
			return 0, Absent, endsEarly(data)
		}
		if data[i+k] != word[k] {
			return 0, Absent, &flaw{at: i + k, reason: "is not " + word}
		}
	}
	return i + len(word), kind, nil
}

func scanNumber(data []byte, i int) (int, ValueKind, error) {
	if data[i] == '-' {
		i++
	}
	var ok bool
	if i < len(data) && data[i] == '0' {
		i++
	} else if i, ok = digits(data, i); !ok {
		return noDigit(data, i)
	}
	if i < len(data) && data[i] == '.' {
		if i, ok = digits(data, i+1); !ok {
			return noDigit(data, i)
		}
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		if i++; i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		if i, ok = digits(data, i); !ok {
			return noDigit(data, i)
		}
	}
	return i, Number, nil
}

// digits says where the digits at i end, and whether there are any.
func digits(data []byte, i int) (end int, any bool) {
	start := i
	for i < len(data) && '0' <= data[i] && data[i] <= '9' {
		i++
	}
	return i, i > start
}

func noDigit(data []byte, i int) (int, ValueKind, error) {
	if i >= len(data) {
		return 0, Absent, endsEarly(data)
	}
	return 0, Absent, &flaw{at: i, reason: "no digit where a number needs one"}
}
