package fakes3

// roundtrip.go owns: an http.Handler as an http.RoundTripper: a request and its answer without a socket.
// It refuses to know: S3.
//
// The handler runs in one goroutine, which takes the request's body from the caller's reader as it comes. A handler that
// knows puller leaves a reader for the answer and is gone; what another handler writes waits until the caller reads.
// One promise makes this fit for bodies in borrowed memory: when RoundTrip has returned an error, or the answer's body is
// closed, or read to its end, the goroutine has ended and nobody touches the request's body any more. For that a handler
// must honour its request's context, and a request's body must end a Read when it is closed, as net/http asks of both.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
)

// RoundTripper is h without a socket.
func RoundTripper(h http.Handler) http.RoundTripper { return transport{h} }

type transport struct{ handler http.Handler }

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	body := &requestBody{body: req.Body, left: -1}
	if err := context.Cause(req.Context()); err != nil {
		_ = body.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	r, err := received(req.WithContext(ctx), body)
	if err != nil {
		_ = body.Close()
		cancel(err)
		return nil, err
	}
	x := &exchange{
		ctx: ctx, cancel: cancel, body: body, header: http.Header{}, length: -1,
		committed: make(chan struct{}), done: make(chan struct{}), pieces: make(chan []byte), taken: make(chan int),
	}
	go x.run(t.handler, r)
	select {
	case <-x.committed:
	case <-ctx.Done():
	}
	if err := context.Cause(req.Context()); err != nil { // also if both: then the answer is what the cancel made of it
		_ = x.Close()
		return nil, err
	}
	if x.refused != nil {
		_ = x.Close()
		return nil, x.refused
	}
	return x.response(req), nil
}

// received is the request as a server would have read it from a socket.
func received(req *http.Request, body *requestBody) (*http.Request, error) {
	target := req.URL.RequestURI()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, err
	}
	r := *req
	r.URL, r.RequestURI, r.RemoteAddr = u, target, "memory"
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	if r.Host == "" {
		r.Host = req.URL.Host
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if r.Body == nil || r.Body == http.NoBody {
		r.ContentLength = 0
	} else if r.ContentLength == 0 {
		r.ContentLength = -1 // that is how a client says that it does not know
	}
	body.left = r.ContentLength
	r.Body = body
	return &r, nil
}

// requestBody is the caller's reader, up to the announced length, closed once.
type requestBody struct {
	body  io.ReadCloser
	left  int64 // of the announced length, or -1
	err   error // what Read said last
	close sync.Once
}

func (b *requestBody) Read(p []byte) (n int, err error) {
	switch {
	case b.err != nil:
		return 0, b.err
	case b.body == nil || b.left == 0:
		return 0, io.EOF
	case b.left > 0:
		p = p[:min(int64(len(p)), b.left)]
	}
	n, b.err = b.body.Read(p)
	if b.left > 0 {
		if b.left -= int64(n); errors.Is(b.err, io.EOF) && b.left > 0 {
			b.err = fmt.Errorf("http: body ends %d bytes before its Content-Length", b.left)
		}
	}
	return n, b.err
}

func (b *requestBody) Close() (err error) {
	if b.body != nil {
		b.close.Do(func() { err = b.body.Close() })
	}
	return err
}

// exchange is one request and its answer: the handler's ResponseWriter and the caller's Response.Body.
type exchange struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	body   *requestBody

	// The handler's until committed is closed, then the caller's.
	header    http.Header
	status    int
	sent      http.Header // header as it was at WriteHeader
	length    int64       // Content-Length, or -1
	headOnly  bool
	pulled    io.Reader
	refused   error // there is no answer
	committed chan struct{}

	// What is written goes through here, a piece at a time, and the number of bytes taken comes back.
	pieces  chan []byte
	taken   chan int
	written int64

	end  error // how the body ends; set before done is closed
	done chan struct{}

	fault error // what abort asked for; the handler's
	ended error // what Read said last; the caller's
}

