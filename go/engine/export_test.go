package engine

// export_test.go owns: what the tests of this package share: clients that clean up after themselves, transfers driven to their
// end, and the checks that every test ends with. It refuses to know what is tested.

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"s3engine/fakes3"
)

// patience bounds every wait of the tests. Nothing takes it unless something is broken.
const patience = 20 * time.Second

// eventually polls until ok, and fails the test when that takes too long.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			buf := make([]byte, 1<<20)
			t.Fatalf("never: %s\n%s", what, buf[:runtime.Stack(buf, true)])
		}
	}
}

var endings sync.Map // *testing.T → struct{}: tests whose end is checked

// endsClean makes the test end with nothing lent and with as many goroutines as it began with. The helpers below call it before
// they register clean-ups of their own, so that it looks last.
func endsClean(t *testing.T) {
	t.Helper()
	if _, already := endings.LoadOrStore(t, struct{}{}); already {
		return
	}
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		endings.Delete(t)
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		if t.Failed() {
			return
		}
		eventually(t, "no byte is lent", func() bool { return LentBytes() == 0 })
		eventually(t, "no goroutine is left over", func() bool { return runtime.NumGoroutine() <= before })
	})
}

// noWait takes the backoff away and counts how often it was due.
func noWait(c *Client) *atomic.Int64 {
	n := new(atomic.Int64)
	c.retrier.random = func() float64 { return 0 }
	c.retrier.sleep = func(ctx context.Context, _ time.Duration) error {
		n.Add(1)
		return context.Cause(ctx)
	}
	return n
}

// baseConfig is a signed client of fixed credentials that sees nothing of the machine it runs on.
func baseConfig() Config {
	return Config{
		Wire: "http", Region: "us-east-1", UserAgent: "agent/1", PartSize: 64, MaxAttempts: 3, ForcePathStyle: true,
		Env: map[string]string{
			"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "SECRETEXAMPLE", "AWS_EC2_METADATA_DISABLED": "true",
			"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
		},
	}
}

// open opens a client without backoff; the test's end closes it and waits until it has drained.
func open(t *testing.T, cfg Config) *Client {
	t.Helper()
	endsClean(t)
	c, err := Open(cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	noWait(c)
	t.Cleanup(func() {
		c.Close()
		select {
		case <-c.Drained():
		case <-time.After(patience):
			t.Error("the client never drained")
		}
	})
	return c
}

// change is one edit of the configuration that dial and memory begin with.
type change = func(*Config)

// dial opens a client of an http.Handler behind a real socket.
func dial(t *testing.T, h http.Handler, changes ...change) *Client {
	t.Helper()
	endsClean(t)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	cfg := baseConfig()
	cfg.Endpoint = &server.URL
	for _, f := range changes {
		f(&cfg)
	}
	return open(t, cfg)
}

// dialFunc is dial of a func.
func dialFunc(t *testing.T, h func(http.ResponseWriter, *http.Request), changes ...change) *Client {
	t.Helper()
	return dial(t, http.HandlerFunc(h), changes...)
}

// dialS3 opens a client of a fake S3 with the bucket "b", which must have no open upload at the end.
func dialS3(t *testing.T, changes ...change) (*Client, *fakes3.Server) {
	t.Helper()
	endsClean(t)
	s := fakes3.New(fakes3.RulesS3, "b")
	t.Cleanup(func() {
		if n := s.OpenUploads(); n != 0 {
			t.Errorf("%d uploads are still open", n)
		}
	})
	return dial(t, s, changes...), s
}

// faults sets a script; the test's end checks that every fault of it was done.
func faults(t *testing.T, s *fakes3.Server, script string) {
	t.Helper()
	if err := s.SetFaults(script); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, line := range s.Faults() {
			if strings.HasPrefix(line, "0 ") {
				t.Errorf("a fault never happened: %s", line)
			}
		}
	})
}

// start begins an op, which must be accepted.
func start(t *testing.T, c *Client, r any) Op {
	t.Helper()
	o, err := c.Start(r)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return o
}

// await acknowledges up to ack and waits for the next event or the op's error.
func await(t *testing.T, o Op, ack uint64) (Event, *Error) {
	t.Helper()
	e, err := o.Wait(ack, patience)
	if err == nil && e.Kind == None {
		t.Fatalf("no event after %d", ack)
	}
	return e, err
}

// expect is await of an event of that kind.
func expect(t *testing.T, o Op, ack uint64, kind EventKind) Event {
	t.Helper()
	e, err := await(t, o, ack)
	if err != nil || e.Kind != kind {
		t.Fatalf("event %+v, error %v; expected kind %d", e, err, kind)
	}
	return e
}

