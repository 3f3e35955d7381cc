package content

import "strings"

// The parts of a text's answer that are no detector of the table; detectors are bits below.
const (
	privateKeyBit uint64 = 1 << (63 - iota)
	webTokenBit
	assignmentBit
)

// literalIndex finds in one scan which literals occur in a text. A rolling hash of the last
// three bytes picks, from one table, the few literals to compare with.
type literalIndex struct {
	// slots holds, for each hash, 1 + where its literals begin in entries, or 0.
	slots   [slotCount]uint8
	entries [][]literalEntry
}

type literalEntry struct {
	literal string
	end     int // length of the literal's part up to the three bytes that are hashed
	prefix  bool
	bit     uint64
}

// slotCount is 1 << (3*5): see roll.
const slotCount = 1 << 15

// literals is a table, never written to.
var literals = newLiteralIndex()

func newLiteralIndex() *literalIndex {
	x := &literalIndex{}
	x.add("-----BEGIN ", false, privateKeyBit)
	x.add("eyJ", true, webTokenBit)
	for i, d := range detectors {
		for _, literal := range d.literals {
			if len(literal) >= 3 {
				x.add(literal, d.back == 0, 1<<i)
				continue
			}
			for _, before := range "0123456789" { // a client secret of Azure has a digit before Q~
				x.add(string(before)+literal, false, 1<<i)
			}
		}
	}
	x.addSigns()
	return x
}

func (x *literalIndex) add(literal string, prefix bool, bit uint64) {
	end := rarest(literal)
	slot := x.slot(literal[end-3], literal[end-2], literal[end-1])
	if *slot == 0 {
		x.entries = append(x.entries, nil)
		*slot = uint8(len(x.entries))
	}
	x.entries[*slot-1] = append(x.entries[*slot-1], literalEntry{literal: literal, end: end, prefix: prefix, bit: bit})
}

// addSigns adds the assignment signs, each with what can stand before it where the name
// says that the value is a secret: the last two characters of the name, or its last
// letter and a quote or a blank. See maySecretEnd.
func (x *literalIndex) addSigns() {
	signs := []literalEntry{{literal: "=", end: 1, bit: assignmentBit}, {literal: ":", end: 1, bit: assignmentBit}}
	x.entries = append(x.entries, signs)
	shared := uint8(len(x.entries))
	add := func(before, last string) {
		for _, one := range []byte(before) {
			for _, two := range []byte(last) {
				for k, sign := range []byte("=:") {
					slot := x.slot(one, two, sign)
					switch *slot {
					case 0:
						*slot = shared
					case shared:
					default:
						x.entries[*slot-1] = append(x.entries[*slot-1], signs[k])
					}
				}
			}
		}
	}
	const lasts = "dDeEtTnNyYlL"
	add("-_.", lasts)
	for _, pair := range []string{"rd", "wd", "se", "et", "en", "ey", "al", "on"} {
		add(pair[:1]+strings.ToUpper(pair[:1]), pair[1:]+strings.ToUpper(pair[1:]))
	}
	add(lasts+`\ `+"\t", `"'`)
	add(lasts+`"'`+" \t", " \t")
}

// slot returns the slot of three bytes.
func (x *literalIndex) slot(a, b, c byte) *uint8 {
	return &x.slots[roll(roll(roll(0, a), b), c)%slotCount]
}

// roll takes c into hash; what was taken in three bytes ago has left the low 15 bits. No
// multiplication: the letters of texts stay in few cache lines, which is twice as fast.
func roll(hash uint32, c byte) uint32 { return hash<<5 ^ uint32(c) }

// rarest returns where the three bytes of literal that are rarest in texts end: those with
// the fewest small letters, the last of several.
func rarest(literal string) int {
	best, fewest := 3, 4
	for end := 3; end <= len(literal); end++ {
		small := 0
		for _, c := range []byte(literal[end-3 : end]) {
			if 'a' <= c && c <= 'z' || c == ' ' {
				small++
			}
		}
		if small <= fewest {
			best, fewest = end, small
		}
	}
	return best
}

// in returns the bits of the literals that occur in s, those of prefixes only where no
// letter or digit stands before.
func (x *literalIndex) in(s string) uint64 {
	var bits uint64
	hash := uint32(0)
	for i := range len(s) {
		hash = roll(hash, s[i])
		if slot := x.slots[hash%slotCount]; slot != 0 {
			bits |= compare(s, i+1, x.entries[slot-1], bits)
		}
	}
	return bits
}

// compare returns the bits of the entries that occur in s with their hashed bytes ending at
// offset end. Those in known are not looked for again.
func compare(s string, end int, entries []literalEntry, known uint64) uint64 {
	var bits uint64
	for _, e := range entries {
		start := end - e.end
		if known&e.bit != 0 || start < 0 || len(s)-start < len(e.literal) || s[start:start+len(e.literal)] != e.literal {
			continue
		}
		if e.prefix && start > 0 && isWord(s[start-1]) && isWord(e.literal[0]) {
			continue
		}
		if e.bit == assignmentBit {
			if _, ok := secretName(s, start); !ok {
				continue
			}
		}
		bits |= e.bit
	}
	return bits
}
