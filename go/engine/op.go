// This file owns the life of an op: its goroutines, its events, its error, its end. It refuses to know what the op does.
//
//	start ── goroutines run, events queue up ──► Wait reports them ── Close ──► last goroutine ends ──► drained
//
// Every goroutine of an op is begun by op.run, which counts it; the op is its owner and drains only when the count is zero.
// That is memory safety and not tidiness: a goroutine that outlives its op writes into memory that Python has freed.

package engine

import (
	"context"
	"encoding/json"
	"runtime/debug"
	"sync"
	"time"
)

// EventKind numbers are those of s3engine.h.
type EventKind uint32

// The event kinds, in the header's order.
const (
	None EventKind = iota
	Opened
	Filled
	Returned
	Done
	Drained
)

// Event is one completion. See s3engine.h for what its fields mean for each kind.
type Event struct {
	Kind   EventKind
	Seq    uint64
	Token  uint64
	Offset uint64
	Length uint64
}

// Op is what the boundary sees of a request under way.
type Op interface {
	Wait(ack uint64, timeout time.Duration) (Event, *Error)
	Lend(token uint64, data []byte) *Error
	Finish() *Error
	Reply() []byte
	Close()
}

type op struct {
	client *Client
	verb   string
	ctx    context.Context // ends at Close, or when the op has failed
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	wake    chan struct{} // holds one token when something changed that a waiter may want to see
	events  []Event       // not yet acknowledged, oldest first
	seq     uint64        // of the newest event
	err     *Error        // what Wait reports once events is empty
	reply   []byte
	running int  // goroutines
	closed  bool // Close was called
	drained bool
	lent    map[uint64]int // token → bytes, until its event is acknowledged

	// onDrain runs once when the op is closed and idle, before it counts as drained, with mu held. It may begin one more
	// goroutine (put: the abort), and then runs no second time.
	onDrain func()
}

func (o *op) init(c *Client, verb string) {
	o.client, o.verb = c, verb
	o.ctx, o.cancel = context.WithCancelCause(c.ctx)
	o.wake = make(chan struct{}, 1)
	o.lent = make(map[uint64]int)
}

// run begins a goroutine that the op owns. An error it returns becomes the op's. After Close nothing is begun any more.
func (o *op) run(f func(context.Context) error) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.runLocked(f)
	return true
}

// runLocked: mu must be held.
func (o *op) runLocked(f func(context.Context) error) {
	o.running++
	go func() {
		err := guarded(o.verb, func() error { return f(o.ctx) })
		o.mu.Lock()
		defer o.mu.Unlock()
		if err != nil {
			o.failLocked(err)
		}
		o.running--
		o.drainLocked()
	}()
}

// guarded turns a panic of a goroutine into its error: we are a guest in someone's training process. The op is not used further,
// and the stack goes to the log.
func guarded(verb string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			logf(levelError, targetClient, "panic in %s: %v\n%s", verb, r, debug.Stack())
			err = newError(Internal, "Client error: Internal error in %s: %v. This is a bug of the engine; please report it", verb, r)
		}
	}()
	return f()
}

// fail makes err the op's error and stops what is still under way.
func (o *op) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failLocked(err)
}

// failLocked: mu must be held. The first error stays: those after it are mostly its consequences.
func (o *op) failLocked(err error) {
	if o.err != nil || o.closed {
		return
	}
	o.err = o.client.classify(o.verb, err)
	if o.err.Kind != Canceled {
		logf(levelError, targetException, "ERROR: S3Exception: %s", o.err.Message)
	}
	o.cancel(errCanceled)
	o.wakeUp()
}

// emitLocked queues an event: mu must be held.
func (o *op) emitLocked(e Event) {
	mustBe(!o.drained, "no goroutine outlived its op")
	if o.closed {
		return
	}
	o.seq++
	e.Seq = o.seq
	o.events = append(o.events, e)
	o.wakeUp()
}

func (o *op) emit(e Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.emitLocked(e)
}

// report queues an event whose reply is result as JSON.
func (o *op) report(kind EventKind, result any) error {
	reply, err := json.Marshal(result)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reply = reply
	o.emitLocked(Event{Kind: kind, Length: uint64(len(reply))})
	return nil
}

func (o *op) wakeUp() {
	select {
	case o.wake <- struct{}{}:
	default: // a token is there already
	}
}

// Wait acknowledges events up to ack and reports the oldest one after it. A zero Event means that timeout passed.
func (o *op) Wait(ack uint64, timeout time.Duration) (Event, *Error) {
	var expired <-chan time.Time
	for {
		o.mu.Lock()
		o.ackLocked(ack)
		switch {
		case o.drained:
			o.mu.Unlock()
			return Event{Kind: Drained}, nil
		case o.closed:
		case len(o.events) > 0:
			e := o.events[0]
			o.mu.Unlock()
			return e, nil
		case o.err != nil:
			e := o.err
			o.mu.Unlock()
			return Event{}, e
		}
		o.mu.Unlock()
		if timeout <= 0 {
			return Event{}, nil
		}
		if expired == nil {
			timer := time.NewTimer(timeout)
			defer timer.Stop()
			expired = timer.C
		}
		select {
		case <-o.wake:
		case <-expired:
			timeout = 0 // one more look: the wake-up and the timer may come together
		}
	}
}

// ackLocked: mu must be held.
func (o *op) ackLocked(ack uint64) {
	for len(o.events) > 0 && o.events[0].Seq <= ack {
		if k := o.events[0].Kind; k == Filled || k == Returned {
			o.unlendLocked(o.events[0].Token)
		}
		o.events = o.events[1:]
	}
}

// lendLocked enters a loan: mu must be held.
func (o *op) lendLocked(token uint64, n int) *Error {
	switch {
	case o.closed:
		return newError(BadHandle, "the op is closed")
	case o.err != nil:
		return o.err
	case n == 0:
		return newError(Invalid, "a loan needs at least one byte")
	}
	if _, ok := o.lent[token]; ok {
		return newError(Invalid, "token %d names a loan that is still out", token)
	}
	o.lent[token] = n
	o.client.lentBytes.Add(int64(n))
	return nil
}

// unlendLocked: mu must be held.
func (o *op) unlendLocked(token uint64) {
	o.client.lentBytes.Add(-int64(o.lent[token]))
	delete(o.lent, token)
}

// Lend is for transfers; the others have nothing to put bytes into.
func (o *op) Lend(uint64, []byte) *Error { return newError(Invalid, "a %s takes no loans", o.verb) }

// Finish is for puts.
func (o *op) Finish() *Error { return newError(Invalid, "a %s has nothing to finish", o.verb) }

// Reply is the JSON of a Done op, or of an Opened one that has any.
func (o *op) Reply() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reply
}

// Close cancels the op and returns at once; Wait then reports Drained when the last goroutine has ended.
func (o *op) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.closed = true
	o.events = nil
	o.cancel(errCanceled)
	o.drainLocked()
}

// drainLocked: mu must be held. The race it settles: a goroutine ends while Close runs; whichever comes last drains.
func (o *op) drainLocked() {
	mustBe(o.running >= 0, "each of the op's goroutines ends once")
	if !o.closed || o.running > 0 || o.drained {
		return
	}
	if last := o.onDrain; last != nil {
		o.onDrain = nil
		if last(); o.running > 0 {
			return
		}
	}
	o.drained = true
	for token := range o.lent {
		o.unlendLocked(token)
	}
	o.client.forget(o)
	o.wakeUp()
}
