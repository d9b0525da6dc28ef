package engine

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"s3engine/fakes3"
)

// wireTape records the ranges and conditions of the requests it passes on, and lets one go wrong by its number, from 1.
type wireTape struct {
	mu    sync.Mutex
	asked []string
}

func (s *wireTape) add(r *http.Request) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Header.Get("Range")+" "+r.Header.Get("If-Match"))
	return len(s.asked)
}

func (s *wireTape) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.asked)
}

// cut serves the asked range and hangs up after n bytes of its body.
func cut(w http.ResponseWriter, r *http.Request, data []byte, etag string, n int) {
	reply(&cutter{ResponseWriter: w, left: n}, r, data, etag)
}

type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	_, _ = c.ResponseWriter.Write(p[:min(len(p), c.left)])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// A body that dies is resumed at the very byte that was lost, under the ETag that the first answer had; the bytes before it are
// not asked for again.
func TestGetResumesAtTheLostByte(t *testing.T) {
	data := pattern(100)
	var seen wireTape
	c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
		switch seen.add(r) {
		case 1:
			cut(w, r, data, `"e"`, 33)
		case 2:
			cut(w, r, data, `"e"`, 7)
		default:
			reply(w, r, data, `"e"`)
		}
	}, func(cfg *Config) { cfg.PartSize = 1000 })
	waits := noWait(c)
	out, err := download(t, c, GetRequest{"b", "k", nil, nil}, 100)
	if err != nil {
		t.Fatal(err)
	}
	same(t, data, out)
	if text := seen.text(); text != `[bytes=0-1048575  bytes=33-99 "e" bytes=40-99 "e"]` {
		t.Error(text)
	}
	if waits.Load() != 0 {
		t.Errorf("%d waits, though bytes came each time", waits.Load())
	}
}

// An object that changes while it is read is an error that says so; never are bytes of two versions delivered, whether the change
// shows between two parts or in the middle of one.
func TestGetNeverMixesVersions(t *testing.T) {
	old, changed := pattern(3<<20), bytes.Repeat([]byte{0xEE}, 3<<20)
	for _, keepsConditions := range []bool{true, false} {
		for _, after := range []int{0, 1000, 1 << 20} {
			var seen wireTape
			c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
				if seen.add(r) == 1 {
					cut(w, r, old, `"old"`, after)
					return
				}
				if !keepsConditions {
					r.Header.Del("If-Match")
				}
				reply(w, r, changed, `"new"`)
			}, func(cfg *Config) { cfg.PartSize = 1 << 20 })
			out, err := download(t, c, GetRequest{"b", "k", nil, nil}, 1000)
			fails(t, err, Precondition, "Service error: At least one of the preconditions specified did not hold")
			same(t, old[:len(out)], out)
		}
	}
}

// One attempt is one: with max_attempts 1 a body that dies is the end, and what came before it is delivered.
func TestGetOneAttemptDoesNotResume(t *testing.T) {
	data := pattern(100)
	var seen wireTape
	c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
		seen.add(r)
		cut(w, r, data, `"e"`, 33)
	}, func(cfg *Config) { cfg.MaxAttempts = 1 })
	out, err := download(t, c, GetRequest{"b", "k", nil, nil}, 10)
	fails(t, err, Network, "Client error: Connection closed")
	same(t, data[:30], out)
	if text := seen.text(); text != `[bytes=0-1048575 ]` {
		t.Error(text)
	}
}

// A body that always dies ends the get after its attempts; it does not go on for ever because each attempt brings a byte.
func TestGetGivesUpOnDyingBodies(t *testing.T) {
	data := pattern(1 << 21)
	for _, each := range []int{0, 1} {
		var seen wireTape
		c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
			seen.add(r)
			cut(w, r, data, `"e"`, each)
		}, func(cfg *Config) { cfg.MaxAttempts = 4 })
		_, err := download(t, c, GetRequest{"b", "k", nil, nil}, 1000)
		fails(t, err, Network, "Client error: Connection closed")
	}
}

// Whatever goes wrong on the way, within the attempts, the bytes are the same; and beyond them it is an error and not a short
// object. The scripts are fakes3's.
func TestGetUnderFaults(t *testing.T) {
	data := pattern(3<<20 + 17)
	for _, row := range []struct {
		script string
		kind   Kind
	}{
		{"(status 503 (times 2 (get)))", OK}, {"(status 500 (times 2 (get)))", OK}, {"(status 400 RequestTimeout (times 2 (get)))", OK},
		{"(status 503 (get (at 2500000) (nth 1))) (status 500 (get (at 1500000) (nth 1)))", OK},
		{"(reset (get (nth 1)))", OK}, {"(reset (get (nth 2)))", OK}, {"(reset (after 1000) (get (nth 1)))", OK},
		{"(reset (after 1000) (get (at 2500000) (nth 1)))", OK}, {"(truncate (get (nth 1)))", OK}, {"(truncate (after 0) (get (nth 1)))", OK},
		{"(truncate (times 2 (get (at 2500000))))", OK}, {"(lost (get (nth 1)))", OK}, {"(delay 5ms (get))", OK},
		{"(etag other (get (nth 2)))", Precondition}, {"(ignore-range (get (at 2500000) (nth 1)))", Integrity},
		{"(status 503 (times 9 (get)))", Throttled}, {"(status 500 (times 9 (get)))", Service},
		{"(reset (times 9 (get)))", Network}, {"(reset (after 0) (times 9 (get (at 2500000))))", Network},
		{"(status 403 (get (at 2500000) (nth 1)))", Denied}, {"(status 501 (get (nth 1)))", Service},
	} {
		t.Run(row.script, func(t *testing.T) {
			for _, memory := range []bool{false, true} {
				c, s := dialS3(t, func(cfg *Config) { cfg.PartSize = 1 << 20 })
				if memory {
					c, s = memoryS3(t, fakes3.RulesS3, func(cfg *Config) { cfg.PartSize = 1 << 20 })
				}
				s.Add(fakes3.Object{Bucket: "b", Key: "k", Data: data})
				faults(t, s, row.script)
				out, err := download(t, c, GetRequest{"b", "k", nil, nil}, 600_001)
				same(t, data[:len(out)], out)
				if row.kind != OK {
					fails(t, err, row.kind, "")
				} else if err != nil || len(out) != len(data) {
					t.Fatalf("memory %t: %d of %d bytes, %s", memory, len(out), len(data), show(err))
				}
			}
		})
	}
}

