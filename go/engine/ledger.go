// This file owns the order of a get's loans: bytes come off the wire in any order and are reported in the order lent.
// It refuses to know the wire. Its lock is its op's.
//
//	lent ──► pieces in flight ──► filled, or failed ──► reported, once everything before it has been

package engine

type loan struct {
	token   uint64
	at      span // which bytes of the object
	pending int  // pieces not yet filled
	err     error
}

type ledger struct{ loans []*loan }

// enter adds a loan behind all others.
func (l *ledger) enter(token uint64, at span, pieces int) *loan {
	entry := &loan{token: token, at: at, pending: pieces}
	l.loans = append(l.loans, entry)
	return entry
}

// settle takes the next loan off that can be reported: filled, or failed. The failed one stays: nothing is reported past it.
func (l *ledger) settle() *loan {
	if len(l.loans) == 0 {
		return nil
	}
	head := l.loans[0]
	if head.err != nil {
		return head
	}
	if head.pending > 0 {
		return nil
	}
	l.loans[0] = nil
	l.loans = l.loans[1:]
	return head
}
