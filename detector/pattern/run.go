package pattern

import (
	"strings"
	"unicode/utf8"
)

// Match reports whether a text holds a match. Bytes that are not UTF-8 are U+FFFD each, as in Go's regexp.
func (p *Pattern) Match(text string) bool {
	c := p.caches.Get().(*cache) //nolint:forcetypeassert // nothing else is put there
	is := c.find(text) >= 0
	p.caches.Put(c)
	return is
}

// find is where in a text it is known that there is a match, -1 for none.
func (c *cache) find(text string) int {
	at, i := c.skip(text, 0)
	if i < 0 {
		return -1
	}
	count, due := 0, never // characters; until when no gap ends
	edges := c.edges
	for i < len(text) {
		class := c.classes.byte[text[i]]
		if class == longer {
			r, n := utf8.DecodeRuneInString(text[i:])
			class = c.classes.of(r)
			i += n - 1
		}
		i++
		if count >= due {
			at, due = c.expire(at, count)
			edges = c.edges
		}
		e := edges[int(at)+int(class)]
		if e.note == unknown {
			e = c.make(at, int(class))
			edges = c.edges
		}
		at = e.to
		switch e.note {
		case plain:
		case matched:
			return i
		case idle:
			if at, i = c.skip(text, i); i < 0 {
				return -1
			}
			edges = c.edges
		default:
			for _, g := range c.entries[e.note] {
				c.begun[g] = count
				due = min(due, count+c.gaps[g].limit)
			}
		}
		count++
	}
	if count >= due {
		at, _ = c.expire(at, count)
	}
	e := c.edges[int(at)+c.width-1]
	if e.note == unknown {
		e = c.make(at, c.width-1)
	}
	if e.note == matched {
		return len(text)
	}
	return -1
}

// skip is where from a place on, at which no match has begun, the next can begin, and the state there; a place
// of -1 says that none can.
func (c *cache) skip(text string, from int) (at int32, i int) {
	i = from
	if c.prefix != "" {
		n := strings.Index(text[from:], c.prefix)
		if n < 0 {
			return 0, -1
		}
		i += n
	}
	before := edgeOfText
	if i > 0 {
		r, _ := utf8.DecodeLastRuneInString(text[:i])
		before = kindOf(r)
	}
	return c.intern(before, nil), i
}

// make makes an edge, in a new cache where the one there is is full.
func (c *cache) make(at int32, class int) edge {
	if c.held > maxHeld {
		s := *c.state(at)
		c.reset()
		at = c.intern(s.before, s.pcs)
	}
	e := c.step(at, class)
	c.edges[int(at)+class] = e
	return e
}

// expire ends the gaps that are full, and says when the next one is.
func (c *cache) expire(at int32, count int) (to int32, due int) {
	due = never
	for _, g := range c.state(at).live {
		if end := c.begun[g] + c.gaps[g].limit; end > count {
			due = min(due, end)
		} else {
			at = c.end(at, g)
		}
	}
	return at, due
}
