package engine

// review_answers_test.go owns: answers that look like success and are none, on the plane of the SDK, and what they cost.
// It refuses to know the parts' bodies (review_parts_test.go).

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"s3engine/fakes3"
)

// verbOf names the requests of which these tests count or spoil some.
func verbOf(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "create"
	case r.Method == http.MethodPost && q.Has("uploadId"):
		return "complete"
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "":
		return "copy"
	case r.Method == http.MethodPut:
		return "part"
	case r.Method == http.MethodGet && q.Has("list-type"):
		return "list"
	}
	return strings.ToLower(r.Method)
}

// spoiled is a fake S3 whose first answers to one verb are another's; n counts all requests of that verb.
func spoiled(t *testing.T, verb string, times int64, spoil func(http.ResponseWriter, *http.Request, *fakes3.Server), changes ...change) (*Client, *fakes3.Server, *atomic.Int64) {
	t.Helper()
	endsClean(t)
	s, n := fakes3.New(fakes3.RulesS3, "b"), new(atomic.Int64)
	t.Cleanup(func() {
		if n := s.OpenUploads(); n != 0 {
			t.Errorf("%d uploads are still open", n)
		}
	})
	return dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if verbOf(r) == verb && n.Add(1) <= times {
			spoil(w, r, s)
			return
		}
		s.ServeHTTP(w, r)
	}, changes...), s, n
}

// hollow are bodies of a 200 that say nothing of what was asked.
var hollow = map[string]string{
	"empty": "", "white space": " \n \n  ", "declaration": `<?xml version="1.0" encoding="UTF-8"?>` + "\n",
	"page": "<html><body><p>It works!</p></body></html>", "sloppy page": "<!DOCTYPE html><html><body><br>It works!<p></body></html>",
	"no page": "It works!", "no ETag": "<CompleteMultipartUploadResult><Key>k</Key></CompleteMultipartUploadResult>",
}

// A 200 without the result does not complete an upload: it is tried again, then an error, and the upload is aborted and the old
// object stays.
func TestReviewHollowCompleteIsNoSuccess(t *testing.T) {
	for name, body := range hollow {
		for _, old := range []bool{false, true} {
			t.Run(fmt.Sprint(name, old), func(t *testing.T) {
				c, s, n := spoiled(t, "complete", 99, func(w http.ResponseWriter, r *http.Request, _ *fakes3.Server) {
					_, _ = io.Copy(io.Discard, r.Body)
					_, _ = io.WriteString(w, body)
				})
				if old {
					s.Add(fakes3.Object{Bucket: "b", Key: "k", Data: []byte("old")})
				}
				reply, err := upload(t, c, PutRequest{"b", "k", nil}, []byte("new"))
				if err == nil {
					t.Fatalf("an upload that nobody completed ended with %s", reply)
				}
				if out, ok := stored(t, s, "k"); ok != old || ok && string(out) != "old" {
					t.Errorf("%q, %t", out, ok)
				}
				t.Logf("%d requests, %s", n.Load(), show(err))
				if n.Load() != 3 {
					t.Errorf("%d requests in 3 attempts", n.Load())
				}
			})
		}
	}
}

// A 200 without the result is success where the key holds the object of these very parts.
func TestReviewHollowCompleteThatSucceeded(t *testing.T) {
	for name, body := range hollow {
		t.Run(name, func(t *testing.T) {
			c, s, n := spoiled(t, "complete", 99, func(w http.ResponseWriter, r *http.Request, s *fakes3.Server) {
				s.ServeHTTP(httptest.NewRecorder(), r)
				_, _ = io.WriteString(w, body)
			})
			reply, err := upload(t, c, PutRequest{"b", "k", nil}, []byte("new"))
			if err != nil || !strings.HasSuffix(reply, `-1\""}`) {
				t.Fatalf("%d requests, %s, %s", n.Load(), reply, show(err))
			}
			if out, _ := stored(t, s, "k"); string(out) != "new" {
				t.Errorf("%q", out)
			}
		})
	}
}

// White space and then no more, which is how S3 keeps a slow Complete alive, is a lost connection and not a success.
func TestReviewCompleteDiesInWhiteSpace(t *testing.T) {
	for _, times := range []int64{1, 99} {
		c, s, n := spoiled(t, "complete", times, func(w http.ResponseWriter, r *http.Request, _ *fakes3.Server) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "   \n")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		_, err := upload(t, c, PutRequest{"b", "k", nil}, []byte("new"))
		out, ok := stored(t, s, "k")
		if times == 1 {
			if err != nil || string(out) != "new" || n.Load() != 2 {
				t.Errorf("%q after %d requests, %s", out, n.Load(), show(err))
			}
			continue
		}
		fails(t, err, Network, "Client error: Connection closed")
		if ok || n.Load() != 3 {
			t.Errorf("%q after %d requests", out, n.Load())
		}
	}
}