// failure is the op's error, past all events; it is the same again and again.
func failure(t *testing.T, o Op) *Error {
	t.Helper()
	var ack uint64
	for {
		e, err := await(t, o, ack)
		if err != nil {
			if _, again := await(t, o, ack); again != err {
				t.Errorf("the error was %v and then %v", err, again)
			}
			return err
		}
		if e.Kind == Done {
			t.Fatal("the op ended well")
		}
		ack = e.Seq
	}
}

// drain closes an op and waits until it has let go.
func drain(t *testing.T, o Op) {
	t.Helper()
	o.Close()
	expect(t, o, 0, Drained)
}

// do runs a simple op to its reply or error.
func do(t *testing.T, c *Client, r any) (string, *Error) {
	t.Helper()
	o, err := c.Start(r)
	if err != nil {
		return "", err
	}
	defer drain(t, o)
	e, err := await(t, o, 0)
	if err != nil {
		return "", err
	}
	if e.Kind != Done || uint64(len(o.Reply())) != e.Length {
		t.Fatalf("%+v with the reply %s", e, o.Reply())
	}
	return string(o.Reply()), nil
}

// download reads a range through loans of that many bytes, four at a time, from poisoned memory; what was filled before an error
// comes with it.
func download(t *testing.T, c *Client, r GetRequest, loan int) ([]byte, *Error) {
	t.Helper()
	o, err := c.Start(&r)
	if err != nil {
		return nil, err
	}
	defer drain(t, o)
	return read(t, o, loan)
}

// read is download of an op that has been started.
func read(t *testing.T, o Op, loan int) (out []byte, _ *Error) {
	t.Helper()
	e, err := await(t, o, 0)
	if err != nil {
		return nil, err
	}
	if e.Kind != Opened {
		t.Fatalf("%+v before Opened", e)
	}
	ack, left, at := e.Seq, int(e.Length), e.Offset
	var lent [][]byte
	for token := uint64(1); uint64(len(out)) < e.Length; {
		for left > 0 && len(lent) < 4 {
			data := bytes.Repeat([]byte{0xCC}, min(loan, left))
			if err := o.Lend(token, data); err != nil { // what was filled before the error is still reported before it
				left = 0
				break
			}
			lent, left, token = append(lent, data), left-len(data), token+1
		}
		e, err := await(t, o, ack)
		if err != nil {
			return out, err
		}
		if len(lent) == 0 {
			t.Fatalf("%+v of nothing that was lent", e)
		}
		data := lent[0]
		if e.Kind != Filled || e.Token != token-uint64(len(lent)) || e.Offset != at || e.Length != uint64(len(data)) {
			t.Fatalf("%+v; expected token %d of %d bytes at %d", e, token-uint64(len(lent)), len(data), at)
		}
		lent, ack, at = lent[1:], e.Seq, at+e.Length
		out = append(out, data...)
	}
	return out, nil
}

// upload stores parts; the put is closed in any case.
func upload(t *testing.T, c *Client, r PutRequest, parts ...[]byte) (string, *Error) {
	t.Helper()
	o, err := c.Start(&r)
	if err != nil {
		return "", err
	}
	defer drain(t, o)
	e, err := await(t, o, 0)
	if err != nil {
		return "", err
	}
	for i, data := range parts {
		if err := o.Lend(uint64(i), data); err != nil {
			return "", err
		}
	}
	if err := o.Finish(); err != nil {
		return "", err
	}
	for {
		if e, err = await(t, o, e.Seq); err != nil {
			return "", err
		}
		if e.Kind == Done {
			return string(o.Reply()), nil
		}
	}
}

// pattern is n bytes in which no stretch looks like another.
func pattern(n int) []byte {
	data := make([]byte, n)
	x := uint32(2463534242)
	for i := range data {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		data[i] = byte(x >> 24)
	}
	return data
}

// same fails unless the bytes agree, and says where they part.
func same(t *testing.T, expected, actual []byte) {
	t.Helper()
	if bytes.Equal(expected, actual) {
		return
	}
	at := 0
	for at < min(len(expected), len(actual)) && expected[at] == actual[at] {
		at++
	}
	t.Fatalf("%d bytes where %d were expected; they differ from byte %d on", len(actual), len(expected), at)
}

// fails checks an error's kind and text.
func fails(t *testing.T, err *Error, kind Kind, text string) {
	t.Helper()
	if err == nil || err.Kind != kind || !strings.Contains(err.Message, text) {
		t.Fatalf("error %s; expected kind %d with %q", show(err), kind, text)
	}
}

func show(err *Error) string {
	if err == nil {
		return "none"
	}
	return fmt.Sprintf("{kind %d, HTTP %d, code %q: %s}", err.Kind, err.HTTPStatus, err.Code, err.Message)
}

func ptr[T any](v T) *T { return &v }

// writePEM writes a certificate where AWS_CA_BUNDLE can name it.
func writePEM(t *testing.T, path string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
