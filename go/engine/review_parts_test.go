package engine

// review_parts_test.go owns: parts whose answers are odd, and who waits while an attempt backs off.
// It refuses to know the SDK's plane (review_answers_test.go).

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"s3engine/fakes3"
)

// blockBackoff makes every backoff of the data plane last as long as its op; n is how many there are.
func blockBackoff(c *Client) (n *atomic.Int64) {
	n = new(atomic.Int64)
	c.retrier.sleep = func(ctx context.Context, _ time.Duration) error {
		n.Add(1)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return n
}

// A request that waits for its next attempt holds no turn: gets, parts of gets and parts of puts that are throttled, as many as
// there are turns and more, do not keep a healthy key waiting.
func TestReviewBackoffHoldsNoTurn(t *testing.T) {
	data := pattern(40 << 20)
	for _, what := range []string{"gets", "parts of a get", "parts of a put"} {
		t.Run(what, func(t *testing.T) {
			s := fakes3.New(fakes3.RulesS3, "b")
			for key, size := range map[string]int{"good": 3 << 20, "bad": len(data)} {
				s.Add(fakes3.Object{Bucket: "b", Key: key, Data: data[:size]})
			}
			c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
				at, _ := asked(r)
				verb := verbOf(r)
				if strings.HasSuffix(r.URL.Path, "/bad") && (verb == "part" || verb == "get" && (what == "gets" || at.start > 0)) {
					_, _ = io.Copy(io.Discard, r.Body)
					w.WriteHeader(503)
					return
				}
				s.ServeHTTP(w, r)
			}, func(cfg *Config) { cfg.PartSize, cfg.MaxAttempts = 1<<20, 10 })
			sleeping := blockBackoff(c)
			turns := c.cfg.connections()
			var ops []Op
			switch what {
			case "gets":
				for range turns + 3 {
					ops = append(ops, start(t, c, &GetRequest{"b", "bad", nil, nil}))
				}
			case "parts of a get":
				o := start(t, c, &GetRequest{"b", "bad", nil, nil})
				expect(t, o, 0, Opened)
				if err := o.Lend(1, make([]byte, (turns+4)<<20)); err != nil {
					t.Fatal(err)
				}
				ops = append(ops, o)
			case "parts of a put":
				o := start(t, c, &PutRequest{"b", "bad", nil})
				expect(t, o, 0, Opened)
				for i := range turns + 3 {
					if err := o.Lend(uint64(i), data[:1000]); err != nil {
						t.Fatal(err)
					}
				}
				ops = append(ops, o)
			}
			eventually(t, "all of them back off", func() bool { return sleeping.Load() == int64(turns+3) })
			out, err := download(t, c, GetRequest{"b", "good", nil, nil}, 700_001)
			if err != nil {
				t.Fatal(show(err))
			}
			same(t, data[:3<<20], out)
			if _, err := upload(t, c, PutRequest{"b", "good too", nil}, []byte("x")); err != nil {
				t.Fatal(show(err))
			}
			for _, o := range ops {
				drain(t, o)
			}
			if s.OpenUploads() != 0 {
				t.Error("the upload is still open")
			}
		})
	}
}

// retagged gives an answer another ETag, or none.
type retagged struct {
	http.ResponseWriter
	etag string
}

func (w *retagged) WriteHeader(status int) {
	w.Header().Del("Etag")
	if w.etag != "" {
		w.Header().Set("Etag", w.etag)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *retagged) Write(p []byte) (int, error) { return w.ResponseWriter.Write(p) }

// A later part without an ETag cannot be told from another object's, and one with another ETag is another object's: neither is
// delivered, whether it is a part of its own or the rest of the first body.
func TestReviewPartsOfAnotherObject(t *testing.T) {
	old, changed := pattern(3<<20), bytes.Repeat([]byte{0xEE}, 3<<20)
	for etag, kind := range map[string]Kind{"": Integrity, `"new"`: Precondition} {
		for _, after := range []int{1000, 1 << 20} {
			t.Run(fmt.Sprint(etag, after), func(t *testing.T) {
				var seen wireTape
				c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
					if seen.add(r) == 1 {
						cut(w, r, old, `"old"`, after)
						return
					}
					r.Header.Del("If-Match") // something between does not know it
					reply(&retagged{w, etag}, r, changed, `"new"`)
				}, func(cfg *Config) { cfg.PartSize = 1 << 20 })
				out, err := download(t, c, GetRequest{"b", "k", nil, nil}, 1000)
				fails(t, err, kind, "")
				same(t, old[:len(out)], out)
				if len(out) == 0 && after > 1000 {
					t.Error("what came before was lost")
				}
			})
		}
	}
}

