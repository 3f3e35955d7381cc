package window_test

import (
	"math"
	"math/big"

	"pgregory.net/rapid"
)

// someTime is a time near the ends of time or about now, so that a few of them are within
// reach of each other and others are as far apart as can be.
var someTime = rapid.Custom(func(t *rapid.T) int64 {
	offset := rapid.Int64Range(0, 100).Draw(t, "offset")
	switch rapid.IntRange(0, 9).Draw(t, "era") {
	case 0:
		return math.MinInt64 + offset
	case 1:
		return math.MaxInt64 - offset
	case 2, 3, 4:
		return offset % 4
	default:
		return offset - 50
	}
})

// someLength is a length of time as a rule may have it, and as it may not.
var someLength = rapid.OneOf(rapid.Int64Range(-1, 60), rapid.Just(int64(math.MaxInt64)), rapid.Just(int64(math.MinInt64)))

// minus is the difference of two times, which an int64 may not hold.
func minus(a, b int64) *big.Int { return new(big.Int).Sub(big.NewInt(a), big.NewInt(b)) }

// longer reports whether more than a length of time lies between two times, in this order.
func longer(from, to, length int64) bool {
	return minus(to, from).Cmp(big.NewInt(max(length, 0))) > 0
}

// plus is a time moved, as far as times go.
func plus(at, length int64) int64 {
	sum := new(big.Int).Add(big.NewInt(at), big.NewInt(max(length, 0)))
	if !sum.IsInt64() {
		return math.MaxInt64
	}
	return sum.Int64()
}
