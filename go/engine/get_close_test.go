package engine

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// gate is where handlers are held, at any point of their answer. A test opens it before it ends, or its server never does.
type gate struct {
	reached chan string   // a point that was reached
	hold    chan struct{} // closed: go on
	busy    sync.WaitGroup
}

func newGate(t *testing.T) *gate {
	endsClean(t)
	return &gate{reached: make(chan string, 100), hold: make(chan struct{})}
}

func (g *gate) at(point string) {
	g.reached <- point
	<-g.hold
}

func (g *gate) open() {
	select {
	case <-g.hold:
	default:
		close(g.hold)
	}
}

func (g *gate) await(t *testing.T, point string) {
	t.Helper()
	select {
	case p := <-g.reached:
		if p != point {
			t.Fatalf("%q was reached, %q expected", p, point)
		}
	case <-time.After(patience):
		t.Fatalf("%q was not reached", point)
	}
}

// Close at any stage of a get drains it without the server's help, and from then on no byte of any lent buffer changes: that is
// when Python frees them.
func TestGetCloseAtEveryStage(t *testing.T) {
	data := pattern(3 << 20)
	for _, stage := range []string{"before the answer", "opened", "first body", "parts", "part headers", "backoff", "turns", "failed"} {
		t.Run(stage, func(t *testing.T) {
			g := newGate(t)
			defer g.open()
			c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
				g.busy.Add(1)
				defer g.busy.Done()
				s, _ := asked(r)
				half := &halfway{w, g, "", 1000}
				switch {
				case stage == "before the answer":
					g.at(stage)
				case s.start == 0 && stage == "first body", s.start > 0 && stage == "parts":
					half.point = stage
				case s.start > 0 && stage == "part headers":
					g.at(stage)
				case s.start > 0 && stage == "backoff":
					w.WriteHeader(503)
					return
				case s.start > 0 && stage == "failed":
					w.WriteHeader(403)
					return
				}
				reply(half, r, data, `"e"`)
			}, func(cfg *Config) { cfg.PartSize = 1 << 20 })
			if stage == "backoff" {
				c.retrier.sleep = func(ctx context.Context, _ time.Duration) error {
					g.reached <- stage
					<-ctx.Done()
					return context.Cause(ctx)
				}
			}
			if stage == "turns" {
				for range c.cfg.connections() {
					done, err := c.budget.turn(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					defer done()
				}
			}
			o := start(t, c, &GetRequest{"b", "k", nil, nil})
			lent := [][]byte{make([]byte, 1<<20), make([]byte, 1<<20), make([]byte, 1<<20)}
			switch stage {
			case "before the answer":
				g.await(t, stage)
			case "turns":
			default:
				expect(t, o, 0, Opened)
				for i, data := range lent {
					if stage == "opened" || (stage == "first body" && i > 0) {
						break
					}
					if err := o.Lend(uint64(i), data); err != nil {
						t.Fatal(err)
					}
				}
			}
			switch stage {
			case "first body":
				g.await(t, stage)
			case "parts", "part headers", "backoff":
				g.await(t, stage)
				g.await(t, stage)
			case "failed":
				fails(t, failure(t, o), Denied, "Forbidden")
			}
			drain(t, o)
			for _, data := range lent {
				copy(data, bytes.Repeat([]byte{0xCC}, len(data)))
			}
			g.open()
			g.busy.Wait() // the rest has been written into the sockets, if anybody takes it
			for i, data := range lent {
				if !bytes.Equal(data, bytes.Repeat([]byte{0xCC}, len(data))) {
					t.Fatalf("loan %d was written to after the drain", i)
				}
			}
		})
	}
}

// halfway holds the answer after n bytes of the body, at the gate's point if it has one.
type halfway struct {
	http.ResponseWriter
	gate  *gate
	point string
	n     int
}

func (h *halfway) Write(p []byte) (int, error) {
	if h.point == "" {
		return h.ResponseWriter.Write(p)
	}
	_, _ = h.ResponseWriter.Write(p[:h.n])
	_ = http.NewResponseController(h.ResponseWriter).Flush()
	h.gate.at(h.point)
	_, _ = h.ResponseWriter.Write(p[h.n:])
	return len(p), nil
}

// A client that is closed drains all its gets, wherever they stand, and then begins nothing more.
func TestClientCloseDrainsGets(t *testing.T) {
	g := newGate(t)
	defer g.open()
	data := pattern(100)
	c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/b/held" {
			g.at("held")
		}
		reply(w, r, data, `"e"`)
	})
	var ops []Op
	for i := range 2*minConnections - 4 { // the held ones keep their turns, two are left
		key := "idle"
		if i%2 == 0 {
			key = "held"
		}
		o := start(t, c, &GetRequest{"b", key, nil, nil})
		ops = append(ops, o)
		if key == "held" {
			g.await(t, "held")
			continue
		}
		expect(t, o, 0, Opened)
		if err := o.Lend(1, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	select {
	case <-c.Drained():
	case <-time.After(patience):
		t.Fatal("the client does not drain")
	}
	for _, o := range ops {
		expect(t, o, 0, Drained)
	}
	if LentBytes() != 0 {
		t.Fatalf("%d bytes are lent", LentBytes())
	}
	for _, r := range every() {
		if _, err := c.Start(r); err == nil || err.Kind != BadHandle {
			t.Errorf("%T was begun on a closed client: %v", r, err)
		}
	}
	c.Close()
}

// Closing at random moments, again and again, never hangs, never leaks, and never writes to memory that has been given back.
func TestGetCloseAtRandom(t *testing.T) {
	data := pattern(1<<20 + 200_000)
	c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) { reply(w, r, data, `"e"`) }, func(cfg *Config) { cfg.PartSize = 50_000 })
	for i := range 60 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			o := start(t, c, &GetRequest{"b", "k", nil, nil})
			buffer := make([]byte, len(data))
			if i%6 > 0 {
				expect(t, o, 0, Opened)
				for at, token := 0, uint64(0); at < len(buffer); token++ {
					n := min(len(buffer)-at, 90_000)
					if err := o.Lend(token, buffer[at:at+n]); err != nil {
						t.Fatal(err)
					}
					at += n
				}
				for ack := range uint64(i % 12) {
					if _, err := await(t, o, ack+1); err != nil {
						t.Fatal(err)
					}
				}
			}
			drain(t, o)
			clear(buffer) // a race, if anybody still writes
		})
	}
}
