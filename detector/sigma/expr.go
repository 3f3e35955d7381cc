package sigma

import (
	"fmt"
	"strings"
	"unicode"
)

// operator is how an expression is made.
type operator int

const (
	opLeaf operator = iota
	opAnd
	opOr
	opNot
)

// expr is a CEL expression under construction.
//
// With us a comparison of a field that an event lacks is not true, and its opposite is not true
// either; in Sigma the opposite is. So what stands under a "not" is written such that it always
// has a value: a leaf together with what tells that its field is there.
type expr struct {
	op   operator
	cel  string // of a leaf: no operator of it binds less than a comparison
	args []expr
	// present is true where a leaf has a value; "" means always.
	present string
}

// condition is a leaf of CEL from the mapping, which may have operators of its own.
func condition(cel string) expr {
	if strings.Contains(cel, "&&") || strings.ContainsAny(cel, "|?") {
		cel = "(" + cel + ")"
	}
	return expr{cel: cel}
}

func all(args ...expr) expr  { return joined(opAnd, args) }
func some(args ...expr) expr { return joined(opOr, args) }
func not(e expr) expr        { return expr{op: opNot, args: []expr{e}} }

func joined(op operator, args []expr) expr {
	if len(args) == 1 {
		return args[0]
	}
	e := expr{op: op}
	for _, a := range args {
		if a.op == op {
			e.args = append(e.args, a.args...)
		} else {
			e.args = append(e.args, a)
		}
	}
	return e
}

// maxExpressionBytes is what a rule's expression may have at most.
const maxExpressionBytes = 16 * 1024

// writer writes an expression, and stops where it is too long.
type writer struct {
	out strings.Builder
}

func (w *writer) tooLong() bool { return w.out.Len() > maxExpressionBytes }

func (w *writer) write(parts ...string) {
	for _, p := range parts {
		w.out.WriteString(p)
	}
}

// expr adds an expression. A total one has a value for every event.
func (w *writer) expr(e expr, total bool) {
	if w.tooLong() {
		return
	}
	switch e.op {
	case opLeaf:
		if total && e.present != "" {
			w.write("(", e.present, " && ", e.cel, ")")
			return
		}
		w.write(e.cel)
	case opNot:
		w.write("!")
		w.operand(e.args[0], true)
	case opAnd, opOr:
		if present, same := e.presence(); total && same && present != "" {
			w.write("(", present, " && ")
			w.operand(e, false)
			w.write(")")
			return
		}
		for i, a := range e.args {
			if i > 0 {
				w.write(e.sign())
			}
			w.argument(e, a, total)
		}
	}
}

func (e expr) sign() string {
	if e.op == opAnd {
		return " && "
	}
	return " || "
}

// argument adds an argument of && or ||.
func (w *writer) argument(of, a expr, total bool) {
	if a.op == opAnd || a.op == opOr && of.op == opAnd {
		w.operand(a, total)
	} else {
		w.expr(a, total)
	}
}

// operand adds an expression such that it binds like a name.
func (w *writer) operand(e expr, total bool) {
	present, same := e.presence()
	switch bracketed := total && same && present != ""; {
	case bracketed, e.op == opNot:
		w.expr(e, total)
	default:
		w.write("(")
		w.expr(e, total)
		w.write(")")
	}
}

// presence is what tells that all leaves have a value, where one condition does for all of them
// and no "not" lies between.
func (e expr) presence() (present string, same bool) {
	switch e.op {
	case opLeaf:
		return e.present, true
	case opNot:
		return "", false
	case opAnd, opOr:
	}
	for i, a := range e.args {
		p, ok := a.presence()
		if !ok || i > 0 && p != present {
			return "", false
		}
		present = p
	}
	return present, true
}

// render is the expression as CEL, and false where it is too long.
func (e expr) render(total bool) (string, bool) {
	var w writer
	w.expr(e, total)
	return w.out.String(), !w.tooLong()
}

// wide is how long an expression may be and still stand in one line.
const wide = 100

// lines is the expression as CEL, one argument of && or || a line where it is long, and false
// where it is too long.
func (e expr) lines() (string, bool) {
	text, ok := e.render(false)
	if !ok || len(text) <= wide || e.op != opAnd && e.op != opOr {
		return text, ok
	}
	var w writer
	for i, a := range e.args {
		if i > 0 {
			w.write("\n", strings.TrimLeft(e.sign(), " "))
		}
		w.argument(e, a, false)
	}
	return w.out.String(), !w.tooLong()
}

// celText is a CEL literal. What does not print is escaped.
func celText(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == ' ' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
