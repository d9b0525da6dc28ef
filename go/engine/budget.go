// This file owns how many part requests a client has on the wire at once. It refuses to know what they carry.
//
// FIFO over all transfers of the client: a waiter is never overtaken, so a stream of small gets cannot starve a big one
// (golang.org/x/sync/semaphore keeps that promise, and says why, in its notifyWaiters).
//
// A turn is held only while bytes can move without the caller's help. An opened get whose body waits for its first loan holds
// none: else as many idle streams as there are turns would block every other transfer for ever.

package engine

import (
	"context"

	"golang.org/x/sync/semaphore"
)

type budget struct{ turns *semaphore.Weighted }

func newBudget(n int) budget { return budget{semaphore.NewWeighted(int64(n))} }

// turn waits for a turn; done gives it back. The error is ctx's.
func (b budget) turn(ctx context.Context) (done func(), err error) {
	if err := b.turns.Acquire(ctx, 1); err != nil {
		return nil, context.Cause(ctx)
	}
	return b.giveBack, nil
}

func (b budget) giveBack() { b.turns.Release(1) }
