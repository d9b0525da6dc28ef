// This file owns one part going out: UploadPart from lent memory. It refuses to know loans, order and who waits.

package engine

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
)

// sendPart uploads data as part number n and returns its ETag.
func (c *Client) sendPart(ctx context.Context, o objectRef, uploadID string, n int, data []byte) (etag string, err error) {
	for attempt := 1; ; attempt++ {
		etag, err = c.tryPut(ctx, o, "partNumber="+strconv.Itoa(n)+"&uploadId="+url.QueryEscape(uploadID), data)
		if err == nil {
			return etag, nil
		}
		if err := c.retrier.again(ctx, attempt, false, err); err != nil {
			return "", err
		}
		logf(levelDebug, targetOperation("put_object"), "sending part %d again after: %v", n, err)
	}
}

func (c *Client) tryPut(ctx context.Context, o objectRef, query string, data []byte) (etag string, err error) {
	done, err := c.budget.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	e, err := c.endpointOf(ctx, o.bucket)
	if err != nil {
		return "", err
	}
	ctx, w := newWatch(ctx, c.stall)
	defer w.end()
	r := c.newRequest(ctx, http.MethodPut, o, query, e)
	r.ContentLength = int64(len(data))
	r.Header["Accept"] = []string{"application/xml"}
	body := &lentBody{rest: data, watch: w}
	defer body.detach()
	if r.Body = body; len(data) == 0 {
		r.Body = http.NoBody
	}
	resp, err := c.exchange(ctx, r, o.bucket, e, w)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, errorLimit)); err != nil { // so that the connection is used again
		logf(levelDebug, targetOperation("put_object"), "the answer's body: %v", err)
	}
	if n := body.unread(); n > 0 {
		return "", fmt.Errorf("the store answered %d bytes before the part's end: %w", n, errShort)
	}
	etag = resp.Header.Get("Etag")
	if etag == "" {
		return "", integrity("the answer to a part has no ETag")
	}
	return etag, nil
}

// lentBody reads lent memory for net/http, which may go on reading after RoundTrip has returned: it promises only to close the
// body some time later. detach ends that: after it no byte of the loan is touched, which is what lets the loan be given back.
type lentBody struct {
	mu    sync.Mutex
	rest  []byte
	watch *watch // nil once closed or detached
	left  int    // unread when closed
}

var errDetached = &Error{Kind: Canceled, Message: "the request is over"}

func (b *lentBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watch == nil {
		return 0, errDetached
	}
	b.watch.progress()
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Close is net/http's; how much was unread then is still to be asked.
func (b *lentBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left, b.rest, b.watch = b.leftLocked(), nil, nil
	return nil
}

// unread is how many bytes net/http has not taken: an answer that came before them does not speak of them.
func (b *lentBody) unread() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.leftLocked()
}

// leftLocked: mu must be held.
func (b *lentBody) leftLocked() int {
	if b.watch == nil {
		return b.left
	}
	return len(b.rest)
}

func (b *lentBody) detach() { _ = b.Close() }
