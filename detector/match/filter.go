package match

import (
	"math/bits"
	"slices"
	"strings"
)

// filter finds literals of two bytes and more in usual texts.
//
// A literal of five bytes or more has two windows of four bytes next to each other, and wherever it
// occurs one of them begins at an even place. So a text is looked at in every second place: where
// the window there, hashed, is in a bit map, a table says which literals may be around it, and they
// are compared. The two windows of a literal are those that usual texts have least (see choose).
//
// A literal of two or three bytes is known by its first two, which are looked for in every place.
type filter struct {
	windows []uint64      // a bit for each hash of a window
	shift   uint          // of a hash: what remains is the place of a bit
	short   []uint64      // the same for the windows that literals are filed by
	pairs   *[1024]uint64 // a bit for each two bytes; nil where there is no literal so short
	table   table
}

const (
	windowSize = 4
	coreSize   = 8

	// A window leaves out a bit of each byte, so that the case of letters does not count, and two
	// more of the outer bytes: a literal of four bytes, which in an odd place leaves one open, is
	// in 32 windows only.
	windowMask = 0x1fdfdf1f
	// A core is the window and the four bytes behind it.
	coreMask = 0xdfdfdfdfdfdfdfdf
	// These bits, which masks leave out, tell the keys of windows and pairs from those of cores.
	isWindow = 1 << 5
	isPair   = 1<<5 | 1<<37
)

func windowKey(x uint64) uint64 { return x&windowMask | isWindow }

func coreKey(x uint64) uint64 { return x & coreMask }

// pairKey is the key of two folded bytes.
func pairKey(a, b byte) uint64 { return uint64(a)<<8 | uint64(b)<<16 | isPair }

const (
	bitsPerWindow = 64 // at least: one to two of a hundred other windows pass
	leastBits     = 12 // the binary logarithms of the sizes of the bit map
	mostBits      = 21
)

// newFilter files those of some literals, by id, that have two bytes or more.
func newFilter(literals []literal) *filter {
	f := &filter{}
	c := chooser{model: usual(), chances: map[uint32]float64{}, windows: map[uint32]int{}}
	for _, l := range together(literals) {
		switch n := len(l.text); {
		case n >= windowSize:
			c.choose(l)
		case n >= 2:
			f.addPair(l.text[0], l.text[1])
			c.file(pairKey(l.text[0], l.text[1]), l, 0)
		}
	}
	size := min(max(leastBits, bits.Len(uint(len(c.windows)*bitsPerWindow))), mostBits)
	f.windows, f.shift = make([]uint64, 1<<(size-6)), uint(32-size)
	f.short = make([]uint64, len(f.windows))
	for window := range c.windows {
		f.set(f.windows, window)
	}
	for _, e := range c.entries {
		if e.key&isPair == isWindow {
			f.set(f.short, uint32(e.key&windowMask))
		}
	}
	f.table = newTable(c.entries)
	return f
}

// together is the literals with their texts side by side in memory: comparing them costs half.
func together(literals []literal) []literal {
	var all strings.Builder
	for _, l := range literals {
		all.WriteString(l.text)
	}
	texts, moved := all.String(), slices.Clone(literals)
	for i, l := range moved {
		moved[i].text, texts = texts[:len(l.text)], texts[len(l.text):]
	}
	return moved
}

// set sets the bit of a window.
func (f *filter) set(windows []uint64, window uint32) {
	bit := hash(window) >> f.shift
	windows[bit>>6] |= 1 << (bit & 63)
}

// addPair adds two bytes in all their cases.
func (f *filter) addPair(a, b byte) {
	if f.pairs == nil {
		f.pairs = new([1024]uint64)
	}
	for x := range 256 {
		for y := range 256 {
			if fold[x] == a && fold[y] == b {
				f.pairs[(x|y<<8)>>6] |= 1 << (x & 63)
			}
		}
	}
}

// hash spreads windows. The multiplier is 2^32 divided by the golden ratio (Knuth, The Art of Computer
// Programming, volume 3, 6.4): the high bits are the good ones.
func hash(window uint32) uint32 { return window * 0x9e3779b9 }

// passes reports whether a window, or one that looks like it, is in the bit map.
func passes(windows []uint64, shift uint, window uint32) bool {
	bit := hash(window&windowMask) >> (shift & 31)
	return windows[bit>>6]>>(bit&63)&1 != 0
}

// scan adds the literals that occur in a text, and returns what is left of the budget. Less than
// nothing means that it stopped. Most of the time of a scan is spent here.
func (f *filter) scan(text string, budget int, h *Hits) int {
	windows, shift := f.windows, f.shift
	at := 0
	for ; at+8 <= len(text) && budget >= 0; at += 6 {
		x := load(text[at : at+8])
		if passes(windows, shift, uint32(x)) {
			budget = f.verify(text, at, budget, h)
		}
		if passes(windows, shift, uint32(x>>16)) {
			budget = f.verify(text, at+2, budget, h)
		}
		if passes(windows, shift, uint32(x>>32)) {
			budget = f.verify(text, at+4, budget, h)
		}
	}
	for ; at+windowSize <= len(text); at += 2 {
		if passes(windows, shift, uint32(loadShort(text[at:at+windowSize]))) {
			budget = f.verify(text, at, budget, h)
		}
	}
	if f.pairs != nil {
		budget = f.scanPairs(text, budget, h)
	}
	return budget
}

// verify compares the literals that may be around a window of the text.
func (f *filter) verify(text string, at, budget int, h *Hits) int {
	x := loadShort(text[at:])
	budget = f.compare(f.table.find(coreKey(x)), text, at, budget-1, h)
	if !passes(f.short, f.shift, uint32(x)) {
		return budget
	}
	return f.compare(f.table.find(windowKey(x)), text, at, budget-1, h)
}

func (f *filter) scanPairs(text string, budget int, h *Hits) int {
	for at := 1; at < len(text) && budget >= 0; at++ {
		a, b := text[at-1], text[at]
		if pair := uint(a) | uint(b)<<8; f.pairs[pair>>6]>>(pair&63)&1 != 0 {
			budget = f.compare(f.table.find(pairKey(fold[a], fold[b])), text, at-1, budget-1, h)
		}
	}
	return budget
}

// compare adds those of some literals that are around a place of the text.
func (f *filter) compare(entries []entry, text string, at, budget int, h *Hits) int {
	for _, e := range entries {
		if budget--; budget < 0 {
			break
		}
		begin := at - int(e.offset)
		if begin < 0 || h.Has(int(e.id)) {
			continue
		}
		n := begins(text[begin:], e.text)
		if budget -= n; n == len(e.text) {
			h.add(e.id)
		}
	}
	return budget
}
