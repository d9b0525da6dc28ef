package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// nowhere is a client whose wire must not be used.
func nowhere(t *testing.T) *Client {
	t.Helper()
	return dialFunc(t, nil)
}

// begun is an op without a goroutine, ready for events.
func begun(t *testing.T, c *Client) *op {
	t.Helper()
	o := &op{}
	o.init(c, "test")
	if err := c.begin(o, func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return o
}

// An event is reported again and again until it is acknowledged, so that an interrupt between return and assignment loses nothing.
func TestWaitIsLevelTriggered(t *testing.T) {
	o := begun(t, nowhere(t))
	for token := uint64(1); token <= 3; token++ {
		o.emit(Event{Kind: Filled, Token: token})
	}
	for range 3 {
		if e := expect(t, o, 0, Filled); e.Seq != 1 || e.Token != 1 {
			t.Fatalf("%+v is not the oldest event", e)
		}
	}
	if e := expect(t, o, 2, Filled); e.Token != 3 {
		t.Fatalf("%+v after two were acknowledged", e)
	}
	if e := expect(t, o, 1, Filled); e.Token != 3 {
		t.Fatalf("%+v: an old ack brought something back", e)
	}
	if e, err := o.Wait(3, 0); err != nil || e.Kind != None {
		t.Fatalf("%+v, %v where nothing is left", e, err)
	}
	drain(t, o)
}

// A wait without an event ends at its timeout, and not before; with no timeout it is one look.
func TestWaitTimesOut(t *testing.T) {
	o := begun(t, nowhere(t))
	for _, timeout := range []time.Duration{0, -time.Second, 30 * time.Millisecond} {
		began := time.Now()
		e, err := o.Wait(0, timeout)
		if took := time.Since(began); err != nil || e.Kind != None || took < timeout || took > patience {
			t.Fatalf("%+v, %v after %s of %s", e, err, took, timeout)
		}
	}
	drain(t, o)
}

// Whatever a waiter may want to see wakes it: an event, an error, the drain.
func TestWaitWakesUp(t *testing.T) {
	for name, cause := range map[string]func(*op){
		"event": func(o *op) { o.emit(Event{Kind: Filled}) },
		"error": func(o *op) { o.fail(errors.New("lost")) },
		"close": func(o *op) { o.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			o := begun(t, nowhere(t))
			waiting := make(chan struct{})
			woken := make(chan struct{})
			go func() {
				defer close(woken)
				close(waiting)
				if e, err := o.Wait(0, patience); err == nil && e.Kind == None {
					t.Error("the wait ended by its timeout")
				}
			}()
			<-waiting
			cause(o)
			select {
			case <-woken:
			case <-time.After(patience / 2):
				t.Fatal("nobody woke the waiter")
			}
			drain(t, o)
		})
	}
}

// The op's error comes after the events before it, stays, and is the first one; what follows from it does not replace it.
func TestErrorAfterEvents(t *testing.T) {
	o := begun(t, nowhere(t))
	o.emit(Event{Kind: Filled, Token: 7})
	o.fail(integrity("first"))
	o.fail(integrity("second"))
	if e := expect(t, o, 0, Filled); e.Token != 7 {
		t.Fatalf("%+v", e)
	}
	for range 3 {
		_, err := await(t, o, 1)
		fails(t, err, Integrity, "first")
	}
	if context.Cause(o.ctx) == nil {
		t.Fatal("what is still under way was not cancelled")
	}
	drain(t, o)
}

