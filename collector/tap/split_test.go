package tap

import (
	"bytes"
	"strings"
	"testing"
)

// collect splits text that arrives in pieces of n bytes.
func collect(text []byte, n int) (lines []line) {
	var s splitter
	keep := func(l line) {
		lines = append(lines, line{head: bytes.Clone(l.head), tail: bytes.Clone(l.tail), size: l.size})
	}
	for len(text) > n {
		s.feed(text[:n], keep)
		text = text[n:]
	}
	s.feed(text, keep)
	s.end(keep)
	return lines
}

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"one", "a\n", []string{"a"}},
		{"last without newline", "a\nb", []string{"a", "b"}},
		{"carriage returns", "a\r\nb\r\n", []string{"a", "b"}},
		{"only the last carriage return goes", "a\r\r\n", []string{"a\r"}},
		{"inner carriage return", "a\rb\n", []string{"a\rb"}},
		{"empty lines", "\n\r\n  \t\r\na\n\n", []string{"a"}},
		{"zero bytes", "\x00\n\x00\x00", []string{"\x00", "\x00\x00"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for n := 1; n <= len(test.text)+1; n++ {
				var got []string
				for _, l := range collect([]byte(test.text), n) {
					got = append(got, string(l.head))
				}
				if strings.Join(got, "|") != strings.Join(test.want, "|") || len(got) != len(test.want) {
					t.Errorf("in pieces of %d: %q, want %q", n, got, test.want)
				}
			}
		})
	}
}

func TestSplitLongLines(t *testing.T) {
	fits := strings.Repeat("f", maxEvent)
	long := strings.Repeat("a", rawEnd) + strings.Repeat("b", 3*maxEvent) + strings.Repeat("c", rawEnd)
	for _, n := range []int{1000, blockBytes, 10 * maxEvent} {
		lines := collect([]byte(fits+"\n"+long+"\n"+"short\n"+fits+"x"), n)
		if len(lines) != 4 {
			t.Fatalf("%d lines", len(lines))
		}
		if l := lines[0]; l.long() || l.size != maxEvent {
			t.Errorf("a line of the full length is cut")
		}
		if l := lines[1]; l.size != len(long) || string(l.head) != long[:rawEnd] || string(l.tail) != long[len(long)-rawEnd:] {
			t.Errorf("the long line's ends are wrong, size %d", l.size)
		}
		if l := lines[2]; string(l.head) != "short" || l.long() {
			t.Errorf("the line after a long one is %q", l.head)
		}
		if l := lines[3]; l.size != maxEvent+1 || len(l.head) != rawEnd || !strings.HasSuffix(string(l.tail), "ffx") {
			t.Errorf("a last line that is one byte too long: size %d", l.size)
		}
	}
}

// FuzzSplit holds the splitter against the obvious way to split, whatever the pieces.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("{\"jsonrpc\":\"2.0\"}\r\n\n x"), 3, 0)
	f.Add([]byte("a\nb\n"), 1, maxEvent)
	f.Add([]byte("\r\n\r"), 2, maxEvent-1)
	f.Fuzz(func(t *testing.T, text []byte, n, padding int) {
		if n < 1 || padding < 0 || padding > maxEvent+3*rawEnd {
			return
		}
		if padding > 0 {
			n = max(n, 1000)
			text = append(bytes.Repeat([]byte{'p'}, padding), text...)
		}
		var want [][]byte
		for l := range bytes.SplitSeq(text, []byte("\n")) {
			if len(l) <= maxEvent {
				l = bytes.TrimSuffix(l, []byte("\r"))
			}
			if len(bytes.TrimSpace(l)) > 0 {
				want = append(want, l)
			}
		}
		got := collect(text, n)
		if len(got) != len(want) {
			t.Fatalf("%d lines, want %d", len(got), len(want))
		}
		for i, l := range got {
			w := want[i]
			if l.size != len(w) {
				t.Fatalf("line %d has size %d, want %d", i, l.size, len(w))
			}
			if l.long() != (len(w) > maxEvent) {
				t.Fatalf("line %d of %d bytes: long is %v", i, len(w), l.long())
			}
			if !l.long() && !bytes.Equal(l.head, w) {
				t.Fatalf("line %d is %q, want %q", i, l.head, w)
			}
			if l.long() && (!bytes.Equal(l.head, w[:rawEnd]) || !bytes.Equal(l.tail, w[len(w)-rawEnd:])) {
				t.Fatalf("line %d has the wrong ends", i)
			}
		}
	})
}
