package rule

import (
	"cmp"
	"slices"
	"strings"
)

// Bounds of Nearest.
const (
	mostNear    = 5
	longestName = 128 // bytes
)

// Nearest are those of some names that a wrong one may be meant for, the best first, five at the
// most.
func Nearest(wrong string, names []string) []string {
	if len(wrong) < 2 || len(wrong) > longestName {
		return nil
	}
	type near struct {
		name string
		far  int
	}
	var found []near
	for _, name := range names {
		if len(name) > longestName {
			continue
		}
		far := distance(strings.ToLower(wrong), strings.ToLower(name))
		if far <= max(2, len(wrong)/4) && far < len(name) || len(wrong) > 2 && strings.Contains(name, wrong) {
			found = append(found, near{name, far})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return cmp.Compare(a.far, b.far) })
	best := make([]string, 0, mostNear)
	for _, n := range found[:min(len(found), mostNear)] {
		best = append(best, n.name)
	}
	return best
}

// didYouMean asks for the name that a wrong one is nearest to, "" for none.
func didYouMean(wrong string, names []string) string {
	if near := Nearest(wrong, names); len(near) > 0 {
		return "did you mean " + near[0] + "?"
	}
	return ""
}

// distance is how many characters have to be put in, left out or changed to make one text of
// another (Levenshtein 1966).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // the distances of a's beginning to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := slices.Clone(row)
		row[0] = i + 1
		for j := range len(b) {
			change := before[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, before[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
