package match

import "math/bits"

// fold maps the ASCII capitals to small letters, and every other byte to itself.
var fold = func() (table [256]byte) {
	for i := range table {
		table[i] = byte(i)
	}
	for c := 'A'; c <= 'Z'; c++ {
		table[c] = byte(c - 'A' + 'a')
	}
	return table
}()

func foldASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = fold[c]
	}
	return string(b)
}

// begins is how many bytes of a folded literal a text begins with.
func begins(text, literal string) int {
	n := min(len(text), len(literal))
	if n < 8 {
		i := 0
		for i < n && fold[text[i]] == literal[i] {
			i++
		}
		return i
	}
	for i := 0; ; i = min(i+8, n-8) {
		if other := foldEight(load(text[i:])) ^ load(literal[i:]); other != 0 {
			return i + bits.TrailingZeros64(other)/8
		}
		if i == n-8 {
			return n
		}
	}
}

// foldEight is fold of eight bytes. A sum carries into the highest bit of a byte from the first capital
// on, another from the one behind the last; bytes beyond ASCII are left out.
func foldEight(x uint64) uint64 {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	low := x &^ high
	capitals := (low + (0x80-'A')*ones) ^ (low + (0x7f-'Z')*ones)
	return x | capitals&^x&high>>2
}

// load is the first eight bytes of a text, the first one lowest. The compiler makes it one instruction.
func load(text string) uint64 {
	_ = text[7]
	return uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24 |
		uint64(text[4])<<32 | uint64(text[5])<<40 | uint64(text[6])<<48 | uint64(text[7])<<56
}

// loadShort is the first eight bytes of a text, or as many as there are.
func loadShort(text string) uint64 {
	if len(text) >= 8 {
		return load(text)
	}
	var x uint64
	for i := range len(text) {
		x |= uint64(text[i]) << (8 * i)
	}
	return x
}

// loose sets the bit that is the case of a letter in each of eight bytes. It makes some bytes equal that
// are no letters, and is good where literals are compared in the end.
const loose = 0x2020202020202020

// loosely is the first n bytes of a text, at most four, loosely folded, the first one lowest.
func loosely(text string, n int) uint32 { return uint32((loadShort(text) | loose) & (1<<(8*n) - 1)) }
