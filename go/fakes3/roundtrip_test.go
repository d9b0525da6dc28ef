package fakes3

// roundtrip_test.go owns: the proof that a wire without a socket behaves like one with, and leaves nobody behind.
// It refuses to know: S3.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// body is a request's body that knows whether it was closed.
type body struct {
	io.Reader
	closed chan struct{}
}

func newBody(r io.Reader) *body { return &body{r, make(chan struct{})} }

func (b *body) Close() error {
	close(b.closed) // twice would panic
	if c, ok := b.Reader.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// isClosed says whether a channel is, now.
func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// watched is a handler that tells when it has ended.
func watched(h http.HandlerFunc) (http.Handler, chan struct{}) {
	ended := make(chan struct{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		h(w, r)
	}), ended
}

// Any handler's answer arrives as it would over a socket: header, trailing error, length known or not.
func TestRoundTripAnswers(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"status":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-A", "1")
			_, _ = io.WriteString(w, "hello ")
			w.Header().Set("X-A", "too late")
			_, _ = io.WriteString(w, "world")
		},
		"flushed": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(bytes.Repeat([]byte("x"), 100_000))
		},
		"too little": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "12345")
		},
		"echo": func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) },
		"what is asked": func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintln(w, r.Method, r.RequestURI, r.URL.Path, r.URL.RawQuery, r.ContentLength, r.Proto)
		},
		"gone": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"gone midway": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "abc")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"no content": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut} {
			t.Run(method+" "+name, func(t *testing.T) {
				var seen []string
				onWires(t, func() http.Handler { return h }, func(t *testing.T, w wire) {
					var sent []byte
					if method == http.MethodPut {
						sent = []byte("some body")
					}
					a, err := w.try(t, method, "/a%2Fb//../c%20d?e=%20f", sent)
					if a.cut != nil && !errors.Is(a.cut, io.ErrUnexpectedEOF) {
						t.Error(a.cut)
					}
					seen = append(seen, fmt.Sprintf("%v %d %q %q %v", err != nil, a.status, a.header.Get("X-A"), a.body, a.cut != nil))
				})
				equal(t, seen[1], seen[0]) // memory as socket
			})
		}
	}
}

// A canceled request returns at once, wherever it is, and nobody is left behind: not in the handler, not in the body.
func TestRoundTripCancel(t *testing.T) {
	reading, writing := make(chan struct{}, 1), make(chan struct{}, 1)
	for name, h := range map[string]http.HandlerFunc{
		"handler reads a body that does not come": func(_ http.ResponseWriter, r *http.Request) {
			reading <- struct{}{}
			_, _ = io.Copy(io.Discard, r.Body)
		},
		"handler waits": func(_ http.ResponseWriter, r *http.Request) {
			reading <- struct{}{}
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, ended := watched(h)
			ctx, cancel := context.WithCancelCause(t.Context())
			never, _ := io.Pipe()
			b := newBody(never)
			req := ok(http.NewRequestWithContext(ctx, http.MethodPut, "http://h/", b))(t)
			go func() { <-reading; cancel(errors.New("enough")) }()
			_, err := RoundTripper(h).RoundTrip(req)
			equal(t, "enough", fmt.Sprint(err))
			equal(t, true, isClosed(ended), "handler")
			equal(t, true, isClosed(b.closed), "body")
		})
	}
	t.Run("caller reads what does not come", func(t *testing.T) {
		h, ended := watched(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			writing <- struct{}{}
			<-r.Context().Done()
		})
		ctx, cancel := context.WithCancel(t.Context())
		resp := ok(RoundTripper(h).RoundTrip(ok(http.NewRequestWithContext(ctx, http.MethodGet, "http://h/", nil))(t)))(t)
		go func() { <-writing; cancel() }()
		_, err := resp.Body.Read(make([]byte, 1))
		equal(t, context.Canceled, err)
		equal(t, nil, resp.Body.Close())
		equal(t, true, isClosed(ended))
	})
	t.Run("handler writes what nobody reads", func(t *testing.T) {
		var failed error
		h, ended := watched(func(w http.ResponseWriter, _ *http.Request) {
			for failed == nil {
				_, failed = w.Write(make([]byte, 1000))
			}
		})
		resp := ok(RoundTripper(h).RoundTrip(ok(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://h/", nil))(t)))(t)
		equal(t, 10, ok(resp.Body.Read(make([]byte, 10)))(t))
		equal(t, nil, resp.Body.Close())
		equal(t, true, isClosed(ended))
		equal(t, true, failed != nil)
		_, err := resp.Body.Read(make([]byte, 1))
		equal(t, true, err != nil && !errors.Is(err, io.EOF), "a read after Close", err)
		equal(t, nil, resp.Body.Close())
	})
	t.Run("before it began", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		b := newBody(strings.NewReader("x"))
		req := ok(http.NewRequestWithContext(ctx, http.MethodPut, "http://h/", b))(t)
		_, err := RoundTripper(http.NotFoundHandler()).RoundTrip(req)
		equal(t, context.Canceled, err)
		equal(t, true, isClosed(b.closed))
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Millisecond))
		defer cancel()
		s := faulty(t, "(delay 1h (any))")
		_, err := memory(s).rt.RoundTrip(ok(http.NewRequestWithContext(ctx, http.MethodGet, "http://h/b/k", nil))(t))
		equal(t, context.DeadlineExceeded, err)
	})
	t.Run("in the middle of an object", func(t *testing.T) {
		s := New(RulesS3, "b")
		s.Add(Object{Bucket: "b", Key: "k", Data: make([]byte, 1000)})
		ctx, cancel := context.WithCancel(t.Context())
		resp := ok(memory(s).rt.RoundTrip(ok(http.NewRequestWithContext(ctx, http.MethodGet, "http://h/b/k", nil))(t)))(t)
		equal(t, 10, ok(resp.Body.Read(make([]byte, 10)))(t))
		cancel()
		_, err := resp.Body.Read(make([]byte, 10))
		equal(t, context.Canceled, err)
		equal(t, nil, resp.Body.Close())
	})
}

