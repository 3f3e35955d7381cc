package intel

import (
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/mcpwatch/mcpwatch/content"
)

// Set is the values of a list of a kind. It is immutable and safe for concurrent use.
type Set struct {
	kind   Kind
	values map[string]struct{} // names: those of domains, without "*."

	// Of domains: the names of which every name below is listed too, those alone of which the name
	// itself is not, and how many labels the longest has.
	above, notSelf map[string]struct{}
	labels         int

	// Of addresses: the blocks, and the lengths of their prefixes, longest first.
	blocks     map[netip.Prefix]struct{}
	four, sixs []int
}

// New makes a set of values in their one form. A domain stands for the names below it too, unless it
// is a public suffix: then *.NAME stands for those.
func New(kind Kind, values []string) *Set {
	s := &Set{kind: kind, values: make(map[string]struct{}, len(values))}
	switch kind {
	case Domains:
		s.above, s.notSelf = map[string]struct{}{}, map[string]struct{}{}
	case Addresses:
		s.blocks = map[netip.Prefix]struct{}{}
	case Plain, URLs, Hashes:
	}
	for _, value := range values {
		switch kind {
		case Domains:
			s.addDomain(value)
		case Addresses:
			s.addBlock(value)
		case Plain, URLs, Hashes:
			s.values[value] = struct{}{}
		}
	}
	return s
}

func (s *Set) addDomain(value string) {
	name, wild := strings.CutPrefix(value, below)
	s.labels = max(s.labels, strings.Count(name, ".")+1)
	if !wild {
		s.values[name] = struct{}{}
		delete(s.notSelf, name)
	} else if _, self := s.values[name]; !self {
		s.notSelf[name] = struct{}{}
	}
	if wild || !content.IsSuffix(name) {
		s.above[name] = struct{}{}
	}
}

func (s *Set) addBlock(value string) {
	block, err := netip.ParsePrefix(value)
	if err != nil {
		a, err := netip.ParseAddr(value)
		if err != nil {
			return // no value in its one form
		}
		block = netip.PrefixFrom(a, a.BitLen())
	}
	s.blocks[block] = struct{}{}
	lengths := &s.sixs
	if block.Addr().Is4() {
		lengths = &s.four
	}
	if !slices.Contains(*lengths, block.Bits()) {
		*lengths = append(*lengths, block.Bits())
		slices.SortFunc(*lengths, func(a, b int) int { return b - a })
	}
}

// Kind is the kind of the set's values.
func (s *Set) Kind() Kind { return s.kind }

// Has reports whether a value, however it is written, is listed: of domains a host or one above it, of
// addresses one that is in a block.
func (s *Set) Has(written string) bool {
	if len(written) > MaxValue {
		return false
	}
	var found bool
	switch s.kind {
	case Domains:
		_, found = s.domain(content.Host(written))
	case Addresses:
		for a := range content.NumericHosts("x://" + bracketed(written)) {
			if _, is := s.address(a); is {
				return true
			}
		}
	case URLs:
		if value, err := parseURL(written); err == nil {
			_, found = s.values[value]
		}
	case Hashes:
		_, found = s.values[strings.ToLower(written)]
	case Plain:
		_, found = s.values[written]
	}
	return found
}

// bracketed puts an address of IPv6 into brackets, as URLs have it.
func bracketed(host string) string {
	if strings.Count(host, ":") >= 2 && !strings.HasPrefix(host, "[") {
		return "[" + host + "]"
	}
	return host
}

// In yields the listed values that a text mentions, as often as it does, in linear time. Plain lists
// have none: their values are no indicators.
func (s *Set) In(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		switch s.kind {
		case Domains:
			found(content.Names(text), s.domain, yield)
		case Addresses:
			found(content.NumericHosts(text), s.address, yield)
		case URLs:
			found(content.EachURL(text), s.url, yield)
		case Hashes:
			found(content.Digests(text), s.same, yield)
		case Plain:
		}
	}
}

func found[T any](all iter.Seq[T], listed func(T) (string, bool), yield func(string) bool) {
	for one := range all {
		if value, is := listed(one); is && !yield(value) {
			return
		}
	}
}

func (s *Set) same(value string) (string, bool) {
	_, is := s.values[value]
	return value, is
}

func (s *Set) url(written string) (string, bool) {
	value, err := parseURL(written)
	if err != nil {
		return "", false
	}
	return s.same(value)
}

// domain finds a host, or a name above it, by its last labels: no more than a listed name has.
func (s *Set) domain(host string) (string, bool) {
	end := len(host)
	for range s.labels {
		end = strings.LastIndexByte(host[:end], '.')
		name := host[end+1:]
		if end < 0 {
			_, is := s.values[name]
			return name, is
		}
		if _, is := s.above[name]; is {
			if _, alone := s.notSelf[name]; alone {
				name = below + name
			}
			return name, true
		}
	}
	return "", false
}

func (s *Set) address(a netip.Addr) (string, bool) {
	lengths := s.sixs
	if a.Is4() {
		lengths = s.four
	}
	for _, bits := range lengths {
		block, err := a.Prefix(bits)
		if err != nil {
			continue
		}
		if _, is := s.blocks[block]; is {
			if block.IsSingleIP() {
				return block.Addr().String(), true
			}
			return block.String(), true
		}
	}
	return "", false
}
