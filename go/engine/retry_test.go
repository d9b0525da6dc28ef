package engine

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Only what may end differently is tried again: the service's own trouble, throttling, expired credentials, lost connections.
func TestRetryable(t *testing.T) {
	for _, c := range []struct {
		err error
		ok  bool
	}{
		{&answer{status: 500}, true}, {&answer{status: 502}, true}, {&answer{status: 503, code: "SlowDown"}, true}, {&answer{status: 504}, true},
		{&answer{status: 501, code: "NotImplemented"}, false},
		{&answer{status: 429}, true}, {&answer{status: 400, code: "RequestTimeout"}, true}, {&answer{status: 400, code: "ExpiredToken"}, true},
		{&answer{status: 403, code: "RequestTimeTooSkewed"}, true}, {&answer{status: 400, code: "ThrottlingException"}, true},
		{&answer{status: 200, code: "InternalError"}, true},
		{&answer{status: 400, code: "InvalidRequest"}, false}, {&answer{status: 403, code: "AccessDenied"}, false},
		{&answer{status: 404, code: "NoSuchKey"}, false}, {&answer{status: 412}, false}, {&answer{status: 416}, false}, {&answer{status: 301}, false},
		{integrity("x"), false}, {errCanceled, false}, {context.Canceled, false},
		{errStalled, true}, {errShort, true}, {io.ErrUnexpectedEOF, true}, {io.EOF, true}, {net.ErrClosed, true},
		{syscall.ECONNRESET, true}, {syscall.EPIPE, true}, {syscall.ECONNREFUSED, true},
		{&net.OpError{Op: "dial", Err: errors.New("no route")}, true}, {&net.DNSError{Err: "no such host", IsNotFound: true}, true},
		{x509.UnknownAuthorityError{}, false}, {&net.OpError{Op: "remote error", Err: x509.UnknownAuthorityError{}}, false},
		{errors.New("http: server closed idle connection"), true}, {errors.New("what"), false},
	} {
		for _, err := range []error{c.err, fmt.Errorf("outer: %w", c.err)} {
			if retryable(err) != c.ok {
				t.Errorf("retryable(%v) is %v", err, !c.ok)
			}
		}
	}
}

// The backoff is full jitter under 500 ms, 1 s, 2 s ... and never more than 20 s.
func TestDelays(t *testing.T) {
	r := newRetrier(10)
	r.random = func() float64 { return 1 }
	for attempt, most := range []time.Duration{500e6, 1e9, 2e9, 4e9, 8e9, 16e9, 20e9, 20e9} {
		if d := r.delay(attempt); d != most {
			t.Errorf("attempt %d waits at most %s", attempt, d)
		}
		if d, err := r.RetryDelay(attempt+1, nil); err != nil || d != most {
			t.Errorf("the SDK's attempt %d waits at most %s, %v", attempt+1, d, err)
		}
	}
	for _, attempt := range []int{63, 64, 1000} {
		if d := r.delay(attempt); d != backoffCap {
			t.Errorf("attempt %d waits at most %s", attempt, d)
		}
	}
	r.random = func() float64 { return 0 }
	if d := r.delay(5); d != 0 {
		t.Errorf("the least wait is %s", d)
	}
}

// A wait for the next attempt ends with its op, and the error is then the op's end and not the attempt's.
func TestBackoffIsCancelled(t *testing.T) {
	r := newRetrier(10)
	r.random = func() float64 { return 1 }
	ctx, cancel := context.WithCancelCause(context.Background())
	slept := make(chan error)
	go func() { slept <- r.again(ctx, 9, false, errShort) }()
	cancel(errCanceled)
	select {
	case err := <-slept:
		if !errors.Is(err, errCanceled) && !errors.Is(err, errShort) { // the latter: cancelled before it began to wait
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("the backoff went on after the cancel")
	}
}

// A transfer that made progress tries again at once.
func TestProgressDoesNotWait(t *testing.T) {
	r := newRetrier(3)
	r.sleep = func(context.Context, time.Duration) error { panic("it waits") }
	if err := r.again(t.Context(), 1, true, errShort); err != nil {
		t.Fatal(err)
	}
	if err := r.again(t.Context(), 3, true, errShort); !errors.Is(err, errShort) {
		t.Fatalf("%v after the last attempt", err)
	}
}

// counted answers everything with a status and counts.
func counted(status int, n *atomic.Int64) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
	}
}

