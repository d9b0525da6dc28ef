package fakes3

// inflict.go owns: doing faults to a request, on a socket and without one.
// It refuses to know: scripts, and whom a fault is for.

import (
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// aborter is a ResponseWriter without a socket: see roundtrip.go.
type aborter interface {
	// abort makes err what the client meets where the answer ends.
	abort(err error)
}

// inflict answers a request with these faults; err is what parsing it came to.
func (s *Server) inflict(hits []*fault, w http.ResponseWriter, r *http.Request, c *call, err error) {
	for _, f := range hits {
		switch f.action {
		case "delay":
			f.fired.Add(1)
			wait(r.Context(), f.duration)
		case "status", "error-in-200":
			f.fired.Add(1)
			send(w, r, f.refusal(r, c))
			return
		case "ignore-range":
			f.fired.Add(1)
			r = r.Clone(r.Context())
			r.Header.Del("Range")
		case "etag":
			w = &tagWriter{w, f, s.tag(f.word)}
		case "lost":
			f.fired.Add(1)
			s.answer(&lostWriter{http.Header{}}, r, c, err)
			hangUp(w)
		default: // reset, stall, truncate, corrupt
			w, r = f.intoBody(w, r, c)
		}
	}
	s.answer(w, r, c, err)
}

// refusal is the error that a fault answers with.
func (f *fault) refusal(r *http.Request, c *call) reply {
	drain(r)
	usual := map[int]string{
		301: "PermanentRedirect", 400: "InvalidRequest", 401: "Unauthorized", 403: "AccessDenied", 404: "NoSuchKey",
		409: "OperationAborted", 412: "PreconditionFailed", 416: "InvalidRange", 429: "TooManyRequests", 503: "SlowDown",
	}
	status := cmp.Or(f.status, http.StatusOK)
	api := &apiError{status, cmp.Or(f.word, usual[f.status], "InternalError"), "a fault that was asked for: " + f.String()}
	return reply{status: status, xml: api.document(c)}
}

// intoBody puts a fault somewhere into the request's body or the answer's.
func (f *fault) intoBody(w http.ResponseWriter, r *http.Request, c *call) (http.ResponseWriter, *http.Request) {
	sends := c.verb == verbPut || c.verb == verbPart
	switch {
	case f.action == "reset" && f.after < 0:
		f.fired.Add(1)
		hangUp(w)
	case sends && (f.action == "reset" || f.action == "stall"):
		after := f.after
		if after < 0 {
			after = max(r.ContentLength, 0) / 2
		}
		faulty := r.WithContext(r.Context()) // a shallow copy: the request is the server's
		faulty.Body = &faultyBody{r.Body, f, w, r.Context(), after}
		return w, faulty
	}
	return &faultyWriter{ResponseWriter: w, fault: f, request: r}, r
}

// faultyBody is a request's body with a fault in it.
type faultyBody struct {
	io.ReadCloser
	fault *fault
	w     http.ResponseWriter
	ctx   context.Context
	left  int64 // bytes up to the fault; -1 once it was done
}

func (b *faultyBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		b.left = -1
		b.fault.strike(b.ctx, b.w)
	}
	if b.left > 0 {
		p = p[:min(int64(len(p)), b.left)]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left > 0 {
		b.left -= int64(n)
	}
	return n, err
}

// faultyWriter is an answer with a fault in its body, or before it if it has none. It is no puller, so all comes by Write.
type faultyWriter struct {
	http.ResponseWriter
	fault   *fault
	request *http.Request
	left    int64 // bytes up to the fault; -1 once it was done
}

func (w *faultyWriter) WriteHeader(status int) {
	length, _ := strconv.ParseInt(w.Header().Get("Content-Length"), 10, 64) // none: nothing will be written
	if w.request.Method == http.MethodHead {
		length = 0
	}
	w.left = w.fault.after
	if w.left < 0 {
		w.left = length / 2
	}
	if length == 0 && w.left == 0 && w.fault.action != "corrupt" {
		w.left = -1
		w.fault.strike(w.request.Context(), w.ResponseWriter)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *faultyWriter) Write(p []byte) (int, error) {
	if w.left < 0 || int64(len(p)) <= w.left {
		n, err := w.ResponseWriter.Write(p)
		if w.left >= 0 {
			w.left -= int64(n)
		}
		return n, err
	}
	n, err := w.ResponseWriter.Write(p[:w.left])
	if err != nil {
		return n, err
	}
	rest := p[n:]
	w.left = -1
	if w.fault.action == "corrupt" {
		w.fault.fired.Add(1)
		if m, err := w.ResponseWriter.Write([]byte{^rest[0]}); err != nil {
			return n + m, err
		}
		m, err := w.ResponseWriter.Write(rest[1:])
		return n + 1 + m, err
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush() // what was written is to arrive; if it cannot, it is lost too
	w.fault.strike(w.request.Context(), w.ResponseWriter)
	m, err := w.ResponseWriter.Write(rest)
	return n + m, err
}

// Unwrap lets http.ResponseController reach the socket.
func (w *faultyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// strike does the fault at the point that the body has come to; it returns only if the answer goes on.
func (f *fault) strike(ctx context.Context, w http.ResponseWriter) {
	f.fired.Add(1)
	switch f.action {
	case "stall":
		wait(ctx, f.duration)
	case "reset":
		hangUp(w)
	case "truncate":
		panic(http.ErrAbortHandler) // net/http: the connection is closed, in order
	}
}

// hangUp ends the connection as one that died does, with a reset. It does not return.
func hangUp(w http.ResponseWriter) {
	for under := w; under != nil; {
		if a, ok := under.(aborter); ok {
			a.abort(&net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)})
			panic(http.ErrAbortHandler)
		}
		wrapper, ok := under.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		under = wrapper.Unwrap()
	}
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if secure, ok := conn.(*tls.Conn); ok {
			conn = secure.NetConn()
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // close sends RST
		}
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler) // also where there was nothing to hijack (HTTP/2)
}

// tagWriter answers with another ETag.
type tagWriter struct {
	http.ResponseWriter
	fault *fault
	etag  string
}

func (w *tagWriter) WriteHeader(status int) {
	if w.Header().Get("ETag") != "" {
		w.fault.fired.Add(1)
		w.Header().Set("ETag", w.etag)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController and hangUp reach what is below.
func (w *tagWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// lostWriter is an answer that nobody gets.
type lostWriter struct{ header http.Header }

func (w *lostWriter) Header() http.Header         { return w.header }
func (w *lostWriter) WriteHeader(int)             {}
func (w *lostWriter) Write(p []byte) (int, error) { return len(p), nil }

// wait waits, unless the client goes first.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
