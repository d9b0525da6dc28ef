package engine

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"s3engine/fakes3"
)

// reply serves data as S3 does: the range asked for, if it is one, with length, ETag and Content-Range.
func reply(w http.ResponseWriter, r *http.Request, data []byte, etag string) {
	h := w.Header()
	h.Set("Etag", etag)
	if match := r.Header.Get("If-Match"); match != "" && match != etag {
		w.WriteHeader(http.StatusPreconditionFailed)
		return
	}
	s, ok := asked(r)
	switch {
	case !ok:
		h.Set("Content-Length", strconv.Itoa(len(data)))
		_, _ = w.Write(data)
	case s.start >= int64(len(data)):
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", len(data)))
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
	default:
		s.end = min(s.end, int64(len(data)))
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", s.start, s.end-1, len(data)))
		h.Set("Content-Length", strconv.FormatInt(s.len(), 10))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(data[s.start:s.end])
	}
}

// asked is the range of a request.
func asked(r *http.Request) (s span, ok bool) {
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &s.start, &s.end); n != 2 {
		return s, false
	}
	s.end++
	return s, true
}

// Every range of an object comes out as the same bytes whatever the sizes of parts and loans, loans of one byte, loans across
// the first body's end and loans longer than a part among them.
func TestGetRanges(t *testing.T) {
	data := pattern(3_000_001) // firstAsk is 1 MiB: two thirds lie beyond the first body
	n := int64(len(data))
	const first = firstAsk
	for _, partSize := range []int64{1 << 20, 1_500_000, 8 << 20} {
		c, s := dialS3(t, func(cfg *Config) { cfg.PartSize = partSize })
		s.Add(fakes3.Object{Bucket: "b", Key: "k", Data: data})
		for _, row := range []struct {
			start, end *int64
			loan       int
		}{
			{nil, nil, 8 << 20}, {nil, nil, first}, {nil, nil, 700_001}, {nil, ptr(int64(5)), 1}, {ptr(int64(0)), nil, 3_000_000},
			{ptr(n - 7), nil, 1}, {ptr(int64(17)), ptr(int64(40)), 1}, {ptr(int64(17)), ptr(int64(40)), 100},
			{ptr(int64(first - 3)), ptr(int64(first + 3)), 2}, {ptr(int64(99)), ptr(n + 1000), first + 1}, {ptr(n - 1), ptr(n), 9},
			{ptr(int64(1)), ptr(n - 1), 250_007}, {nil, ptr(n * 2), 1 << 20},
		} {
			from, to := int64(0), n
			if row.start != nil {
				from = *row.start
			}
			if row.end != nil {
				to = min(*row.end, n)
			}
			out, err := download(t, c, GetRequest{"b", "k", row.start, row.end}, row.loan)
			if err != nil {
				t.Fatalf("[%d, %d) by %d: %v", from, to, row.loan, err)
			}
			same(t, data[from:to], out)
		}
	}
}

// Empty ranges and empty objects deliver nothing; a range that begins past the end is the service's 416, and nonsense is refused
// before anything is sent.
func TestGetEdges(t *testing.T) {
	c, s := dialS3(t)
	s.Add(fakes3.Object{Bucket: "b", Key: "ten", Data: pattern(10)})
	s.Add(fakes3.Object{Bucket: "b", Key: "none"})
	at := func(n int64) *int64 { return &n }
	for _, row := range []struct {
		key        string
		start, end *int64
		kind       Kind
		text       string
	}{
		{"none", nil, nil, OK, ""}, {"none", nil, at(10), OK, ""}, {"none", at(0), at(0), OK, ""}, {"ten", at(0), at(0), OK, ""},
		{"ten", at(5), at(5), OK, ""}, {"ten", at(10), at(10), OK, ""}, {"ten", at(99), at(99), OK, ""}, {"ten", nil, at(0), OK, ""},
		{"ten", at(10), nil, Service, "Client error: Unknown response error: HTTP 416"}, {"ten", at(10), at(11), Service, "416"},
		{"none", at(0), nil, Service, "416"}, {"none", at(0), at(1), Service, "416"},
		{"ten", at(1<<63 - 2), nil, Service, "416"}, {"ten", at(1<<63 - 1), at(1<<63 - 1), OK, ""}, {"ten", at(1 << 62), at(1<<63 - 1), Service, "416"},
		{"ten", at(5), at(4), Invalid, "Client error: Invalid range"}, {"ten", at(-1), nil, Invalid, "negative"},
		{"ten", nil, at(-1), Invalid, "negative"}, {"ten", at(0), at(-5), Invalid, "negative"},
		{"no", nil, nil, NotFound, "Service error: The key does not exist"}, {"no", at(3), at(3), NotFound, "Service error: The key does not exist"},
	} {
		out, err := download(t, c, GetRequest{"b", row.key, row.start, row.end}, 4)
		switch {
		case row.kind != OK:
			fails(t, err, row.kind, row.text)
		case err != nil || len(out) != 0:
			t.Errorf("%s: %d bytes, %v", row.key, len(out), err)
		}
	}
}

