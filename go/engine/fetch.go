// This file owns one part coming in: a ranged GET whose body goes straight into lent memory, checked before a byte counts, and
// resumed at the lost byte when its connection dies. It refuses to know loans, order and who waits.

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// firstAnswer is what the opening request of a get learned, with the body still in the socket.
type firstAnswer struct {
	got   span // which bytes the body holds
	total int64
	etag  string
	body  io.ReadCloser // nil where there is nothing to read
}

func (f *firstAnswer) close() {
	if f.body != nil {
		f.body.Close()
	}
}

// What the caller of fetchFirst is after decides what a 416 means.
type askMode int

const (
	askRange   askMode = iota // a range: 416 is the caller's error
	askWhole                  // the object: 416 is how S3 says that it is empty
	askNothing                // an empty range, asked as one byte: 416 says that the object exists, which is all we want
)

// fetchFirst asks for `ask` without knowing the object. What a 416 told of the object comes with the error.
func (c *Client) fetchFirst(ctx context.Context, o objectRef, ask span, mode askMode) (*firstAnswer, error) {
	ranged := true
	for attempt := 1; ; attempt++ {
		f, err := c.tryFirst(ctx, o, ask, ranged)
		if a := asAnswer(err); a != nil && a.status == http.StatusRequestedRangeNotSatisfiable {
			switch {
			case mode == askWhole && f.total == 0, mode == askNothing:
				f.total = max(f.total, 0)
				return f, nil
			case mode == askWhole && f.total < 0 && ranged:
				ranged = false // a store whose 416 does not say how long the object is: ask for all of it
				continue
			}
		}
		if err == nil {
			return f, nil
		}
		if err := c.retrier.again(ctx, attempt, false, err); err != nil {
			return f, err
		}
	}
}

func (c *Client) tryFirst(ctx context.Context, o objectRef, ask span, ranged bool) (*firstAnswer, error) {
	done, err := c.budget.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	var asked *span
	if ranged {
		asked = &ask
	}
	resp, err := c.askFor(ctx, o, asked, "")
	if err != nil {
		if resp != nil { // 416, with an error beside it
			return &firstAnswer{got: span{ask.start, ask.start}, total: unsatisfiedTotal(resp.Header)}, err
		}
		return nil, err
	}
	f := &firstAnswer{etag: resp.Header.Get("Etag"), body: resp.Body}
	if err := f.readRange(resp, ask); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return f, nil
}

// readRange checks the answer's status, Content-Range and length against what was asked for.
func (f *firstAnswer) readRange(resp *http.Response, ask span) (err error) {
	switch {
	case resp.StatusCode == http.StatusPartialContent:
		if f.got, f.total, err = parseContentRange(resp.Header.Get("Content-Range")); err != nil {
			return integrity("%v", err)
		}
		if f.got.start != ask.start || f.got.end != min(ask.end, f.total) {
			return integrity("asked for bytes [%d, %d) of %d and was given [%d, %d)", ask.start, ask.end, f.total, f.got.start, f.got.end)
		}
	case resp.StatusCode == http.StatusOK && ask.start == 0:
		f.got, f.total = span{0, resp.ContentLength}, resp.ContentLength // all of it: an empty object, or a store without ranges
	default:
		return integrity("asked for bytes from %d on and was answered with status %d", ask.start, resp.StatusCode)
	}
	// An answer without a length is as good where Content-Range tells it; else an end that came early could not be told.
	if n := resp.ContentLength; n != f.got.len() && (n >= 0 || resp.StatusCode == http.StatusOK) || f.got.len() < 0 {
		return integrity("content-length is %d for %d bytes", resp.ContentLength, f.got.len())
	}
	return nil
}

// unsatisfiedTotal reads N of a 416's "bytes */N"; -1 where it is not there.
func unsatisfiedTotal(h http.Header) int64 {
	text, ok := strings.CutPrefix(h.Get("Content-Range"), "bytes */")
	if !ok {
		return -1
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// fetchPart fills seg with its bytes of an object that is known to have this ETag and size.
func (c *Client) fetchPart(ctx context.Context, o objectRef, etag string, total int64, seg *segment) error {
	if etag == "" {
		return integrity("the store sends no ETag, so a second request for the object could give bytes of another one; a part_size that holds the whole object needs no second request")
	}
	at, filled := seg.at, 0
	for attempt := seg.failed + 1; ; attempt++ {
		n, err := c.tryPart(ctx, o, etag, total, span{at.start + int64(filled), at.end}, seg.data[filled:])
		filled += n
		if err == nil {
			return nil
		}
		if err := c.retrier.again(ctx, attempt, n > 0, err); err != nil {
			return err
		}
		logf(levelDebug, targetOperation("get_object"), "resuming at byte %d after: %v", at.start+int64(filled), err)
	}
}

// tryPart is one attempt; n bytes of data are good, whatever the error.
func (c *Client) tryPart(ctx context.Context, o objectRef, etag string, total int64, at span, data []byte) (n int, err error) {
	done, err := c.budget.turn(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	resp, err := c.askFor(ctx, o, &at, etag)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	f := &firstAnswer{}
	if err := f.readRange(resp, at); err != nil {
		return 0, err
	}
	now := resp.Header.Get("Etag")
	if now == "" { // something between that ignores If-Match as well, for all we know
		return 0, integrity("a part came without the ETag that the object had before")
	}
	if f.total != total || now != etag {
		return 0, &answer{status: http.StatusPreconditionFailed, code: "PreconditionFailed", message: "the object changed between two parts"}
	}
	n, err = io.ReadFull(resp.Body, data)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = errShort
	}
	return n, err
}

// askFor sends one GET. With a 416 both the response, its body closed, and the error are returned.
func (c *Client) askFor(ctx context.Context, o objectRef, at *span, etag string) (*http.Response, error) {
	e, err := c.endpointOf(ctx, o.bucket)
	if err != nil {
		return nil, err
	}
	ctx, w := newWatch(ctx, c.stall)
	r := c.newRequest(ctx, http.MethodGet, o, "", e)
	r.Header["Accept"] = []string{"*/*"}
	if at != nil {
		r.Header["Range"] = []string{at.header()}
	}
	if etag != "" {
		r.Header["If-Match"] = []string{etag}
	}
	resp, err := c.exchange(ctx, r, o.bucket, e, w)
	if err != nil {
		w.end()
		return resp, err
	}
	w.pause()
	resp.Body = &watchedBody{resp.Body, ctx, w}
	return resp, nil
}

func integrity(format string, args ...any) *Error {
	return newError(Integrity, "Client error: Data from S3 is not what was asked for: %s", fmt.Sprintf(format, args...))
}
