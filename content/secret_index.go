package content

import "strings"

// Whose a literal is: a detector's by its place in the table, or one of these.
const (
	ofPrivateKey = -1 - iota
	ofWebToken
	ofAssignment
	ofMarker
)

// literalIndex says in one pass where literals occur in a text. A rolling hash of the last
// three bytes picks, from one table, the few literals to compare with.
type literalIndex struct {
	// slots holds, for each hash, 1 + where its literals begin in entries, or 0.
	slots   [slotCount]uint8
	entries [][]literalEntry
}

type literalEntry struct {
	literal string
	end     int // length of the literal's part up to the three bytes that are hashed
	of      int
}

// slotCount is 1 << (3*5): see roll.
const slotCount = 1 << 15

// literals is a table, never written to.
var literals = newLiteralIndex()

func newLiteralIndex() *literalIndex {
	x := &literalIndex{}
	x.add("-----BEGIN ", ofPrivateKey)
	x.add("eyJ", ofWebToken)
	x.add(markerSign, ofMarker)
	for i, d := range detectors {
		for _, literal := range d.literals {
			x.add(literal, i)
		}
	}
	x.addSigns()
	return x
}

func (x *literalIndex) add(literal string, of int) {
	end := rarest(literal)
	slot := x.slot(literal[end-3], literal[end-2], literal[end-1])
	if *slot == 0 {
		x.entries = append(x.entries, nil)
		*slot = uint8(len(x.entries))
	}
	x.entries[*slot-1] = append(x.entries[*slot-1], literalEntry{literal, end, of})
}

// addSigns adds the assignment signs, each with what can stand before it where the name
// says that the value is a secret: the last two characters of the name, or its last
// letter and a quote or a blank. See maySecretEnd.
func (x *literalIndex) addSigns() {
	signs := []literalEntry{{"=", 1, ofAssignment}, {":", 1, ofAssignment}}
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

// secretScan is one pass over a text.
type secretScan struct {
	text  string
	all   bool // see AllSecrets
	found []Secret
	// progress has what each detector read; assigned, what assignments did.
	progress    [maxDetectors]progress
	assigned    progress
	value       int // where the last assigned secret ends
	privateKeys int
	keyRead     int // where the last private key ends
	footer      int // offset of the next END line, once known
	webTokens   int
	tokenRead   int // where the last web token ends
}

// maxDetectors is no less than there are.
const maxDetectors = 48

// progress keeps a detector from reading the same bytes many times.
type progress struct {
	end    int // of what was read last
	nested int // how many began inside it
	found  int
}

// takes reports whether a secret that begins at offset i is to be read. all lifts the bound on how
// many are found.
func (p *progress) takes(i int, all bool) bool {
	return (all || p.found < maxOfKind) && (i >= p.end || p.nested < maxNested)
}

// reads notes that what begins at offset i was read up to end.
func (p *progress) reads(i, end int) {
	p.nested++
	if i >= p.end {
		p.nested = 0
	}
	p.end = max(p.end, end)
}

func (c *secretScan) run() {
	hash := uint32(0)
	for i := range len(c.text) {
		hash = roll(hash, c.text[i])
		if slot := literals.slots[hash%slotCount]; slot != 0 {
			c.compare(i+1, literals.entries[slot-1])
		}
	}
}

// compare looks for secrets around the entries that occur with their hashed bytes ending
// at offset end.
func (c *secretScan) compare(end int, entries []literalEntry) {
	for i := range entries {
		e := &entries[i]
		start := end - e.end
		if start < 0 || len(c.text)-start < len(e.literal) || c.text[start:start+len(e.literal)] != e.literal {
			continue
		}
		switch e.of {
		case ofPrivateKey:
			c.privateKey(start)
		case ofWebToken:
			c.webToken(start)
		case ofAssignment:
			c.assignment(start)
		case ofMarker:
			c.marker(start)
		default:
			c.detect(e.of, start, start+len(e.literal))
		}
	}
}

func (c *secretScan) detect(i, start, end int) {
	p := &c.progress[i]
	if !p.takes(start, c.all) {
		return
	}
	f, read, ok := detectors[i].find(c.text, start, end)
	p.reads(start, read)
	if ok {
		c.found = append(c.found, f)
		p.found++
	}
}
