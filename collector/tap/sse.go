package tap

import (
	"bytes"
)

const (
	maxField   = 8       // bytes of a field's name that are looked at; with a byte order mark "event" has as many
	maxSSEText = maxName // bytes of an id or event name that are kept
)

// frame is one event of a stream of server-sent events.
type frame struct {
	name string // "" is "message"
	id   string // the stream's last id, which may be of an earlier frame
	data line
}

// sse takes a stream of server-sent events apart as the HTML standard says (Server-sent events,
// "Interpreting an event stream"): lines end with CR, LF or both, the data lines of a frame are
// joined with LF, and a frame without data is none. It holds at most maxEvent bytes of a frame, or
// the two ends of a longer one.
type sse struct {
	data  splitter // of the unfinished frame
	lines int      // its data lines so far
	name  string
	id    string

	field  []byte // of the unfinished line: the name, and the value where it is no data
	value  []byte
	inside bool // behind the colon
	space  bool // a space behind the colon was looked for
	some   bool // the line has a byte
	later  bool // it is not the stream's first line
	cr     bool // the byte before was a CR

	skip   bool   // up to the next empty line
	missed uint64 // bytes of the gap that is skipped
}

// feed takes the next bytes, and calls emit for each frame that ends in them, and gap, with its
// bytes, for each gap.
func (s *sse) feed(p []byte, emit func(frame), gap func(uint64)) {
	for len(p) > 0 {
		if s.cr && p[0] == '\n' {
			s.cr, p = false, p[1:]
			continue
		}
		i := bytes.IndexAny(p, "\r\n")
		if i < 0 {
			s.cr = false
			s.part(p)
			return
		}
		s.part(p[:i])
		s.cr = p[i] == '\r'
		s.endLine(emit, gap)
		p = p[i+1:]
	}
}

// part takes bytes of one line.
func (s *sse) part(p []byte) {
	if len(p) == 0 {
		return
	}
	s.some = true
	if s.skip {
		s.missed += uint64(len(p))
		return
	}
	if !s.inside {
		name, value, colon := bytes.Cut(p, []byte{':'})
		s.field = append(s.field, name[:min(len(name), maxField+1-len(s.field))]...)
		if !colon {
			return
		}
		s.begin()
		p = value
	}
	if !s.space && len(p) > 0 {
		s.space = true
		p = bytes.TrimPrefix(p, []byte{' '})
	}
	switch string(s.field) {
	case "data":
		s.data.add(p)
	case "event", "id":
		s.value = append(s.value, p[:min(len(p), maxSSEText-len(s.value))]...)
	}
}

// begin begins a field's value.
func (s *sse) begin() {
	s.inside = true
	if !s.later {
		s.field = bytes.TrimPrefix(s.field, []byte("\uFEFF"))
	}
	if string(s.field) == "data" {
		if s.lines > 0 {
			s.data.add([]byte{'\n'})
		}
		s.lines++
	}
}

func (s *sse) endLine(emit func(frame), gap func(uint64)) {
	empty := !s.some
	if s.some && !s.inside && !s.skip {
		s.begin() // a field without a colon has an empty value
		empty = len(s.field) == 0
	}
	switch string(s.field) {
	case "event":
		s.name = string(s.value)
	case "id":
		if bytes.IndexByte(s.value, 0) < 0 {
			s.id = string(s.value)
		}
	}
	s.field, s.value, s.inside, s.space, s.some, s.later = s.field[:0], s.value[:0], false, false, false, true
	switch {
	case empty && s.skip:
		s.endGap(gap)
	case empty:
		s.dispatch(emit)
	}
}

// dispatch ends the unfinished frame, at an empty line.
func (s *sse) dispatch(emit func(frame)) {
	s.data.end(func(l line) { emit(frame{name: s.name, id: s.id, data: l}) })
	s.lines, s.name = 0, ""
}

// lose forgets the unfinished frame, of which bytes are missing, and all up to the next empty line.
func (s *sse) lose(bytes uint64) {
	s.missed += bytes + uint64(s.data.drop())
	s.lines, s.name = 0, ""
	s.field, s.value, s.inside, s.space = s.field[:0], s.value[:0], false, false
	s.some, s.later, s.cr, s.skip = true, true, false, true
}

// end ends the stream. A frame without its empty line is given all the same: some clients take it.
func (s *sse) end(emit func(frame), gap func(uint64)) {
	if s.some {
		s.endLine(emit, gap)
	}
	if s.skip {
		s.endGap(gap)
		return
	}
	s.dispatch(emit)
}

func (s *sse) endGap(gap func(uint64)) {
	gap(s.missed)
	s.skip, s.missed = false, 0
}
