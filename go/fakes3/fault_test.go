package fakes3

// fault_test.go owns: the proof that scripts mean what they say and that faults happen.
// It refuses to know: what clients make of them.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A script is read as written, in one spelling.
func TestFaultText(t *testing.T) {
	for _, script := range []string{
		"(delay 30ms (any))",
		"(stall 2s (get (part 3)))",
		"(stall 1.5µs (after 0) (part (key \"a\")))",
		"(status 503 (times 2 (put)))",
		"(status 400 RequestTimeout (times 2 (part (part 2) (nth 3))))",
		"(error-in-200 (complete))",
		"(error-in-200 InternalError (copy))",
		"(reset (after 1000) (get))",
		"(reset (list))",
		"(lost (create (nth 1)))",
		"(truncate (after 5) (get (at 8388608)))",
		"(corrupt (get (key \"a \\\"b\\\" (\\x00\\u00e9\")))",
		"(etag changed (get (nth 2)))",
		"(etag \"two words\" (head))",
		"(ignore-range (get))",
		"(delay 1ms (delete)) (lost (abort))",
	} {
		faults := ok(parseFaults(script))(t)
		var texts []string
		for _, f := range faults {
			texts = append(texts, f.String())
		}
		equal(t, script, strings.Join(texts, " "))
	}
}

// A script that says nothing sensible is refused, and the one before it stays.
func TestFaultErrors(t *testing.T) {
	s := faulty(t, "(lost (put))")
	for _, script := range []string{
		"(", ")", "lost", "(lost)", "(lost put)", "(lost (put)) )", "(lost (put)", "(lost (puts))", "(lost (put) (get))", "(steal (put))",
		"(stall (get))", "(stall 2 (get))", "(stall -2s (get))", "(stall 2s 3s (get))", "(status (get))", "(status 99 (get))",
		"(status 200 (get))", "(reset after 5 (get))", "(reset (after -1) (get))", "(reset (after x) (get))", "(lost (after 1) (get))",
		"(etag (get))", "(etag \"\" (get))", "(lost (get (key)))", "(lost (get (key (a))))", "(lost (get (part 0)))", "(lost (get (nth)))",
		"(lost (get (nth 1) (nth 2)))", "(lost (get nth))", "(lost (times 0 (get)))", "(lost (times 2 (times 2 (get))))", "(lost (\"\"))",
		"(lost (get (key \"a)))", "(lost (get (key 'a')))", "((((((((((", "()", "(())", "(lost ())", "(etag ü (get))",
		"(lost (get (nth 99999999999999999999)))",
	} {
		if err := s.SetFaults(script); err == nil {
			t.Errorf("%s: accepted as %v", script, s.Faults())
		}
	}
	equal(t, []string{"0 (lost (put))"}, s.Faults())
}

// What is accepted is printed on one line of printable text that means the same.
func FuzzFaults(f *testing.F) {
	f.Add("(stall 2s (after 5) (times 2 (get (key \"a\\n\") (part 3) (nth 2)))) (status 503 SlowDown (any))")
	f.Add("(etag \"a b\" (get (at 0)))")
	f.Fuzz(func(t *testing.T, script string) {
		faults, err := parseFaults(script)
		if err != nil {
			return
		}
		for _, fault := range faults {
			text := fault.String()
			if strings.ContainsFunc(text, func(r rune) bool { return r != 'µ' && (r < ' ' || r > '~') }) {
				t.Fatalf("%q is not printable", text)
			}
			again, err := parseFaults(text)
			if err != nil || len(again) != 1 || again[0].String() != text || again[0].when != fault.when || again[0].word != fault.word {
				t.Fatalf("%q became %q became %v, %v", script, text, again, err)
			}
		}
	})
}