// The reply at Opened is the whole object's size and ETag, whatever the range.
func TestGetReply(t *testing.T) {
	c, s := dialS3(t)
	s.Add(fakes3.Object{Bucket: "b", Key: "k", Data: []byte("1234567890")})
	for _, r := range []GetRequest{{"b", "k", nil, nil}, {"b", "k", ptr(int64(3)), ptr(int64(4))}, {"b", "k", ptr(int64(3)), ptr(int64(3))}} {
		o := start(t, c, &r)
		expect(t, o, 0, Opened)
		if text := string(o.Reply()); text != `{"etag":"\"e807f1fcf82d132f9bb018ca6738a19f\"","size":10}` {
			t.Error(text)
		}
		drain(t, o)
	}
}

// The answer is checked before a byte of it counts: one that is not exactly what was asked for is an error, and nothing of it
// is delivered. (An object is never quietly short, nor quietly empty.)
func TestGetRefusesWrongAnswers(t *testing.T) {
	data := pattern(2_000_000)
	raw := func(head string, body []byte) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 %s\r\n\r\n%s", strings.ReplaceAll(head, "\n", "\r\n"), body)
			_ = conn.Close()
		}
	}
	whole := "\nEtag: \"e\""
	for name, row := range map[string]struct {
		from   int64
		answer func(http.ResponseWriter)
	}{
		"other bytes":                  {100, raw("206 Partial\nContent-Length: 100\nContent-Range: bytes 101-200/2000000"+whole, data[101:201])},
		"fewer bytes":                  {100, raw("206 Partial\nContent-Length: 99\nContent-Range: bytes 100-198/2000000"+whole, data[100:199])},
		"more bytes":                   {100, raw("206 Partial\nContent-Length: 101\nContent-Range: bytes 100-200/2000000"+whole, data[100:201])},
		"length against range":         {100, raw("206 Partial\nContent-Length: 99\nContent-Range: bytes 100-199/2000000"+whole, data[100:199])},
		"no content-range":             {100, raw("206 Partial\nContent-Length: 100"+whole, data[100:200])},
		"no total":                     {100, raw("206 Partial\nContent-Length: 100\nContent-Range: bytes 100-199/*"+whole, data[100:200])},
		"garbled content-range":        {100, raw("206 Partial\nContent-Length: 100\nContent-Range: all of them"+whole, data[100:200])},
		"200 from the middle":          {100, raw("200 OK\nContent-Length: 100"+whole, data[100:200])},
		"204":                          {100, raw("204 No Content"+whole, nil)},
		"200 of unknown length":        {0, raw("200 OK\nConnection: close"+whole, data[:100])},
		"200 in chunks":                {0, raw("200 OK\nTransfer-Encoding: chunked"+whole, []byte("4\r\nabcd\r\n0\r\n\r\n"))},
		"multipart":                    {100, raw("206 Partial\nContent-Length: 100\nContent-Type: multipart/byteranges; boundary=x"+whole, data[:100])},
		"206 of a total that it ended": {100, raw("206 Partial\nContent-Length: 50\nContent-Range: bytes 100-149/2000000"+whole, data[100:150])},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialFunc(t, func(w http.ResponseWriter, _ *http.Request) { row.answer(w) })
			r := GetRequest{"b", "k", nil, nil}
			if row.from > 0 {
				r.Start, r.End = ptr(row.from), ptr(int64(200))
			}
			out, err := download(t, c, r, 50)
			fails(t, err, Integrity, "Client error: Data from S3 is not what was asked for")
			if len(out) != 0 {
				t.Fatalf("%d bytes were delivered", len(out))
			}
		})
	}
}

// The same holds for each later part.
func TestGetRefusesWrongParts(t *testing.T) {
	data := pattern(3 << 20)
	for name, row := range map[string]struct {
		wrong func(http.ResponseWriter, *http.Request)
		kind  Kind
	}{
		"ignores the range": {func(w http.ResponseWriter, r *http.Request) { r.Header.Del("Range"); reply(w, r, data, `"e"`) }, Integrity},
		"other bytes": {func(w http.ResponseWriter, r *http.Request) {
			s, _ := asked(r)
			r.Header.Set("Range", span{s.start - 1, s.end - 1}.header())
			reply(w, r, data, `"e"`)
		}, Integrity},
		"another size":      {func(w http.ResponseWriter, r *http.Request) { reply(w, r, append(data, 1), `"e"`) }, Precondition},
		"another ETag":      {func(w http.ResponseWriter, r *http.Request) { r.Header.Del("If-Match"); reply(w, r, data, `"f"`) }, Precondition},
		"If-Match does not": {func(w http.ResponseWriter, r *http.Request) { reply(w, r, data, `"f"`) }, Precondition},
		"gone":              {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, NotFound},
		"shrunk":            {func(w http.ResponseWriter, r *http.Request) { reply(w, r, data[:5], `"e"`) }, Service},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
				if s, _ := asked(r); s.start >= 2<<20 {
					row.wrong(w, r)
				} else {
					reply(w, r, data, `"e"`)
				}
			}, func(cfg *Config) { cfg.PartSize = 1 << 20 })
			out, err := download(t, c, GetRequest{"b", "k", nil, nil}, 1<<20)
			fails(t, err, row.kind, "")
			same(t, data[:2<<20], out) // the parts before it are delivered, and nothing else
		})
	}
}

