package sigma

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// someExpr draws a condition on four leaves.
func someExpr(t *rapid.T, depth int) expr {
	op := rapid.SampledFrom([]operator{opLeaf, opAnd, opOr, opNot}).Draw(t, "op")
	if depth == 0 || op == opLeaf {
		return expr{cel: fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "leaf"))}
	}
	if op == opNot {
		return not(someExpr(t, depth-1))
	}
	var args []expr
	for range rapid.IntRange(1, 3).Draw(t, "args") {
		args = append(args, someExpr(t, depth-1))
	}
	return joined(op, args)
}

// holds says whether a condition is true where the leaves are as given.
func (e expr) holds(leaves int) bool {
	switch e.op {
	case opNot:
		return !e.args[0].holds(leaves)
	case opAnd, opOr:
		for _, a := range e.args {
			if a.holds(leaves) == (e.op == opOr) {
				return e.op == opOr
			}
		}
		return e.op == opAnd
	case opLeaf:
	}
	return leaves>>(e.cel[0]-'0')&1 == 1
}

// TestWhatImpliesHolds holds that what is said to imply does, whatever the leaves are.
func TestWhatImpliesHolds(t *testing.T) {
	said := 0
	rapid.Check(t, func(t *rapid.T) {
		a, b := someExpr(t, 3), someExpr(t, 3)
		if !a.implies(a) {
			t.Fatalf("%+v does not imply itself", a)
		}
		if !a.implies(b) {
			return
		}
		said++
		for leaves := range 16 {
			if a.holds(leaves) && !b.holds(leaves) {
				t.Fatalf("%+v is said to imply %+v, and does not at %04b", a, b, leaves)
			}
		}
	})
	if said == 0 {
		t.Error("nothing implied anything: it was not put to the test")
	}
}
