// Package match finds which of thousands of literals a text holds, in one pass, and what a
// regular expression needs a text to hold. It is pure: it knows texts, and nothing of rules.
package match

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unsafe"
)

// Builder collects literals. The zero value is ready.
type Builder struct {
	ids      map[string]int
	literals []string
}

// Add gives a literal's id, ids being dense from 0. ASCII case is folded: literals that differ in
// nothing else share one. An empty literal is in every text.
func (b *Builder) Add(literal string) int {
	literal = string(folded([]byte(literal)))
	if id, known := b.ids[literal]; known {
		return id
	}
	if b.ids == nil {
		b.ids = map[string]int{}
	}
	id := len(b.literals)
	b.ids[literal] = id
	b.literals = append(b.literals, literal)
	return id
}

// Literals finds which of some literals a text holds, ASCII case folded. It is immutable and
// safe for concurrent use.
//
// A literal of seven bytes or more is known by four windows of four bytes that follow one
// another: wherever the literal lies, one of them begins at a multiple of four. So a text is
// probed at every fourth byte only: its four bytes, hashed, index a bit map, and where the bit is
// set a table says which literals have such a window, and they are compared. Of the places that
// a literal's windows could be at, the one is taken that is rarest in usual texts (see rarest).
type Literals struct {
	literals []string
	long     windows // literals of seven bytes and more, probed at every fourth byte
	medium   windows // of four to six: two windows of three bytes, probed at every second byte
	short    [256][]int32
	anyShort bool
	empty    int32 // the id of the empty literal, -1 for none
}

const (
	windowBytes   = 4
	longStride    = 4
	longLiteral   = windowBytes + longStride - 1
	mediumStride  = 2
	mediumLiteral = windowBytes
)

// Build returns what finds the literals added so far.
func (b *Builder) Build() *Literals {
	l := &Literals{literals: slices.Clone(b.literals), empty: -1}
	var long, medium []int32
	for id, literal := range l.literals {
		switch n := len(literal); {
		case n >= longLiteral:
			long = append(long, int32(id))
		case n >= mediumLiteral:
			medium = append(medium, int32(id))
		case n == 0:
			l.empty = int32(id)
		default:
			l.short[literal[0]] = append(l.short[literal[0]], int32(id))
			l.anyShort = true
		}
	}
	l.long = newWindows(l.literals, long, longStride, loose)
	l.medium = newWindows(l.literals, medium, mediumStride, loose>>8)
	return l
}

// Len is the number of literals.
func (l *Literals) Len() int { return len(l.literals) }

// Scan adds to the hits each literal that occurs in the text.
func (l *Literals) Scan(text string, h *Hits) {
	if l.empty >= 0 {
		h.add(l.empty)
	}
	b := unsafe.Slice(unsafe.StringData(text), len(text)) //nolint:gosec // only read
	if l.anyShort {
		l.scanShort(b, h)
	}
	l.medium.scan(l.literals, b, h)
	l.long.scan(l.literals, b, h)
}

func (l *Literals) scanShort(text []byte, h *Hits) {
	for i, c := range text {
		for _, id := range l.short[fold[c]] {
			if !h.Has(int(id)) && equalFolded(text[i:], l.literals[id]) {
				h.add(id)
			}
		}
	}
}

// windows knows literals by windows of four bytes, or of the first three of them.
type windows struct {
	stride int
	fold   uint32 // set in a window's bytes
	bytes  uint32 // which of a window's bits count
	bitmap []uint64
	shift  uint // of a hash, to index the bits
	table  []bucket
	mask   uint32
	places []place
}

// bucket is the literals that have one window: places[from:to].
type bucket struct {
	window   uint32
	from, to int32 // to is 0 where the bucket is empty
}

// place says that a literal has the window so many bytes after its beginning.
type place struct {
	literal int32
	offset  int32
}

// loose folds four bytes at once, and a few signs that are no letters with them: it only
// makes more windows equal, and literals are compared afterwards.
const loose = 0x20202020

// multiplier spreads windows over the bits: 2^32 divided by the golden ratio.
const multiplier = 2654435769

func hash(window uint32) uint32 { return window * multiplier }

// bitsPerWindow makes about 3 % of probes of a text that holds none of the literals go further.
const bitsPerWindow = 32

