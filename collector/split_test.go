package collector

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestSplitTakesLinesOrAnArrayApart(t *testing.T) {
	for _, c := range []struct {
		body string
		want []string // what is refused begins with "!"
	}{
		{"", nil},
		{" \n\r\n\t", nil},
		{"{}", []string{"{}"}},
		{"{}\r\n{\"a\":1}\n", []string{"{}", `{"a":1}`}},
		{"{\"a\":\n1}", []string{`{"a":`, "1}"}},
		{"\x00\n\xff", []string{"\x00", "\xff"}},
		{"[]", nil},
		{" [1 , {\"a\" : [2]},\n\"x\"] ", []string{"1", `{"a" : [2]}`, `"x"`}},
		{"[{\"a\":1,\"a\":\"\xff\"}]", []string{"{\"a\":1,\"a\":\"\xff\"}"}},
		{"[1,x,2]", []string{"1", "!,x,2]"}},
		{"[1 2]", []string{"1", "!2]"}},
		{"[1,]", []string{"1", "!,]"}},
		{"[1]\n[2]", []string{"[1]", "[2]"}},
		{"[1] [2]", []string{"1", "![2]"}},
		{"[oops\n{\"a\":1}\n{}", []string{"[oops", `{"a":1}`, "{}"}},
		{"[1,\n2,\n3", []string{"1", "2", "3", "!"}},
		{"[", []string{"!"}},
		{"{}\n[1]", []string{"{}", "[1]"}},
	} {
		got, whole := split([]byte(c.body), 9)
		if !whole {
			t.Errorf("%q is said to hold too much", c.body)
		}
		if len(got) != len(c.want) {
			t.Errorf("%q: %+v, want %q", c.body, got, c.want)
			continue
		}
		for i, l := range got {
			text := string(l.data)
			if l.problem != "" {
				text = "!" + text
			}
			if text != c.want[i] {
				t.Errorf("%q: line %d is %q, want %q", c.body, i, text, c.want[i])
			}
		}
	}
}

func TestSplitStopsPastItsBound(t *testing.T) {
	for _, body := range []string{"1\n2\n3\n4", "[1,2,3,4]", "[1,2,3,4", strings.Repeat("x\n", 1<<20)} {
		if lines, whole := split([]byte(body), 3); whole || len(lines) != 4 {
			t.Errorf("%.20q: %d lines, whole %v", body, len(lines), whole)
		}
	}
}

// FuzzSplit: every byte of a body that is neither white space nor an array's punctuation
// ends in some line, in its order, so that nothing is lost unseen.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"", "{}\n{}", "[1,2]", " [ {\"a\":[1]} , ", "[1]x", "[[[", "\xff\n\x00", "[\"\xff\",1e400]", "[1,,2]", "[\"a b\n\"]", "\u00a0[1]", "[1,\u2028]", "\x0b[1]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var joined []byte
		lines, _ := split(body, len(body)+1)
		for _, l := range lines {
			if l.problem == "" && len(l.data) == 0 {
				t.Error("an empty line")
			}
			joined = append(joined, essence(l.data)...)
		}
		if want, got := essence(body), joined; !bytes.Equal(got, want) {
			t.Errorf("of %q remains %q", want, got)
		}
	})
}

// essence leaves white space and array punctuation out.
func essence(b []byte) []byte {
	return slices.DeleteFunc(bytes.Join(bytes.Fields(b), nil), func(c byte) bool {
		return c == ',' || c == '[' || c == ']'
	})
}
