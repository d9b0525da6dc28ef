package engine

import (
	"errors"
	"testing"
)

// FuzzLedger: in whatever order loans are entered, their pieces filled and failed, they are reported in the order lent, each
// exactly once, and nothing is reported past a failed one.
func FuzzLedger(f *testing.F) {
	f.Add([]byte{0, 0, 0, 9, 5, 1})
	f.Add([]byte{0x10, 0x20, 0x30, 0x83, 0x82, 0x81, 0xC0})
	f.Fuzz(func(t *testing.T, script []byte) {
		var l ledger
		var open []*loan // pieces not yet filled, by loan
		var lent, reported uint64
		failed := uint64(0) // the first token that failed, 0: none
		settle := func() {
			for head := l.settle(); head != nil; head = l.settle() {
				if head.err != nil {
					if failed == 0 || head.token < failed && head.err == nil {
						t.Fatalf("token %d failed by itself", head.token)
					}
					return
				}
				if reported++; head.token != reported || head.pending != 0 {
					t.Fatalf("token %d was reported after %d, with %d pieces out", head.token, reported-1, head.pending)
				}
			}
		}
		for _, b := range script {
			switch {
			case b < 0x80: // a loan of one to four pieces
				lent++
				pieces := int(b&3) + 1
				entry := l.enter(lent, span{int64(lent), int64(lent) + 1}, pieces)
				for range pieces {
					open = append(open, entry)
				}
			case len(open) > 0: // one piece comes, or fails
				i := int(b&0x3F) % len(open)
				piece := open[i]
				open = append(open[:i], open[i+1:]...)
				piece.pending--
				if b >= 0xF0 && piece.err == nil {
					piece.err = errors.New("lost")
					if failed == 0 || piece.token < failed {
						failed = piece.token
					}
				}
			}
			settle()
			if failed > 0 && reported >= failed {
				t.Fatalf("token %d failed and %d was reported", failed, reported)
			}
		}
		for _, piece := range open {
			piece.pending--
		}
		settle()
		expected := lent
		if failed > 0 {
			expected = failed - 1
		}
		if reported != expected {
			t.Fatalf("%d of %d loans were reported, the first failed one is %d", reported, lent, failed)
		}
	})
}

// A failed loan stays at the head: it is the answer again and again, and hides whatever comes after it.
func TestLedgerFailedLoanBlocks(t *testing.T) {
	var l ledger
	first, second := l.enter(1, span{0, 1}, 1), l.enter(2, span{1, 2}, 1)
	second.pending = 0
	if l.settle() != nil {
		t.Fatal("the second loan overtook the first")
	}
	first.err = errors.New("lost")
	for range 3 {
		if l.settle() != first {
			t.Fatal("the failed loan is not at the head")
		}
	}
}