func newWindows(literals []string, ids []int32, stride int, fold uint32) windows {
	if len(ids) == 0 {
		return windows{}
	}
	w := windows{stride: stride, fold: fold, bytes: 1<<bits.Len32(fold|fold>>1|fold<<2) - 1}
	by := map[uint32][]place{}
	for _, id := range ids {
		literal := literals[id]
		at := w.rarest(literal, by)
		for k := range stride {
			key := w.window([]byte(literal[at+k:]))
			by[key] = append(by[key], place{id, int32(at + k)})
		}
	}
	size := max(bits.Len(uint(len(by)*bitsPerWindow-1)), 12)
	w.bitmap, w.shift = make([]uint64, 1<<(size-6)), uint(32-size)
	tableBits := bits.Len(uint(2*len(by) - 1))
	w.table, w.mask = make([]bucket, 1<<tableBits), 1<<tableBits-1
	keys := make([]uint32, 0, len(by))
	for key := range by {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		h := hash(key)
		w.bitmap[h>>w.shift>>6] |= 1 << (h >> w.shift & 63)
		at := h >> 7 & w.mask
		for w.table[at].to != 0 {
			at = (at + 1) & w.mask
		}
		from := int32(len(w.places))
		w.places = append(w.places, by[key]...)
		w.table[at] = bucket{key, from, int32(len(w.places))}
	}
	return w
}

// window is the folded window at the beginning of a text, which may be a byte shorter than one.
func (w *windows) window(text []byte) uint32 {
	var b [windowBytes]byte
	copy(b[:], text)
	return (binary.LittleEndian.Uint32(b[:]) | w.fold) & w.bytes
}

// size is the bytes of a window.
func (w *windows) size() int { return (bits.Len32(w.bytes) + 7) / 8 }

// rarest is where the windows of a literal are rarest in usual texts, and least shared with
// other literals.
func (w *windows) rarest(literal string, taken map[uint32][]place) int {
	best, least := 0, int(^uint(0)>>1)
	for at := 0; at+w.size()+w.stride-1 <= len(literal); at++ {
		common := 0
		for k := range w.stride {
			window := literal[at+k : at+k+w.size()]
			common += commonness(window) + 8*len(taken[w.window([]byte(window))])
		}
		if common < least {
			best, least = at, common
		}
	}
	return best
}

// scan probes the text at every stride-th byte.
func (w *windows) scan(literals []string, text []byte, h *Hits) {
	if len(w.bitmap) == 0 {
		return
	}
	bitmap, shift, fold, bytes, stride := w.bitmap, w.shift, w.fold, w.bytes, w.stride
	i := 0
	for ; i+windowBytes <= len(text); i += stride {
		window := (binary.LittleEndian.Uint32(text[i:]) | fold) & bytes
		bit := hash(window) >> shift
		if bitmap[bit>>6]>>(bit&63)&1 != 0 {
			w.verify(literals, text, i, window, h)
		}
	}
	for ; i+w.size() <= len(text); i += stride {
		w.verify(literals, text, i, w.window(text[i:]), h)
	}
}

func (w *windows) verify(literals []string, text []byte, i int, window uint32, h *Hits) {
	at := hash(window) >> 7 & w.mask
	for ; w.table[at].to != 0; at = (at + 1) & w.mask {
		if w.table[at].window != window {
			continue
		}
		for _, p := range w.places[w.table[at].from:w.table[at].to] {
			if begin := i - int(p.offset); begin >= 0 && !h.Has(int(p.literal)) && equalFolded(text[begin:], literals[p.literal]) {
				h.add(p.literal)
			}
		}
		return
	}
}

// equalFolded reports whether the text begins with a folded literal.
func equalFolded(text []byte, literal string) bool {
	if len(text) < len(literal) {
		return false
	}
	for i := range len(literal) {
		if fold[text[i]] != literal[i] {
			return false
		}
	}
	return true
}

// fold maps ASCII capitals to small letters.
var fold = func() (table [256]byte) {
	for i := range table {
		table[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			table[i] += 'a' - 'A'
		}
	}
	return table
}()

func folded(text []byte) []byte {
	for i, c := range text {
		text[i] = fold[c]
	}
	return text
}

// Hits is what a scan found. It is reused, and then takes no memory. It belongs to one goroutine.
type Hits struct {
	seen []uint32 // the round in which each literal was last found
	now  uint32
	ids  []int32
}

// Reset forgets what was found, and makes room for so many literals.
func (h *Hits) Reset(literals int) {
	h.ids = h.ids[:0]
	h.now++
	if len(h.seen) != literals || h.now == 0 {
		h.seen, h.now = make([]uint32, literals), 1
	}
}

// Has reports whether a literal was found.
func (h *Hits) Has(id int) bool { return h.seen[id] == h.now }

// IDs are the literals found, in the order in which they were.
func (h *Hits) IDs() []int32 { return h.ids }

func (h *Hits) add(id int32) {
	if h.seen[id] != h.now {
		h.seen[id] = h.now
		h.ids = append(h.ids, id)
	}
}
