package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"s3engine/fakes3"
)

// Close at any stage of a put that is not done leaves nothing behind: the upload is aborted, after whatever was in flight, the object
// does not appear, the old one stays, and no byte of any loan is read any more.
func TestPutCloseAtEveryStage(t *testing.T) {
	old := []byte("old")
	for _, stage := range []string{"create", "created", "opened", "part sent", "part answer", "returned", "failed"} {
		t.Run(stage, func(t *testing.T) {
			g := newGate(t)
			defer g.open()
			s := fakes3.New(fakes3.RulesS3, "b")
			s.Add(fakes3.Object{Bucket: "b", Key: "k", Data: old})
			var mu sync.Mutex
			var verbs []string
			c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				mu.Lock()
				verbs = append(verbs, r.Method)
				mu.Unlock()
				switch {
				case q.Has("uploads") && stage == "create":
					g.at(stage)
				case q.Has("uploads") && stage == "created": // the upload is there, its answer is under way
					answer := &later{ResponseWriter: w, wait: func() { g.at(stage) }}
					s.ServeHTTP(answer, r)
					return
				case r.Method == http.MethodPut && stage == "part sent":
					half := make([]byte, 1000)
					_, _ = io.ReadFull(r.Body, half)
					g.at(stage)
					r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(half), r.Body))
				case r.Method == http.MethodPut && stage == "part answer":
					answer := &later{ResponseWriter: w, wait: func() { g.at(stage) }}
					s.ServeHTTP(answer, r)
					return
				case r.Method == http.MethodPut && stage == "failed":
					w.WriteHeader(403)
					return
				}
				s.ServeHTTP(w, r)
			})
			o := start(t, c, &PutRequest{"b", "k", nil})
			part := pattern(8 << 20)
			switch stage {
			case "create", "created":
				g.await(t, stage)
				o.Close()
				g.open() // the answer comes after the close
			default:
				expect(t, o, 0, Opened)
				if stage == "opened" {
					break
				}
				if err := o.Lend(1, part); err != nil {
					t.Fatal(err)
				}
				switch stage {
				case "part sent", "part answer":
					g.await(t, stage)
				case "returned":
					expect(t, o, 1, Returned)
				case "failed":
					fails(t, failure(t, o), Denied, "Forbidden")
				}
			}
			drain(t, o)
			clear(part) // a race, if anybody still reads
			if out, _ := stored(t, s, "k"); string(out) != "old" {
				t.Errorf("the object is now %d bytes", len(out))
			}
			if s.OpenUploads() != 0 {
				t.Error("the upload is still open")
			}
			mu.Lock()
			defer mu.Unlock()
			if last := verbs[len(verbs)-1]; last != http.MethodDelete {
				t.Errorf("%v: the abort is not the last request", verbs)
			}
		})
	}
}

// later waits before it answers.
type later struct {
	http.ResponseWriter
	wait func()
}

func (l *later) WriteHeader(status int) {
	l.wait()
	l.ResponseWriter.WriteHeader(status)
}

// A put closed while it is being completed leaves either the new object or the old one, and no open upload.
func TestPutCloseWhileCompleting(t *testing.T) {
	for _, stage := range []string{"before", "after"} {
		t.Run(stage, func(t *testing.T) {
			g := newGate(t)
			defer g.open()
			s := fakes3.New(fakes3.RulesS3, "b")
			var busy sync.WaitGroup
			c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") {
					busy.Add(1)
					defer busy.Done()
					if stage == "before" {
						g.at(stage)
					} else {
						w = &later{w, func() { g.at(stage) }}
					}
				}
				s.ServeHTTP(w, r)
			})
			o := start(t, c, &PutRequest{"b", "k", nil})
			expect(t, o, 0, Opened)
			if err := o.Lend(1, []byte("new")); err != nil {
				t.Fatal(err)
			}
			if err := o.Finish(); err != nil {
				t.Fatal(err)
			}
			g.await(t, stage)
			drain(t, o)
			g.open()
			busy.Wait()
			if out, there := stored(t, s, "k"); there != (stage == "after") || there && string(out) != "new" {
				t.Errorf("%t %q", there, out)
			}
			if s.OpenUploads() != 0 {
				t.Error("the upload is still open")
			}
		})
	}
}

// A put closed while it waits to create its upload again drains at once: nothing is under way that could have an id.
func TestPutCloseInBackoff(t *testing.T) {
	g := newGate(t)
	c := dialFunc(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, func(cfg *Config) { cfg.MaxAttempts = 10 })
	c.retrier.sleep = func(ctx context.Context, _ time.Duration) error {
		g.reached <- "backoff"
		<-ctx.Done()
		return context.Cause(ctx)
	}
	o := start(t, c, &PutRequest{"b", "k", nil})
	g.await(t, "backoff")
	began := time.Now()
	drain(t, o)
	if took := time.Since(began); took > createGrace/2 {
		t.Errorf("it took %s", took)
	}
}

// A done put is not aborted, whenever it is closed.
func TestPutCloseAfterDone(t *testing.T) {
	aborted := false
	s := fakes3.New(fakes3.RulesS3, "b")
	c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
		aborted = aborted || r.Method == http.MethodDelete
		s.ServeHTTP(w, r)
	})
	if _, err := upload(t, c, PutRequest{"b", "k", nil}, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if aborted {
		t.Fatal("it was aborted")
	}
}

// An attempt that is given up no longer reads the loan, even where net/http goes on: the next attempt and the giving back of the
// memory both rely on it. The retry sends the same bytes.
func TestPutRetrySendsTheSameBytes(t *testing.T) {
	data := pattern(4 << 20)
	s := fakes3.New(fakes3.RulesS3, "b")
	n := 0
	var mu sync.Mutex
	c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			mu.Lock()
			n++
			attempt := n
			mu.Unlock()
			switch attempt {
			case 1: // answers before it has read the body
				w.Header().Set("Connection", "close")
				w.WriteHeader(503)
				return
			case 2: // takes half, then hangs up
				_, _ = io.CopyN(io.Discard, r.Body, 2<<20)
				panic(http.ErrAbortHandler)
			}
		}
		s.ServeHTTP(w, r)
	}, func(cfg *Config) { cfg.MaxAttempts = 4 })
	o := start(t, c, &PutRequest{"b", "k", nil})
	expect(t, o, 0, Opened)
	loan := bytes.Clone(data)
	if err := o.Lend(1, loan); err != nil {
		t.Fatal(err)
	}
	expect(t, o, 1, Returned)
	clear(loan) // a race, if anybody still reads
	if err := o.Finish(); err != nil {
		t.Fatal(err)
	}
	expect(t, o, 2, Done)
	drain(t, o)
	out, _ := stored(t, s, "k")
	same(t, data, out)
}

// The body that net/http reads gives nothing more once it is detached, nor keeps the loan alive.
func TestLentBodyDetaches(t *testing.T) {
	_, w := newWatch(t.Context(), patience)
	defer w.end()
	b := &lentBody{rest: pattern(100), watch: w}
	p := make([]byte, 60)
	if n, err := b.Read(p); n != 60 || err != nil {
		t.Fatal(n, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Read(p); n != 0 || !errors.Is(err, errDetached) || b.rest != nil {
		t.Fatal(n, err)
	}
}