// A connection that goes silent, before the answer or within the body, costs one attempt; silence for ever is a time-out and
// never a hang.
func TestGetStalls(t *testing.T) {
	data := pattern(2 << 20)
	for _, row := range []struct {
		where  string
		times  int
		silent bool
	}{{"answer", 2, false}, {"body", 2, false}, {"part", 2, false}, {"answer", 99, true}, {"body", 99, true}, {"part", 99, true}} {
		t.Run(fmt.Sprint(row), func(t *testing.T) {
			var seen wireTape
			c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
				s, _ := asked(r)
				if isPart := s.start >= 1<<20; isPart == (row.where == "part") && seen.add(r) <= row.times {
					if row.where != "answer" {
						reply(&flushing{w, 1000}, r, data, `"e"`)
					}
					<-r.Context().Done()
					return
				}
				reply(w, r, data, `"e"`)
			}, func(cfg *Config) { cfg.PartSize, cfg.Stall = 1<<20, 150*time.Millisecond })
			out, err := download(t, c, GetRequest{"b", "k", nil, nil}, 1<<20)
			same(t, data[:len(out)], out)
			if row.silent {
				fails(t, err, Network, "Client error: Timed out: the connection stalled")
			} else if err != nil || len(out) != len(data) {
				t.Fatalf("%d bytes, %s", len(out), show(err))
			}
		})
	}
}

// flushing sends only the first bytes of what is written.
type flushing struct {
	http.ResponseWriter
	left int
}

func (f *flushing) Write(p []byte) (int, error) {
	_, err := f.ResponseWriter.Write(p[:min(len(p), f.left)])
	_ = http.NewResponseController(f.ResponseWriter).Flush()
	return len(p), err
}

// An answer that breaks off in its head, or is none at all, costs an attempt; it is never taken for an object.
func TestGetBrokenHeads(t *testing.T) {
	data := pattern(100)
	for _, head := range []string{
		"HTTP/1.1 206 Part", "HTTP/1.1 206 Partial\r\nContent-Length: 1", "HTTP/1.1 206 Partial\r\nContent-Length: 100\r\n",
		"SSH-2.0-OpenSSH_9.6\r\n", "HTTP/1.1 206 Partial\r\nContent-Length: x\r\n\r\n",
	} {
		var seen wireTape
		c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
			if seen.add(r) > 1 {
				reply(w, r, data, `"e"`)
				return
			}
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			_, _ = conn.Write([]byte(head))
			_ = conn.Close()
		})
		out, err := download(t, c, GetRequest{"b", "k", nil, nil}, 30)
		if err != nil || !bytes.Equal(out, data) {
			t.Errorf("%q: %d bytes, %s", head, len(out), show(err))
		}
	}
}

// An opened body may wait for its loan as long as it likes: waiting is not a stall.
func TestGetIdleBodyDoesNotStall(t *testing.T) {
	data := pattern(1 << 20)
	var seen wireTape
	c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
		seen.add(r)
		reply(w, r, data, `"e"`)
	}, func(cfg *Config) { cfg.PartSize, cfg.Stall = 1<<20, 100*time.Millisecond })
	o := start(t, c, &GetRequest{"b", "k", nil, nil})
	opened := expect(t, o, 0, Opened)
	before := seen.text()
	if e, err := o.Wait(opened.Seq, 300*time.Millisecond); err != nil || e.Kind != None { // three times the limit
		t.Fatalf("%+v, %v", e, err)
	}
	out := make([]byte, len(data))
	if err := o.Lend(1, out); err != nil {
		t.Fatal(err)
	}
	expect(t, o, opened.Seq, Filled)
	drain(t, o)
	same(t, data, out)
	if text := seen.text(); text != before {
		t.Error(text)
	}
}

// memoryS3 is dialS3 without a socket.
func memoryS3(t *testing.T, rules fakes3.Rules, changes ...change) (*Client, *fakes3.Server) {
	t.Helper()
	endsClean(t)
	s := fakes3.New(rules, "b")
	t.Cleanup(func() {
		if n := s.OpenUploads(); n != 0 {
			t.Errorf("%d uploads are still open", n)
		}
	})
	cfg := baseConfig()
	cfg.Transport, cfg.MockRules, cfg.Unsigned = fakes3.RoundTripper(s), rules == fakes3.RulesMock, true
	for _, f := range changes {
		f(&cfg)
	}
	return open(t, cfg), s
}
