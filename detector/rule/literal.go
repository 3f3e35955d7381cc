package rule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// literal is a value as CEL writes it, so that 5 and "5" look different, cut for people to read: what
// is left out is …, outside of the quotes. Of a long text it gives what is around a place.
func literal(value ref.Val, at int) string {
	l := literals{room: maxShown, at: at}
	l.value(value)
	return l.String()
}

// literals writes values until it has no room left.
type literals struct {
	strings.Builder
	room int // bytes, of the values alone
	at   int // of a text, where it was found
}

func (l *literals) value(value ref.Val) {
	switch value := value.(type) {
	case types.String:
		l.text(string(value))
	case types.Bytes:
		l.WriteByte('b')
		l.text(string(value))
	case types.Double:
		text := strconv.FormatFloat(float64(value), 'g', -1, 64)
		if !strings.ContainsAny(text, ".eIN") {
			text += ".0" // without, it would be an integer
		}
		l.word(text)
	case types.Uint:
		l.word(strconv.FormatUint(uint64(value), 10) + "u")
	case types.Timestamp:
		l.word(fmt.Sprintf("timestamp(%q)", value.UTC().Format(time.RFC3339Nano)))
	case types.Duration:
		l.word(fmt.Sprintf("duration(%q)", value.Duration))
	case traits.Mapper:
		l.members(value)
	case traits.Lister:
		l.list(value)
	case types.Null:
		l.word("null")
	default:
		l.word(shown(value))
	}
}

func (l *literals) word(text string) {
	l.room -= len(text)
	l.WriteString(text)
}

// text writes a text from a little before where it was found.
func (l *literals) text(text string) {
	room := max(l.room, 1)
	begin, end := 0, len(text)
	if l.at > maxBefore && l.at < len(text) && len(text) > room {
		begin = boundary(text, l.at-maxBefore)
		l.WriteString("…")
	}
	if end-begin > room {
		for end = begin + room; end > begin && !utf8.RuneStart(text[end]); {
			end--
		}
	}
	l.word(strconv.Quote(strings.ToValidUTF8(text[begin:end], "\ufffd")))
	if end < len(text) {
		l.WriteString("…")
	}
}

// boundary is where the first character begins at or after a place in a text.
func boundary(text string, at int) int {
	for n := 0; n < utf8.UTFMax && at < len(text) && !utf8.RuneStart(text[at]); n++ {
		at++
	}
	return at
}

func (l *literals) list(list traits.Lister) {
	l.word("[")
	n := 0
	for it := list.Iterator(); it.HasNext() == types.True; n++ {
		if !l.next(n) {
			break
		}
		l.value(it.Next())
	}
	l.word("]")
}

// members writes a map's, by name: it has no order of its own.
func (l *literals) members(of traits.Mapper) {
	l.word("{")
	var keys []ref.Val
	for it := of.Iterator(); it.HasNext() == types.True; {
		keys = append(keys, it.Next())
	}
	slices.SortFunc(keys, func(a, b ref.Val) int { return strings.Compare(shown(a), shown(b)) })
	for n, key := range keys {
		if !l.next(n) {
			break
		}
		l.value(key)
		l.word(": ")
		l.value(of.Get(key))
	}
	l.word("}")
}

// next writes what stands before an element, and reports whether there is room for it.
func (l *literals) next(n int) bool {
	if n > 0 {
		l.word(", ")
	}
	if l.room <= 0 {
		l.WriteString("…")
	}
	return l.room > 0
}
