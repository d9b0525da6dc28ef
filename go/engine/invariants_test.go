//go:build invariants

package engine

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
)

// panics is what f panics with, "" if it does not.
func panics(f func()) (text string) {
	defer func() { text, _ = recover().(string) }()
	f()
	return ""
}

// Memory lent to a get is poisoned until it is filled: a reader that does not wait for FILLED sees 0xCC and not zeros that look
// like data. The checker is checked here; the transfers' own tests run over it under the same tag.
func TestLentMemoryIsPoisoned(t *testing.T) {
	g := newGate(t)
	defer g.open()
	c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
		reply(&halfway{w, g, "body", 4}, r, []byte("12345678"), `"e"`)
	})
	o := start(t, c, &GetRequest{"b", "k", nil, nil})
	g.await(t, "body")
	expect(t, o, 0, Opened)
	early, late := make([]byte, 4), make([]byte, 4)
	for token, data := range [][]byte{early, late} {
		if err := o.Lend(uint64(token), data); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, o, 1, Filled)
	if string(early) != "1234" || !bytes.Equal(late, []byte{0xCC, 0xCC, 0xCC, 0xCC}) {
		t.Errorf("%q, and %x before it was filled", early, late)
	}
	g.open()
	expect(t, o, 2, Filled)
	if string(late) != "5678" {
		t.Errorf("%q", late)
	}
	drain(t, o)
}

// The checkers fire: a segment settled once too often, and anything that happens to an op after it has drained.
func TestInvariantsFire(t *testing.T) {
	c := nowhere(t)
	g := &get{refill: make(chan struct{}, 1)}
	g.init(c, "get")
	seg := &segment{loan: g.enter(1, span{0, 1}, 1)}
	g.settleSegment(seg, nil)
	if text := panics(func() { g.settleSegment(seg, nil) }); !strings.Contains(text, "settled twice") {
		t.Errorf("settling twice: %q", text)
	}
	o := begun(t, c)
	drain(t, o)
	if text := panics(func() { o.emit(Event{Kind: Filled}) }); !strings.Contains(text, "outlived") {
		t.Errorf("an event of a drained op: %q", text)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drained, o.running = false, -1
	if text := panics(o.drainLocked); !strings.Contains(text, "goroutines ends once") {
		t.Errorf("a goroutine counted twice: %q", text)
	}
	o.drained, o.running = true, 0
}
