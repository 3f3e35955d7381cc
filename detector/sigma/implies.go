package sigma

import "slices"

// implies reports whether an event of which one condition is true is one of which the other is, as far as
// their form shows it: the same comparisons, joined otherwise.
func (e expr) implies(other expr) bool {
	every := func(args []expr, do func(expr) bool) bool {
		return !slices.ContainsFunc(args, func(a expr) bool { return !do(a) })
	}
	switch {
	case e.op == opOr:
		return every(e.args, func(a expr) bool { return a.implies(other) })
	case other.op == opAnd:
		return every(other.args, e.implies)
	case other.op == opOr && slices.ContainsFunc(other.args, e.implies):
		return true
	case e.op == opAnd && slices.ContainsFunc(e.args, func(a expr) bool { return a.implies(other) }):
		return true
	case e.op == opNot && other.op == opNot:
		return other.args[0].implies(e.args[0])
	}
	return e.op == opLeaf && other.op == opLeaf && e.cel == other.cel
}