// A request's body is closed once, whatever becomes of it, and its own errors are what the caller gets.
func TestRoundTripBody(t *testing.T) {
	broken := errors.New("broken reader")
	s := New(RulesS3, "b")
	for name, c := range map[string]struct {
		body   io.Reader
		length int64
		status int
		err    string
	}{
		"right":               {strings.NewReader("12345"), 5, 200, ""},
		"longer":              {strings.NewReader("1234567"), 5, 200, ""},
		"empty, not said":     {strings.NewReader(""), 0, 411, ""},
		"not announced":       {strings.NewReader("12345"), 0, 411, ""},
		"unknown":             {strings.NewReader("12345"), -1, 411, ""},
		"shorter":             {strings.NewReader("123"), 5, 0, "http: body ends 2 bytes before its Content-Length"},
		"broken":              {iotest.ErrReader(broken), 5, 0, "broken reader"},
		"broken midway":       {io.MultiReader(strings.NewReader("1"), iotest.ErrReader(broken)), 5, 0, "broken reader"},
		"a byte at a time":    {iotest.OneByteReader(strings.NewReader("12345")), 5, 200, ""},
		"with data and EOF":   {iotest.DataErrReader(strings.NewReader("12345")), 5, 200, ""},
		"broken, of any size": {iotest.ErrReader(broken), -1, 0, "broken reader"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBody(c.body)
			req := ok(http.NewRequestWithContext(t.Context(), http.MethodPut, "http://h/b/k", b))(t)
			req.ContentLength = c.length
			resp, err := memory(s).rt.RoundTrip(req)
			if err == nil {
				equal(t, c.status, resp.StatusCode)
				_ = resp.Body.Close()
			}
			equal(t, c.err, strings.TrimPrefix(fmt.Sprint(err), "<nil>"))
			equal(t, true, isClosed(b.closed))
		})
	}
	_, err := memory(s).rt.RoundTrip(&http.Request{Method: http.MethodGet, URL: ok(http.NewRequest("GET", "http://h/b/k", nil))(t).URL})
	equal(t, nil, err) // no header, no body, no host: all filled in
}

// A handler that panics is an error of its request, not the end of the process.
func TestRoundTripPanic(t *testing.T) {
	w := memory(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oops") }))
	_, err := w.try(t, http.MethodGet, "/", nil)
	equal(t, "fakes3: handler panicked: oops", fmt.Sprint(err))
}

// A stored object is read without a copy in between: two allocations more or less, not one per byte.
func BenchmarkRoundTripGet(b *testing.B) {
	s := New(RulesS3, "b")
	s.Add(Object{Bucket: "b", Key: "k", Data: make([]byte, 8<<20)})
	rt, buffer := RoundTripper(s), make([]byte, 8<<20)
	b.SetBytes(8 << 20)
	b.ReportAllocs()
	for b.Loop() {
		req, _ := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://h/b/k", nil)
		resp, err := rt.RoundTrip(req)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(resp.Body, buffer); err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
	}
}