// Stores whose 416 does not say the object's length, and stores without ranges at all, still give empty and small objects.
func TestGetFromPlainStores(t *testing.T) {
	for name, row := range map[string]struct {
		handler func(http.ResponseWriter, *http.Request)
		data    string
	}{
		"416 without content-range": {func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.WriteHeader(416)
			}
		}, ""},
		"200 empty": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Etag", `"e"`) }, ""},
		"no ranges": {func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Range")
			reply(w, r, []byte("hello"), `"e"`)
		}, "hello"},
		"no ETag":            {func(w http.ResponseWriter, r *http.Request) { reply(w, r, []byte("hello"), "") }, "hello"},
		"416, then no bytes": {func(w http.ResponseWriter, r *http.Request) { reply(w, r, nil, `"e"`) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialFunc(t, row.handler)
			out, err := download(t, c, GetRequest{"b", "k", nil, nil}, 2)
			if err != nil || string(out) != row.data {
				t.Fatalf("%q, %s", out, show(err))
			}
		})
	}
}

// Without an ETag nothing tells whether a second answer is of the same object, so none is asked for: bytes are never mixed.
func TestGetWithoutETagAsksOnce(t *testing.T) {
	data := pattern(3 << 20)
	var asked atomic.Int32
	c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		reply(w, r, data, "")
	}, func(cfg *Config) { cfg.PartSize = 1 << 20 })
	out, err := download(t, c, GetRequest{"b", "k", nil, nil}, 1<<20)
	fails(t, err, Integrity, "no ETag")
	same(t, data[:1<<20], out)
	if n := asked.Load(); n != 1 {
		t.Fatalf("%d requests", n)
	}
}

// As many opened and idle gets as there are turns, and more, block nobody: their bodies wait in sockets, without a turn.
func TestIdleGetsHoldNoTurn(t *testing.T) {
	c, s := dialS3(t)
	data := pattern(100_000)
	s.Add(fakes3.Object{Bucket: "b", Key: "k", Data: data})
	var idle []Op
	for range 4 * c.cfg.connections() {
		o := start(t, c, &GetRequest{"b", "k", nil, nil})
		expect(t, o, 0, Opened)
		idle = append(idle, o)
	}
	out, err := download(t, c, GetRequest{"b", "k", nil, nil}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	same(t, data, out)
	for i, o := range idle {
		if i%8 == 0 { // an idle one is as good as new
			if err := o.Lend(1, make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
			expect(t, o, 1, Filled)
		}
		drain(t, o)
	}
}

// However many loans are out, no more part requests are on the wire than the client has connections.
func TestBudgetBoundsTheWire(t *testing.T) {
	data := pattern(4 << 20)
	var now, most atomic.Int64
	var gate sync.Once
	full := make(chan struct{})
	c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if s, _ := asked(r); s.start > 0 {
			n := now.Add(1)
			defer now.Add(-1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			if n >= minConnections {
				gate.Do(func() { close(full) })
			}
			select {
			case <-full:
			case <-time.After(patience):
			}
		}
		reply(w, r, data, `"e"`)
	}, func(cfg *Config) { cfg.PartSize = 32 << 10 })
	o := start(t, c, &GetRequest{"b", "k", nil, nil})
	out, err := read(t, o, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	same(t, data, out)
	drain(t, o)
	if most.Load() > int64(c.cfg.connections()) || most.Load() < minConnections {
		t.Fatalf("%d requests at once, %d connections", most.Load(), c.cfg.connections())
	}
}

// A loan that passes the end, comes too early or names a token twice is refused, and nothing is lent.
func TestGetRefusesLoans(t *testing.T) {
	release := make(chan struct{})
	c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		reply(w, r, []byte("hello"), `"e"`)
	})
	o := start(t, c, &GetRequest{"b", "k", nil, nil})
	fails(t, o.Lend(1, make([]byte, 1)), Invalid, "after OPENED")
	close(release)
	expect(t, o, 0, Opened)
	fails(t, o.Lend(1, make([]byte, 6)), Invalid, "passes the end")
	fails(t, o.Finish(), Invalid, "nothing to finish")
	if err := o.Lend(1, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	fails(t, o.Lend(2, make([]byte, 2)), Invalid, "passes the end")
	fails(t, o.Lend(1, make([]byte, 1)), Invalid, "still out")
	if LentBytes() != 4 {
		t.Fatalf("%d bytes are lent", LentBytes())
	}
	drain(t, o)
	fails(t, o.Lend(3, make([]byte, 1)), BadHandle, "closed")
}