// Faults meet the requests that they are for, and count.
func TestFaultConditions(t *testing.T) {
	requests := []struct{ method, target, byteRange string }{
		{http.MethodGet, "/b/k", "bytes=0-9"},
		{http.MethodGet, "/b/k", "bytes=10-19"},
		{http.MethodGet, "/b/k", "bytes=20-29"},
		{http.MethodGet, "/b/k", ""},
		{http.MethodHead, "/b/k", ""},
		{http.MethodGet, "/b/other", "bytes=0-9"},
		{http.MethodPut, "/b/k?partNumber=2&uploadId=u", ""},
		{http.MethodPut, "/b/k?partNumber=3&uploadId=u", ""},
		{http.MethodGet, "/b?list-type=2", ""},
		{http.MethodGet, "/b/k?partNumber=2", ""},
	}
	for when, want := range map[string][]int{
		"(get)":                             {0, 1, 2, 3, 5, 9},
		"(get (key \"k\"))":                 {0, 1, 2, 3, 9},
		"(get (part 2))":                    {1, 9},
		"(get (part 3))":                    {2},
		"(get (at 10))":                     {1, 3, 9},
		"(get (key \"k\") (at 10) (nth 2))": {3},
		"(get (nth 2))":                     {1},
		"(times 2 (get))":                   {0, 1},
		"(times 2 (get (nth 5)))":           {5, 9},
		"(part)":                            {6, 7},
		"(part (part 3))":                   {7},
		"(head)":                            {4},
		"(list)":                            {8},
		"(any (nth 10))":                    {9},
		"(any (part 2))":                    {1, 6, 9},
		"(delete)":                          nil,
	} {
		s := faulty(t, "(status 503 "+when+")")
		var got []int
		for i, r := range requests {
			header := []string{"Range", r.byteRange}
			if r.byteRange == "" {
				header = nil
			}
			if memory(s).do(t, r.method, r.target, nil, header...).status == 503 {
				got = append(got, i)
			}
		}
		equal(t, want, got, when)
		equal(t, []string{fmt.Sprintf("%d (status 503 %s)", len(want), when)}, s.Faults())
	}
}

// Each fault does to a request what it says, with a socket and without, and is seen to.
func TestFaultActions(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 100)
	for script, check := range map[string]func(*testing.T, wire, *Server){
		"(status 503 (get))": func(t *testing.T, w wire, _ *Server) {
			a := w.want(t, 503, http.MethodGet, "/b/k", nil)
			equal(t, "SlowDown", a.code())
		},
		"(status 400 RequestTimeout (put))": func(t *testing.T, w wire, _ *Server) {
			equal(t, "RequestTimeout", w.want(t, 400, http.MethodPut, "/b/k", bytes.Repeat(data, 1000)).code())
		},
		"(error-in-200 (copy))": func(t *testing.T, w wire, s *Server) {
			a := w.want(t, 200, http.MethodPut, "/b/to", nil, "x-amz-copy-source", "b/k")
			equal(t, "InternalError", a.code())
			_, err := s.find("b", "to")
			equal(t, error(errNoSuchKey), err)
		},
		"(reset (get))": func(t *testing.T, w wire, _ *Server) {
			_, err := w.try(t, http.MethodGet, "/b/k", nil)
			equal(t, true, errors.Is(err, syscall.ECONNRESET), err)
		},
		"(reset (after 700) (get))": func(t *testing.T, w wire, _ *Server) {
			a, err := w.try(t, http.MethodGet, "/b/k", nil)
			if err == nil {
				err = a.cut
			}
			equal(t, true, errors.Is(err, syscall.ECONNRESET), err)
			equal(t, string(data[:len(a.body)]), string(a.body))
			if w.base == "http://memory.invalid" { // on a socket a reset may overtake data
				equal(t, 700, len(a.body))
			}
		},
		"(reset (after 700) (put))": func(t *testing.T, w wire, s *Server) {
			_, err := w.try(t, http.MethodPut, "/b/new", data)
			if err == nil {
				t.Error("no error")
			}
			_, err = s.find("b", "new")
			equal(t, error(errNoSuchKey), err)
		},
		"(lost (put))": func(t *testing.T, w wire, s *Server) {
			_, err := w.try(t, http.MethodPut, "/b/new", []byte("stored"))
			equal(t, true, errors.Is(err, syscall.ECONNRESET), err)
			equal(t, "stored", string(ok(s.find("b", "new"))(t).bytes()))
		},
		"(truncate (get))": func(t *testing.T, w wire, _ *Server) {
			a := w.want(t, 200, http.MethodGet, "/b/k", nil)
			equal(t, io.ErrUnexpectedEOF, a.cut)
			equal(t, string(data[:500]), string(a.body))
		},
		"(truncate (after 0) (get))": func(t *testing.T, w wire, _ *Server) {
			a := w.want(t, 200, http.MethodGet, "/b/k", nil)
			equal(t, io.ErrUnexpectedEOF, a.cut)
			equal(t, 0, len(a.body))
		},
		"(corrupt (after 3) (get))": func(t *testing.T, w wire, _ *Server) {
			a := w.want(t, 200, http.MethodGet, "/b/k", nil)
			want := bytes.Clone(data)
			want[3] = ^want[3]
			equal(t, string(want), string(a.body))
		},
		"(etag changed (get))": func(t *testing.T, w wire, _ *Server) {
			a := w.want(t, 200, http.MethodGet, "/b/k", nil)
			equal(t, `"changed"`, a.header.Get("ETag"))
			equal(t, string(data), string(a.body))
		},
		"(ignore-range (get))": func(t *testing.T, w wire, _ *Server) {
			equal(t, string(data), string(w.want(t, 200, http.MethodGet, "/b/k", nil, "Range", "bytes=1-2").body))
		},
		"(delay 1ms (head))": func(t *testing.T, w wire, _ *Server) { w.want(t, 200, http.MethodHead, "/b/k", nil) },
		"(stall 1ms (get))": func(t *testing.T, w wire, _ *Server) {
			equal(t, string(data), string(w.want(t, 200, http.MethodGet, "/b/k", nil).body))
		},
		"(stall 1ms (put))": func(t *testing.T, w wire, s *Server) {
			w.want(t, 200, http.MethodPut, "/b/new", data)
			equal(t, string(data), string(ok(s.find("b", "new"))(t).bytes()))
		},
		"(stall 1ms (delete))": func(t *testing.T, w wire, _ *Server) { w.want(t, 204, http.MethodDelete, "/b/k", nil) },
		"(reset (after 0) (head))": func(t *testing.T, w wire, _ *Server) {
			_, err := w.try(t, http.MethodHead, "/b/k", nil)
			equal(t, true, errors.Is(err, syscall.ECONNRESET), err)
		},
	} {
		t.Run(script, func(t *testing.T) {
			var s *Server
			onWires(t, func() http.Handler {
				s = faulty(t, script, Object{Bucket: "b", Key: "k", Data: data})
				return s
			}, func(t *testing.T, w wire) {
				check(t, w, s)
				equal(t, []string{"1 " + script}, s.Faults())
			})
		})
	}
}

