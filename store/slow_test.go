//go:build !race

package store

// slow is how much less the tests of crashes do: under the race detector an
// open takes many times as long.
const slow = 1