// A 200 without the result is no copy: a rename would delete the only object; a second, good answer is one.
func TestReviewHollowCopyIsNoSuccess(t *testing.T) {
	for name, body := range hollow {
		for _, times := range []int64{1, 99} {
			t.Run(fmt.Sprint(name, times), func(t *testing.T) {
				c, s, n := spoiled(t, "copy", times, func(w http.ResponseWriter, _ *http.Request, _ *fakes3.Server) {
					_, _ = io.WriteString(w, body)
				})
				s.Add(fakes3.Object{Bucket: "b", Key: "k", Data: []byte("x")})
				_, err := do(t, c, &CopyRequest{"b", "k", "b", "l"})
				out, ok := stored(t, s, "l")
				switch t.Logf("%d requests, %s", n.Load(), show(err)); {
				case (err == nil) != ok || ok && string(out) != "x":
					t.Errorf("%q, %t", out, ok)
				case times == 99 && err == nil:
					t.Error("nothing was copied")
				case times == 1 && err != nil && name != "sloppy page":
					t.Error("the second answer was good")
				}
			})
		}
	}
}

// A connection that is lost inside an SDK-plane answer costs an attempt; with one attempt it is a network error after one request.
func TestReviewAnswersCutInTheBody(t *testing.T) {
	for _, verb := range []string{"list", "create", "complete", "copy"} {
		for _, reset := range []bool{false, true} {
			for _, attempts := range []int{1, 2, 3} {
				t.Run(fmt.Sprint(verb, reset, attempts), func(t *testing.T) {
					c, s, n := spoiled(t, verb, 1, func(w http.ResponseWriter, r *http.Request, s *fakes3.Server) {
						full := httptest.NewRecorder()
						if verb == "create" { // else nobody could abort it
							_, _ = io.WriteString(full, "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>id</UploadId></InitiateMultipartUploadResult>")
						} else {
							s.ServeHTTP(full, r)
						}
						sendHalf(w, full.Body.Bytes(), reset)
					}, func(cfg *Config) { cfg.MaxAttempts = attempts })
					s.Add(fakes3.Object{Bucket: "b", Key: "k", Data: []byte("x")})
					var err *Error
					switch verb {
					case "list":
						_, err = do(t, c, &ListRequest{Bucket: "b", MaxKeys: 10})
					case "copy":
						_, err = do(t, c, &CopyRequest{"b", "k", "b", "l"})
					default:
						_, err = upload(t, c, PutRequest{"b", "k", nil}, []byte("new"))
					}
					if attempts == 1 {
						fails(t, err, Network, "Client error: Connection closed: ")
					} else if err != nil {
						t.Error(show(err))
					}
					if n.Load() != int64(min(attempts, 2)) {
						t.Errorf("%d requests", n.Load())
					}
				})
			}
		}
	}
}

// sendHalf promises all of a body, sends half of it, and hangs up, with a FIN or an RST.
func sendHalf(w http.ResponseWriter, body []byte, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:len(body)/2])
	if reset {
		_ = conn.(*net.TCPConn).SetLinger(0)
	}
}

// An error whose body does not end costs little memory and ends at once: the connection is closed on the rest, on both planes.
func TestReviewEndlessErrors(t *testing.T) {
	const endless, most = 256 << 20, 16 << 20 // most: what the sockets' buffers may hold
	for _, verb := range []string{"list", "delete", "create", "part", "complete", "copy", "get"} {
		t.Run(verb, func(t *testing.T) {
			var written atomic.Int64
			over := make(chan struct{})
			c, s, n := spoiled(t, verb, 99, func(w http.ResponseWriter, r *http.Request, _ *fakes3.Server) {
				defer close(over)
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusBadRequest)
				for chunk := make([]byte, 64<<10); written.Load() < endless; {
					k, err := w.Write(chunk)
					if written.Add(int64(k)); err != nil {
						return
					}
				}
			})
			s.Add(fakes3.Object{Bucket: "b", Key: "k", Data: []byte("x")})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var err *Error
			switch verb {
			case "list":
				_, err = do(t, c, &ListRequest{Bucket: "b", MaxKeys: 10})
			case "delete":
				_, err = do(t, c, &DeleteRequest{"b", "k"})
			case "copy":
				_, err = do(t, c, &CopyRequest{"b", "k", "b", "l"})
			case "get":
				_, err = download(t, c, GetRequest{"b", "k", nil, nil}, 1)
			default:
				_, err = upload(t, c, PutRequest{"b", "k", nil}, []byte("new"))
			}
			runtime.ReadMemStats(&after)
			if err == nil || n.Load() != 1 {
				t.Errorf("%d requests, %s", n.Load(), show(err))
			}
			select {
			case <-over:
			case <-time.After(patience):
				t.Error("the store still writes")
			}
			if written.Load() > most || after.TotalAlloc-before.TotalAlloc > most {
				t.Errorf("%d bytes were sent and %d allocated", written.Load(), after.TotalAlloc-before.TotalAlloc)
			}
		})
	}
}

// Of any answer of the SDK's plane no more is read than the longest page could have.
func TestReviewEndlessPages(t *testing.T) {
	for status, most := range map[int]int64{200: controlLimit, 299: controlLimit, 300: errorLimit, 404: errorLimit, 500: errorLimit} {
		c := nowhere(t)
		closed := false
		c.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Request: r, Body: endlessBody{&closed}}, nil
		})
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://memory.invalid/b", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := controlTransport{c}.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); n != most || err != nil {
			t.Errorf("%d: %d bytes were read, %v", status, n, err)
		}
		if resp.Body.Close(); !closed {
			t.Errorf("%d: the connection is not let go", status)
		}
	}
}

type endlessBody struct{ closed *bool }

func (b endlessBody) Read(p []byte) (int, error) { return len(p), nil }
func (b endlessBody) Close() error               { *b.closed = true; return nil }
