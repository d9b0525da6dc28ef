// This file owns one download: opening it, sharing out its loans, reporting them in order. It refuses to know HTTP (fetch.go)
// and who lends (the boundary).
//
//	first ranged GET ──► Opened(size) ──► Lend: bytes that the first answer's body still holds are read from it, in order;
//	                                       all others are split into pieces, each a ranged GET of its own, If-Match the ETag
//	                                   ──► Filled, in the order lent (ledger.go)
//
// The first body waits in its socket until somebody lends: that costs no memory, no extra round trip, and no turn.

package engine

import (
	"context"
	"encoding/json"
	"io"
	"math"
)

// GetRequest asks for bytes [Start, End) of an object; nil Start is 0, nil End is the object's end.
type GetRequest struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Start  *int64 `json:"start"`
	End    *int64 `json:"end"`
}

// firstAsk is the least that the opening request asks for. Part sizes below it exist on the mock only, where asking for more
// spares one request for each of its tiny parts.
const firstAsk = 1 << 20

type get struct {
	op
	ledger
	object objectRef

	// Below: written once before Opened is reported, then read-only.
	want  span   // bytes to deliver
	total int64  // bytes of the object
	etag  string // of the first answer; every later request carries it in If-Match

	// Below: guarded by mu.
	next    int64      // where the next loan begins
	bodyEnd int64      // loans below it are served from the first body
	queue   []*segment // for the first body, in order
	refill  chan struct{}
}

// segment is a stretch of a loan that one request fills.
type segment struct {
	loan *loan
	at   span
	data []byte

	failed int // attempts used up
}

func (c *Client) startGet(r GetRequest) (Op, *Error) {
	start, end := int64(0), int64(-1)
	if r.Start != nil {
		start = *r.Start
	}
	if r.End != nil {
		end = *r.End
	}
	if start < 0 || (r.End != nil && end < 0) {
		return nil, newError(Invalid, "Client error: Invalid range: start and end must not be negative")
	}
	if end >= 0 && start > end {
		return nil, newError(Invalid, "Client error: Invalid range: start %d is after end %d", start, end)
	}
	g := &get{object: objectRef{r.Bucket, r.Key}, refill: make(chan struct{}, 1)}
	g.init(c, "get")
	return g, c.begin(&g.op, func(ctx context.Context) error {
		logf(levelDebug, targetOperation("get_object"), "new request bucket=%q key=%q start=%d end=%d", r.Bucket, r.Key, start, end)
		return g.serve(ctx, span{start, end}, r)
	})
}

// serve opens the object, then feeds loans from the first body until that is used up.
func (g *get) serve(ctx context.Context, ask span, r GetRequest) error {
	body, err := g.open(ctx, ask, r)
	if err != nil {
		return err
	}
	if body == nil {
		return nil
	}
	defer body.Close()
	for {
		seg, err := g.nextSegment(ctx)
		if seg == nil {
			return err
		}
		if err := g.readBody(ctx, body, seg); err != nil {
			return err
		}
	}
}

// open makes the first request and reports Opened. The body is nil where nothing is left to read from it.
func (g *get) open(ctx context.Context, ask span, r GetRequest) (io.ReadCloser, error) {
	first := span{ask.start, math.MaxInt64}
	if part := max(g.client.partSize, firstAsk); ask.start < math.MaxInt64-part {
		first.end = ask.start + part
	}
	if ask.end >= 0 {
		first.end = min(first.end, ask.end)
	}
	mode := askRange
	switch {
	case ask.start == ask.end: // delivers nothing, but a missing object is still an error
		mode, first = askNothing, span{ask.start, ask.start + 1}
	case r.Start == nil:
		mode = askWhole
	}
	f, err := g.client.fetchFirst(ctx, g.object, first, mode)
	if err != nil {
		if f != nil && g.client.cfg.MockRules {
			if bad := mockRange(r, f.total); bad != nil {
				return nil, bad
			}
		}
		return nil, err
	}
	want := span{ask.start, f.total}
	if ask.end >= 0 {
		want.end = min(ask.end, f.total)
	}
	if want.end < want.start {
		want.end = want.start
	}
	if g.client.cfg.MockRules {
		if err := mockRange(r, f.total); err != nil {
			f.close()
			return nil, err
		}
	}
	reply, err := json.Marshal(map[string]any{"size": f.total, "etag": f.etag})
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.want, g.total, g.etag, g.next, g.reply = want, f.total, f.etag, want.start, reply
	g.bodyEnd = min(f.got.end, want.end)
	g.emitLocked(Event{Kind: Opened, Offset: uint64(want.start), Length: uint64(want.len())})
	if g.bodyEnd <= want.start {
		f.close()
		return nil, nil
	}
	return f.body, nil
}