// However Close and the end of goroutines interleave, and however many close at once, the op drains exactly once, after its last
// goroutine, and nothing begins after Close.
func TestCloseAgainstRun(t *testing.T) {
	c := nowhere(t)
	for range 300 {
		o := &op{}
		o.init(c, "test")
		drains := 0
		running := 0 // guarded by mu
		o.onDrain = func() {
			if drains++; running != 0 {
				t.Errorf("drained with %d goroutines", running)
			}
		}
		work := func(ctx context.Context) error {
			o.mu.Lock()
			running++
			o.mu.Unlock()
			defer func() {
				o.mu.Lock()
				running--
				o.mu.Unlock()
			}()
			<-ctx.Done()
			return context.Cause(ctx)
		}
		if err := c.begin(o, work); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { o.run(work) })
			all.Go(o.Close)
		}
		all.Wait()
		if o.run(work) {
			t.Fatal("a goroutine was begun after Close")
		}
		expect(t, o, 0, Drained)
		o.mu.Lock()
		if drains != 1 || o.running != 0 {
			t.Fatalf("drained %d times with %d goroutines", drains, o.running)
		}
		o.mu.Unlock()
	}
}

// onDrain may begin one more goroutine (a put's abort); the op drains after that, and does not call it again.
func TestDrainWaitsForLastWord(t *testing.T) {
	c := nowhere(t)
	o := &op{}
	o.init(c, "test")
	release, calls := make(chan struct{}), 0
	o.onDrain = func() {
		calls++
		o.runLocked(func(context.Context) error { <-release; return nil })
	}
	if err := c.begin(o, func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	o.Close()
	if e, _ := o.Wait(0, 20*time.Millisecond); e.Kind != None {
		t.Fatalf("%+v while the last goroutine runs", e)
	}
	close(release)
	expect(t, o, 0, Drained)
	if calls != 1 {
		t.Fatalf("onDrain ran %d times", calls)
	}
}

// A panic in any goroutine of an op is that op's error and nobody else's, and the op still drains.
func TestPanicBecomesInternal(t *testing.T) {
	c := nowhere(t)
	for _, op := range []func() (Op, *Error){
		func() (Op, *Error) {
			return c.Run("boom", func(context.Context, func(any) error) (any, error) { panic("boom") })
		},
		func() (Op, *Error) { return c.simple("boom", "boom", "", "", nil) }, // calls nil
	} {
		o, err := op()
		if err != nil {
			t.Fatal(err)
		}
		fails(t, failure(t, o), Internal, "Internal error in boom")
		drain(t, o)
	}
}

// A token names one loan at a time, until its event is acknowledged; what is lent is counted from Lend to there, or to the drain.
func TestLoansAreCounted(t *testing.T) {
	o := begun(t, nowhere(t))
	lend := func(token uint64, n int) *Error {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.lendLocked(token, n)
	}
	for token := uint64(1); token <= 2; token++ {
		if err := lend(token, 100); err != nil {
			t.Fatal(err)
		}
	}
	fails(t, lend(1, 1), Invalid, "still out")
	fails(t, lend(3, 0), Invalid, "at least one byte")
	o.emit(Event{Kind: Filled, Token: 1})
	if expect(t, o, 0, Filled); LentBytes() != 200 {
		t.Fatalf("%d bytes are lent before the ack", LentBytes())
	}
	fails(t, lend(1, 1), Invalid, "still out")
	if _, err := o.Wait(1, 0); err != nil || LentBytes() != 100 {
		t.Fatalf("%v, %d bytes are lent after the ack", err, LentBytes())
	}
	if err := lend(1, 50); err != nil {
		t.Fatal(err)
	}
	drain(t, o)
	if LentBytes() != 0 {
		t.Fatalf("%d bytes are lent after the drain", LentBytes())
	}
	fails(t, lend(9, 1), BadHandle, "closed")
}

// What an op cannot do it says, whatever its state; nothing but a put can be finished, nothing but a transfer lent to.
func TestOpsRefuse(t *testing.T) {
	o := begun(t, nowhere(t))
	fails(t, o.Lend(1, []byte{1}), Invalid, "takes no loans")
	fails(t, o.Finish(), Invalid, "nothing to finish")
	if o.Reply() != nil {
		t.Fatalf("it replies %q", o.Reply())
	}
	drain(t, o)
	drain(t, o)
}