// max_attempts is the number of requests on the wire, on both planes; AWS_MAX_ATTEMPTS overrides it; one is one.
func TestAttemptsOnTheWire(t *testing.T) {
	requests := map[string]any{
		"get": &GetRequest{Bucket: "b", Key: "k"}, "put": &PutRequest{Bucket: "b", Key: "k"}, "head": &HeadRequest{Bucket: "b", Key: "k"},
		"list": &ListRequest{Bucket: "b"}, "delete": &DeleteRequest{Bucket: "b", Key: "k"}, "copy": &CopyRequest{"b", "k", "b", "l"},
	}
	for _, row := range []struct {
		status, attempts int
		env              string
		sent             int64
	}{{500, 1, "", 1}, {500, 4, "", 4}, {503, 10, "", 10}, {503, 10, "2", 2}, {500, 1, "3", 3}, {403, 5, "", 1}, {404, 5, "", 1}, {501, 5, "", 1}} {
		for name, r := range requests {
			t.Run(fmt.Sprint(name, row), func(t *testing.T) {
				var n atomic.Int64
				c := dialFunc(t, counted(row.status, &n), func(cfg *Config) {
					cfg.MaxAttempts = row.attempts
					if row.env != "" {
						cfg.Env["AWS_MAX_ATTEMPTS"] = row.env
					}
				})
				o := start(t, c, r)
				if err := failure(t, o); err.HTTPStatus != row.status {
					t.Errorf("%s", show(err))
				}
				drain(t, o)
				if n.Load() != row.sent {
					t.Errorf("%d requests were sent, %d expected", n.Load(), row.sent)
				}
			})
		}
	}
}

// Each failed attempt but the last is followed by one backoff, on the data plane where we do it ourselves.
func TestOneBackoffBetweenAttempts(t *testing.T) {
	var n atomic.Int64
	c := dialFunc(t, counted(503, &n), func(cfg *Config) { cfg.MaxAttempts = 5 })
	waits := noWait(c)
	_, err := download(t, c, GetRequest{Bucket: "b", Key: "k"}, 8)
	fails(t, err, Throttled, "Client error: Request throttled")
	if n.Load() != 5 || waits.Load() != 4 {
		t.Fatalf("%d requests, %d waits", n.Load(), waits.Load())
	}
}

// A connection that dies before any answer is worth another attempt on both planes, and is a network error when they are used up.
func TestLostConnectionsAreRetried(t *testing.T) {
	for name, r := range map[string]any{
		"get": &GetRequest{Bucket: "b", Key: "k"}, "put": &PutRequest{Bucket: "b", Key: "k"}, "head": &HeadRequest{Bucket: "b", Key: "k"},
		"list": &ListRequest{Bucket: "b"}, "delete": &DeleteRequest{Bucket: "b", Key: "k"}, "copy": &CopyRequest{"b", "k", "b", "l"},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			c := dialFunc(t, func(http.ResponseWriter, *http.Request) {
				n.Add(1)
				panic(http.ErrAbortHandler)
			}, func(cfg *Config) { cfg.MaxAttempts = 4 })
			o := start(t, c, r)
			fails(t, failure(t, o), Network, "Client error: Connection closed: ")
			drain(t, o)
			if n.Load() != 4 {
				t.Errorf("%d requests were sent", n.Load())
			}
		})
	}
	c := open(t, func() Config { cfg := baseConfig(); cfg.Endpoint = ptr("http://127.0.0.1:1"); return cfg }())
	waits := noWait(c)
	_, err := download(t, c, GetRequest{Bucket: "b", Key: "k"}, 1)
	fails(t, err, Network, "Client error: Connection refused: ")
	if waits.Load() != 2 {
		t.Errorf("%d waits for a refused connection", waits.Load())
	}
}
