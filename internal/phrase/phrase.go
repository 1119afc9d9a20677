// Package phrase words what people read in one way. It imports nothing of ours.
package phrase

import "strconv"

// Count says how many there are of a noun whose plural ends in s: "1 binding", "3 bindings".
func Count[T ~int | ~int32 | ~int64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatInt(int64(n), 10) + " " + noun + "s"
}

// Work is what so many things do: "1 component works", "3 components work".
func Work[T ~int | ~int32 | ~int64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun + " works"
	}
	return Count(n, noun) + " work"
}