// run lets the handler answer, and settles the end.
func (x *exchange) run(h http.Handler, r *http.Request) {
	defer close(x.done)
	defer func() { _ = x.body.Close() }() // the caller's reader, whose errors have been met in Read
	failed := errors.New("fakes3: handler ended its goroutine")
	defer func() {
		p := recover()
		switch err, _ := p.(error); {
		case errors.Is(err, http.ErrAbortHandler) && x.fault != nil:
			failed = x.fault
		case errors.Is(err, http.ErrAbortHandler):
			failed = io.ErrUnexpectedEOF
		case p != nil:
			failed = fmt.Errorf("fakes3: handler panicked: %v", p)
		}
		x.settle(failed)
	}()
	x.headOnly = r.Method == http.MethodHead
	h.ServeHTTP(x, r)
	failed = nil
}

// settle says how the answer ends once the handler has.
func (x *exchange) settle(failed error) {
	select {
	case <-x.committed:
	default:
		x.refused = failed
		if err := x.body.err; err != nil && !errors.Is(err, io.EOF) {
			x.refused = err // whatever the handler made of it: the caller is told what its own reader said
		}
		if x.status == 0 {
			x.WriteHeader(http.StatusOK)
		}
		if x.length < 0 && !x.bodyless() {
			x.length = 0
		}
		close(x.committed)
	}
	x.end = io.EOF
	switch {
	case x.bodyless():
	case failed != nil:
		x.end = failed
	case x.pulled == nil && x.length > x.written:
		x.end = io.ErrUnexpectedEOF // less than announced
	}
}

func (x *exchange) bodyless() bool {
	return x.headOnly || x.status == http.StatusNoContent || x.status == http.StatusNotModified
}

// Header, WriteHeader, Write and Flush are the handler's half.
func (x *exchange) Header() http.Header { return x.header }

func (x *exchange) WriteHeader(status int) {
	if x.status != 0 || status < 200 {
		return
	}
	x.status, x.sent = status, x.header.Clone()
	if n, err := strconv.ParseInt(x.sent.Get("Content-Length"), 10, 64); err == nil {
		x.length = n
	}
}

// commit sends the head of the answer. Until then a handler can still leave a reader.
func (x *exchange) commit() {
	x.WriteHeader(http.StatusOK)
	select {
	case <-x.committed:
	default:
		close(x.committed)
	}
}

// FlushError sends the head now, and is how http.ResponseController flushes.
func (x *exchange) FlushError() error { x.commit(); return nil }

func (x *exchange) Write(p []byte) (n int, err error) {
	x.commit()
	switch {
	case x.bodyless():
		return 0, http.ErrBodyNotAllowed
	case x.length >= 0 && x.written+int64(len(p)) > x.length:
		return 0, http.ErrContentLength
	}
	for n < len(p) {
		select {
		case x.pieces <- p[n:]:
			n += <-x.taken
		case <-x.ctx.Done():
			return n, context.Cause(x.ctx)
		}
	}
	x.written += int64(n)
	return n, nil
}

// pull leaves a reader that is the rest of the answer.
func (x *exchange) pull(body io.Reader) {
	x.WriteHeader(http.StatusOK)
	x.pulled = body
}

func (x *exchange) abort(err error) { x.fault = err }

// response is the answer, whose body x is.
func (x *exchange) response(req *http.Request) *http.Response {
	resp := &http.Response{
		Status:     strconv.Itoa(x.status) + " " + http.StatusText(x.status),
		StatusCode: x.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: x.sent, ContentLength: x.length, Body: x, Request: req,
	}
	if x.length < 0 && x.bodyless() && !x.headOnly {
		resp.ContentLength = 0
	}
	return resp
}

// Read and Close are the caller's half.
func (x *exchange) Read(p []byte) (n int, err error) {
	if x.ended != nil {
		return 0, x.ended
	}
	if len(p) == 0 {
		return 0, nil
	}
	defer func() {
		x.ended = err
		if errors.Is(err, io.EOF) { // the end needs no Close to have ended
			<-x.done
			x.cancel(io.EOF)
		}
	}()
	if err := context.Cause(x.ctx); err != nil {
		return 0, err
	}
	if x.pulled != nil {
		return x.pulled.Read(p)
	}
	select {
	case piece := <-x.pieces:
		n = copy(p, piece)
		x.taken <- n
		return n, nil
	case <-x.done:
		return 0, x.end
	case <-x.ctx.Done():
		return 0, context.Cause(x.ctx)
	}
}

// Close ends what is left of the exchange and waits until it has ended.
func (x *exchange) Close() error {
	x.cancel(errClosed)
	_ = x.body.Close()
	<-x.done
	return nil
}

var errClosed = errors.New("http: read on closed response body")