// Faults that wait wait as long as they say, before the answer or in the middle of it, or until the client goes.
func TestFaultTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := faulty(t, "(delay 2h (head)) (stall 3h (get)) (stall 4h (after 1) (put))", Object{Bucket: "b", Key: "k", Data: []byte("0123456789")})
		w, began := memory(s), time.Now()
		took := func() time.Duration { d := time.Since(began); began = time.Now(); return d }
		w.want(t, 200, http.MethodHead, "/b/k", nil)
		equal(t, 2*time.Hour, took())
		resp := ok(w.rt.RoundTrip(ok(http.NewRequestWithContext(t.Context(), http.MethodGet, w.base+"/b/k", nil))(t)))(t)
		equal(t, 5, ok(io.ReadFull(resp.Body, make([]byte, 5)))(t))
		equal(t, 0, took())
		equal(t, "56789", string(ok(io.ReadAll(resp.Body))(t)))
		equal(t, 3*time.Hour, took())
		w.want(t, 200, http.MethodPut, "/b/k", []byte("ab"))
		equal(t, 4*time.Hour, took())

		resp = ok(w.rt.RoundTrip(ok(http.NewRequestWithContext(t.Context(), http.MethodGet, w.base+"/b/k", nil))(t)))(t)
		equal(t, 1, ok(io.ReadFull(resp.Body, make([]byte, 1)))(t))
		equal(t, nil, resp.Body.Close()) // in the stall
		equal(t, 0, took())
	})
}

// A fault whose place in the body is never reached is not done, and not counted.
func TestFaultNotReached(t *testing.T) {
	script := "(reset (after 10) (get)) (corrupt (head)) (truncate (after 5) (list))"
	s := faulty(t, script, Object{Bucket: "b", Key: "k", Data: []byte("0123456789")})
	w := memory(s)
	equal(t, "0123456789", string(w.want(t, 200, http.MethodGet, "/b/k", nil).body))
	w.want(t, 200, http.MethodHead, "/b/k", nil)
	equal(t, []string{"0 (reset (after 10) (get))", "0 (corrupt (head))", "0 (truncate (after 5) (list))"}, s.Faults())
	equal(t, nil, s.SetFaults(""))
	equal(t, 0, len(s.Faults()))
}
