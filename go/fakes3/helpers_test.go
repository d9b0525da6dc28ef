package fakes3

// helpers_test.go owns: sending plain requests to a Server, with and without a socket, and comparing what comes back.
// It refuses to know: what is tested.

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"testing"
)

// wire is a way to a handler.
type wire struct {
	rt   http.RoundTripper
	base string
}

// answer is what came back, all of it.
type answer struct {
	status int
	header http.Header
	body   []byte
	cut    error // how the body ended, nil if well
}

// code is the error code in the body, or "".
func (a answer) code() string {
	if m := regexp.MustCompile(`<Code>(\w+)</Code>`).FindSubmatch(a.body); m != nil {
		return string(m[1])
	}
	return ""
}

// memory is the wire without a socket.
func memory(h http.Handler) wire { return wire{RoundTripper(h), "http://memory.invalid"} }

// onWires runs a test over a socket and without one.
func onWires(t *testing.T, h func() http.Handler, test func(*testing.T, wire)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, memory(h())) })
	t.Run("socket", func(t *testing.T) {
		server := httptest.NewServer(h())
		defer server.Close()
		defer server.Client().CloseIdleConnections()
		test(t, wire{server.Client().Transport, server.URL})
	})
}

// try sends a request, as it is: target is what goes on the wire, header is names and values in turn.
func (w wire) try(t *testing.T, method, target string, body []byte, header ...string) (answer, error) {
	t.Helper()
	u := ok(url.Parse(w.base + target))(t)
	req := ok(http.NewRequestWithContext(t.Context(), method, w.base, bytes.NewReader(body)))(t)
	req.URL = u
	for i := 0; i < len(header); i += 2 {
		if req.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := w.rt.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, data, err}, nil
}

// do is try for requests that are answered.
func (w wire) do(t *testing.T, method, target string, body []byte, header ...string) answer {
	t.Helper()
	return ok(w.try(t, method, target, body, header...))(t)
}

// want is do for requests whose status is known.
func (w wire) want(t *testing.T, status int, method, target string, body []byte, header ...string) answer {
	t.Helper()
	a := w.do(t, method, target, body, header...)
	if a.status != status {
		t.Fatalf("%s %s: want %d, got %d %s", method, target, status, a.status, a.body)
	}
	return a
}

// ok is for calls that have to succeed: ok(call(…))(t).
func ok[T any](out T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// equal fails the test unless want is what it got; about says where.
func equal[T any](t *testing.T, want, got T, about ...any) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		t.Errorf("%swant %#v, got %#v", fmt.Sprintln(about...), want, got)
	}
}

// faulty is a Server with a script.
func faulty(t *testing.T, script string, objects ...Object) *Server {
	t.Helper()
	s := New(RulesS3, "b")
	for _, o := range objects {
		s.Add(o)
	}
	if err := s.SetFaults(script); err != nil {
		t.Fatal(err)
	}
	return s
}
