//go:build invariants

// This file owns what the engine checks of itself in test builds (-tags invariants), where a broken promise ends the process at the
// place that broke it instead of showing up as wrong bytes somewhere else.

package engine

// poison marks memory that a get has borrowed and not yet filled, so that whoever reads it too early sees it.
func poison(data []byte) {
	for i := range data {
		data[i] = 0xCC
	}
}

func mustBe(ok bool, promise string) {
	if !ok {
		panic("invariant broken: " + promise)
	}
}
