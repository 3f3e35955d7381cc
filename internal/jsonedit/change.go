package jsonedit

import (
	"bytes"
	"slices"
	"strings"
)

// Replace puts a value, JSON, in the place of another.
func Replace(text []byte, n *Node, value string) []byte {
	return splice(text, n.Start, n.End, value)
}

// Append adds a member, or an item where name is "", behind all others of an object or array. It
// stands on a line of its own where the others do; a value of several lines is indented as it
// was given and then as deep as it stands.
func Append(text []byte, in *Node, name, value string) []byte {
	return insert(text, in, in.len(), name, value)
}

// Prepend adds it before all others.
func Prepend(text []byte, in *Node, name, value string) []byte {
	return insert(text, in, 0, name, value)
}

// Remove takes out the i-th member or item, with its comma and the space before it. What was
// appended or prepended and is removed leaves the text as it was, unless the object or
// array was empty: then what was in its brackets before is lost.
func Remove(text []byte, in *Node, i int) []byte {
	start, end := in.span(i)
	switch n := in.len(); {
	case i+1 < n: // up to the next one
		next, _ := in.span(i + 1)
		return splice(text, start, next, "")
	case i > 0: // from the end of the one before
		_, before := in.span(i - 1)
		return splice(text, before, end, "")
	default:
		return splice(text, in.Start+1, in.End-1, "")
	}
}

func (n *Node) len() int { return len(n.Members) + len(n.Items) }

// span is where the i-th member or item stands.
func (n *Node) span(i int) (start, end int) {
	if n.Kind == '{' {
		return n.Members[i].Start, n.Members[i].Value.End
	}
	return n.Items[i].Start, n.Items[i].End
}

func insert(text []byte, in *Node, i int, name, value string) []byte {
	outer := indentOf(text, in.Start)
	if in.len() == 0 {
		inner := outer + unitOf(text)
		return splice(text, in.Start+1, in.End-1, "\n"+inner+element(name, value, inner)+"\n"+outer)
	}
	first, _ := in.span(0)
	if !bytes.ContainsRune(text[in.Start:first], '\n') { // all on one line
		if i == 0 {
			return splice(text, first, first, element(name, value, outer)+", ")
		}
		_, end := in.span(i - 1)
		return splice(text, end, end, ", "+element(name, value, outer))
	}
	inner := indentOf(text, first)
	if i == 0 {
		return splice(text, first, first, element(name, value, inner)+",\n"+inner)
	}
	_, end := in.span(i - 1)
	return splice(text, end, end, ",\n"+inner+element(name, value, inner))
}

// element is a member or item whose further lines are indented.
func element(name, value, indent string) string {
	value = strings.ReplaceAll(value, "\n", "\n"+indent)
	if name == "" {
		return value
	}
	return Quote(name) + ": " + value
}

// indentOf is the white space that the line of a position begins with.
func indentOf(text []byte, at int) string {
	line := text[bytes.LastIndexByte(text[:at], '\n')+1:]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// unitOf is what the text indents by: what its first indented line begins with, else two spaces.
func unitOf(text []byte) string {
	for line := range bytes.Lines(text) {
		if rest := bytes.TrimLeft(line, " \t"); len(rest) < len(line) && len(bytes.TrimSpace(rest)) > 0 && rest[0] != '*' {
			return string(line[:len(line)-len(rest)])
		}
	}
	return "  "
}

func splice(text []byte, start, end int, with string) []byte {
	return slices.Concat(text[:start], []byte(with), text[end:])
}