// Lend takes memory for the next len(data) bytes of the range.
func (g *get) Lend(token uint64, data []byte) *Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed && g.err == nil && g.reply == nil {
		return newError(Invalid, "lend after OPENED: before it, the length is not known")
	}
	if at := g.next; !g.closed && g.err == nil && int64(len(data)) > g.want.end-at {
		return newError(Invalid, "loan of %d bytes at %d passes the end of the range, %d", len(data), at, g.want.end)
	}
	if err := g.lendLocked(token, len(data)); err != nil {
		return err
	}
	poison(data)
	at := span{g.next, g.next + int64(len(data))}
	g.next = at.end
	var segments []*segment
	add := func(s span) {
		segments = append(segments, &segment{at: s, data: data[s.start-at.start : s.end-at.start : s.end-at.start]})
	}
	fromBody := at.start < g.bodyEnd
	if fromBody {
		add(span{at.start, min(at.end, g.bodyEnd)})
	}
	if rest := (span{max(at.start, g.bodyEnd), at.end}); rest.len() > 0 {
		for _, s := range rest.split(g.client.partSize) {
			add(s)
		}
	}
	entry := g.enter(token, at, len(segments))
	for i, seg := range segments {
		seg.loan = entry
		if i == 0 && fromBody {
			g.queue = append(g.queue, seg)
			g.refillLocked()
		} else {
			g.fetchLocked(seg)
		}
	}
	return nil
}

func (g *get) refillLocked() {
	select {
	case g.refill <- struct{}{}:
	default:
	}
}

// nextSegment waits for a loan that the first body serves; nil when there will be none.
func (g *get) nextSegment(ctx context.Context) (*segment, error) {
	for {
		g.mu.Lock()
		if len(g.queue) > 0 {
			seg := g.queue[0]
			g.queue = g.queue[1:]
			g.mu.Unlock()
			return seg, nil
		}
		used := g.next >= g.bodyEnd
		g.mu.Unlock()
		if used {
			return nil, nil
		}
		select {
		case <-g.refill:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// readBody fills seg from the first body. Where that body dies, seg and all that waits for it become requests of their own.
func (g *get) readBody(ctx context.Context, body io.Reader, seg *segment) error {
	done, err := g.client.budget.turn(ctx)
	if err != nil {
		return err
	}
	n, err := io.ReadFull(body, seg.data)
	done()
	if err == nil {
		g.settleSegment(seg, nil)
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := g.client.retrier.again(ctx, 1, n > 0, err); err != nil {
		return err
	}
	logf(levelDebug, targetOperation("get_object"), "body ended at byte %d, asking for the rest: %v", seg.at.start+int64(n), err)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bodyEnd = 0
	rest := &segment{loan: seg.loan, at: span{seg.at.start + int64(n), seg.at.end}, data: seg.data[n:], failed: 1}
	g.fetchLocked(rest)
	for _, waiting := range g.queue {
		g.fetchLocked(waiting)
	}
	g.queue = nil
	return nil
}

// fetchLocked begins a request for seg: mu must be held. A failure belongs to the loan and not to the op: loans before it
// are still filled and reported.
func (g *get) fetchLocked(seg *segment) {
	if g.closed {
		return
	}
	g.runLocked(func(ctx context.Context) error {
		g.settleSegment(seg, g.client.fetchPart(ctx, g.object, g.etag, g.total, seg))
		return nil
	})
}

// settleSegment books a filled or failed segment, and reports what can now be reported.
func (g *get) settleSegment(seg *segment, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil && seg.loan.err == nil {
		seg.loan.err = err
	}
	mustBe(!g.drained && seg.loan.pending > 0, "no segment is settled twice, or after its op has drained")
	seg.loan.pending--
	for head := g.settle(); head != nil; head = g.settle() {
		if head.err != nil {
			g.failLocked(head.err)
			return
		}
		g.emitLocked(Event{Kind: Filled, Token: head.token, Offset: uint64(head.at.start), Length: uint64(head.at.len())})
	}
}