// chunked serves the asked range without a Content-Length, at most n bytes of it; the body then ends well, or in the middle.
func chunked(w http.ResponseWriter, r *http.Request, data []byte, n int, well bool) {
	at, ok := asked(r)
	if !ok {
		at = span{0, int64(len(data))}
	}
	at.end = min(at.end, int64(len(data)))
	w.Header().Set("Etag", `"e"`)
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at.start, at.end-1, len(data)))
	w.WriteHeader(http.StatusPartialContent)
	out := http.NewResponseController(w)
	_ = out.Flush()
	_, _ = w.Write(data[at.start:min(at.end, at.start+int64(n))])
	if !well {
		_ = out.Flush()
		panic(http.ErrAbortHandler)
	}
}

// A 206 without Content-Length is as good as its Content-Range: byte exact, and resumed at the lost byte where it ends early,
// also where it ends as if that were all.
func TestReviewChunkedRanges(t *testing.T) {
	data := pattern(2<<20 + 17)
	for _, row := range []struct {
		times, bytes int
		well         bool
	}{{0, 0, true}, {1, 0, true}, {1, 0, false}, {1, 100_000, true}, {1, 100_000, false}, {2, 1, true}, {2, 1<<20 - 1, false}} {
		t.Run(fmt.Sprint(row), func(t *testing.T) {
			var seen wireTape
			c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
				if seen.add(r) <= row.times {
					chunked(w, r, data, row.bytes, row.well)
					return
				}
				chunked(w, r, data, len(data), true)
			}, func(cfg *Config) { cfg.PartSize = 1 << 20 })
			out, err := download(t, c, GetRequest{"b", "k", nil, nil}, 600_001)
			if err != nil {
				t.Fatal(show(err))
			}
			same(t, data, out)
		})
	}
	for _, well := range []bool{true, false} { // and with one attempt it is an error, not a short object
		var seen wireTape
		c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
			seen.add(r)
			chunked(w, r, data[:100], 33, well)
		}, func(cfg *Config) { cfg.MaxAttempts = 1 })
		out, err := download(t, c, GetRequest{"b", "k", nil, nil}, 10)
		fails(t, err, Network, "Client error: Connection closed")
		same(t, data[:30], out)
	}
}

// An answer to a part that the store did not read does not count: the part is sent again, and the object is whole or the put
// fails and is aborted.
func TestReviewPartsAnsweredEarly(t *testing.T) {
	part := pattern(64 << 20) // more than the sockets hold
	for _, times := range []int64{1, 99} {
		c, s, n := spoiled(t, "part", times, func(w http.ResponseWriter, _ *http.Request, _ *fakes3.Server) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nEtag: \"0cc175b9c0f1b6a831c399e269772661\"\r\nContent-Length: 0\r\n\r\n")
			t.Cleanup(func() { conn.Close() })
		})
		_, err := upload(t, c, PutRequest{"b", "k", nil}, part)
		if times == 1 {
			if err != nil || n.Load() != 2 {
				t.Fatalf("%d requests, %s", n.Load(), show(err))
			}
			out, _ := stored(t, s, "k")
			same(t, part, out)
			continue
		}
		fails(t, err, Network, "before the part's end")
		if _, ok := stored(t, s, "k"); ok || n.Load() != 3 {
			t.Errorf("%d requests, stored %t", n.Load(), ok)
		}
	}
}
