package engine

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"s3engine/fakes3"
)

// stored is the object as the fake has it.
func stored(t *testing.T, s *fakes3.Server, key string) ([]byte, bool) {
	t.Helper()
	_, objects := s.Dump()
	for _, o := range objects {
		if o.Key == key {
			return o.Data, true
		}
	}
	return nil, false
}

// An object is its parts in the order lent, whatever the order they arrived in; a put without parts is an empty object of one
// empty part.
func TestPutStoresParts(t *testing.T) {
	data := pattern(11 << 20)
	for _, parts := range [][][]byte{nil, {data[:1]}, {data[:5<<20], data[5<<20 : 5<<20+1]}, {data[:5<<20], data[5<<20 : 10<<20], data[10<<20:]}} {
		c, s := dialS3(t)
		faults(t, s, "(delay 60ms (part (part 1)))")
		reply, err := upload(t, c, PutRequest{"b", "k", ptr("STANDARD_IA")}, parts...)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(reply, fmt.Sprintf(`-%d\""}`, max(len(parts), 1))) {
			t.Errorf("%d parts make %s", len(parts), reply)
		}
		out, _ := stored(t, s, "k")
		same(t, bytes.Join(parts, nil), out)
		if head, err := do(t, c, &HeadRequest{"b", "k"}); err != nil || !strings.Contains(head, `"storage_class":"STANDARD_IA"`) {
			t.Errorf("%s %v", head, err)
		}
	}
}

// Loans come back in the order stored, each once, and Done only after all of them.
func TestPutReturnsInTheOrderStored(t *testing.T) {
	g := newGate(t)
	defer g.open()
	s := fakes3.New(fakes3.RulesMock, "b")
	c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("partNumber") == "1" {
			g.at("part 1")
		}
		s.ServeHTTP(w, r)
	})
	o := start(t, c, &PutRequest{"b", "k", nil})
	e := expect(t, o, 0, Opened)
	for i, text := range []string{"one", "two", "three"} {
		if err := o.Lend(uint64(i+1), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Finish(); err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]bool{}
	for range 2 {
		e = expect(t, o, e.Seq, Returned)
		seen[e.Token] = true
	}
	if !seen[2] || !seen[3] {
		t.Fatalf("%v were returned while part 1 is under way", seen)
	}
	g.open()
	if e = expect(t, o, e.Seq, Returned); e.Token != 1 || e.Length != 3 {
		t.Fatalf("%+v", e)
	}
	expect(t, o, e.Seq, Done)
	drain(t, o)
	if out, _ := stored(t, s, "k"); string(out) != "onetwothree" {
		t.Fatalf("%q", out)
	}
}

// What cannot be is said at once: parts before the upload, after finish, past S3's 10,000, a second finish.
func TestPutRefuses(t *testing.T) {
	g := newGate(t)
	defer g.open()
	s := fakes3.New(fakes3.RulesS3, "b")
	c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("uploads") {
			g.at("create")
		}
		s.ServeHTTP(w, r)
	})
	o := start(t, c, &PutRequest{"b", "k", nil})
	g.await(t, "create")
	fails(t, o.Lend(1, []byte{1}), Invalid, "after OPENED")
	fails(t, o.Finish(), Invalid, "after OPENED")
	g.open()
	expect(t, o, 0, Opened)
	fails(t, o.Lend(1, nil), Invalid, "at least one byte")
	p := o.(*put)
	p.mu.Lock()
	all := p.parts
	p.parts = make([]types.CompletedPart, maxParts)
	p.mu.Unlock()
	fails(t, o.Lend(1, []byte{1}), Invalid, "at most 10000 parts")
	p.mu.Lock()
	p.parts = all
	p.mu.Unlock()
	if err := o.Finish(); err != nil {
		t.Fatal(err)
	}
	fails(t, o.Lend(1, []byte{1}), Invalid, "after finish")
	fails(t, o.Finish(), Invalid, "finish was called before")
	e, err := await(t, o, 1)
	if err != nil || e.Kind != Done {
		t.Fatalf("%+v, %v", e, err)
	}
	drain(t, o)
	fails(t, o.Lend(1, []byte{1}), BadHandle, "closed")
	fails(t, o.Finish(), BadHandle, "closed")
	if s.OpenUploads() != 0 {
		t.Error("the upload is still open")
	}
}

// A missing bucket, a bad storage class, and missing rights fail before a part is lent.
func TestPutFailsAtOnce(t *testing.T) {
	c, s := dialS3(t)
	o := start(t, c, &PutRequest{"missing", "k", nil})
	fails(t, failure(t, o), NotFound, "Client error: Unknown response error: HTTP 404: NoSuchBucket")
	drain(t, o)
	o = start(t, c, &PutRequest{"b", "k", ptr("NONSENSE")})
	fails(t, failure(t, o), Service, "InvalidStorageClass")
	drain(t, o)
	s.RequireAuth = true
	c = dial(t, s, func(cfg *Config) { cfg.Unsigned = true })
	o = start(t, c, &PutRequest{"b", "k", nil})
	fails(t, failure(t, o), Denied, "Client error: Forbidden: Access Denied")
	drain(t, o)
}

// Whatever goes wrong on the way, within the attempts, the object is the same; beyond them the error stays, the object does not
// appear, and closing aborts the upload.
func TestPutUnderFaults(t *testing.T) {
	data := pattern(6 << 20)
	for _, row := range []struct {
		script string
		kind   Kind
	}{
		{"(status 503 (times 2 (create)))", OK}, {"(status 503 (times 2 (part)))", OK}, {"(status 500 (times 2 (complete)))", OK},
		{"(status 400 RequestTimeout (part (nth 1)))", OK}, {"(reset (part (nth 1)))", OK}, {"(reset (after 1000) (part (nth 2)))", OK},
		{"(lost (part (nth 1)))", OK}, {"(reset (after 0) (times 2 (part (part 2))))", OK}, {"(error-in-200 (times 2 (complete)))", OK},
		{"(error-in-200 SlowDown (complete (nth 1)))", OK}, {"(lost (complete (nth 1)))", OK}, {"(reset (complete (nth 1)))", OK},
		{"(status 503 (times 9 (part (part 2))))", Throttled}, {"(status 403 (part (part 1) (nth 1)))", Denied},
		{"(reset (times 9 (part (part 2))))", Network}, {"(status 500 (times 9 (complete)))", Service},
		{"(error-in-200 (times 9 (complete)))", Service}, {"(status 403 (complete))", Denied}, {"(status 404 NoSuchUpload (part (part 1)))", NotFound},
	} {
		t.Run(row.script, func(t *testing.T) {
			for _, memory := range []bool{false, true} {
				c, s := dialS3(t)
				if memory {
					c, s = memoryS3(t, fakes3.RulesS3)
				}
				faults(t, s, row.script)
				_, err := upload(t, c, PutRequest{"b", "k", nil}, data[:5<<20], data[5<<20:])
				out, there := stored(t, s, "k")
				if row.kind == OK {
					if err != nil {
						t.Fatalf("memory %t: %s", memory, show(err))
					}
					same(t, data, out)
				} else if fails(t, err, row.kind, ""); there {
					t.Fatal("the object appeared all the same")
				}
				if s.OpenUploads() != 0 {
					t.Fatal("the upload was not aborted")
				}
			}
		})
	}
}

// The error of one part is the put's, for Lend and Finish too, again and again.
func TestPutErrorIsSticky(t *testing.T) {
	c, s := dialS3(t)
	faults(t, s, "(status 403 (part))")
	o := start(t, c, &PutRequest{"b", "k", nil})
	expect(t, o, 0, Opened)
	if err := o.Lend(1, []byte("one")); err != nil {
		t.Fatal(err)
	}
	err := failure(t, o)
	fails(t, err, Denied, "Client error: Forbidden")
	for range 2 {
		if again := o.Lend(2, []byte("two")); again != err {
			t.Errorf("lend says %v", again)
		}
		if again := o.Finish(); again != err {
			t.Errorf("finish says %v", again)
		}
	}
	if LentBytes() != 3 {
		t.Errorf("%d bytes are lent", LentBytes())
	}
	drain(t, o)
}

// The answer to a complete may be lost: NoSuchUpload is then success exactly if the key holds the object that these parts make.
func TestCompleteWhoseAnswerWasLost(t *testing.T) {
	for name, row := range map[string]struct {
		etag string
		kind Kind
	}{
		"the object is ours":           {"", OK},
		"the object is somebody's":     {`"00000000000000000000000000000000-1"`, NotFound},
		"the object is somebody's PUT": {`"900150983cd24fb0d6963f7d28e17f72"`, NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			completes := 0
			s := fakes3.New(fakes3.RulesS3, "b")
			c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case r.Method == http.MethodPost && r.URL.Query().Has("uploadId"):
					if completes++; completes == 1 {
						if row.etag == "" {
							s.ServeHTTP(httptest.NewRecorder(), r)
						} else {
							abort := httptest.NewRequest(http.MethodDelete, r.URL.String(), nil)
							s.ServeHTTP(httptest.NewRecorder(), abort)
						}
						panic(http.ErrAbortHandler)
					}
				case r.Method == http.MethodHead && row.etag != "":
					w.Header().Set("Etag", row.etag)
					w.Header().Set("Content-Length", "3")
					return
				}
				s.ServeHTTP(w, r)
			})
			_, err := upload(t, c, PutRequest{"b", "k", nil}, []byte("abc"))
			if row.kind == OK && err != nil || row.kind != OK && (err == nil || err.Kind != row.kind || err.Code != "NoSuchUpload") {
				t.Fatal(show(err))
			}
			if completes != 2 {
				t.Errorf("%d completes", completes)
			}
		})
	}
}

// The wire of a put is what the contract says: create, parts with their length and nothing to verify, complete in part order with
// bare ETags, and no abort after it.
func TestPutOnTheWire(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	s := fakes3.New(fakes3.RulesS3, "b")
	c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		q := r.URL.Query()
		line := fmt.Sprintf("%s %s parts=%s length=%d", r.Method, r.URL.EscapedPath(), q.Get("partNumber"), len(body))
		if bytes.Contains(body, []byte("&#34;")) || bytes.Contains(body, []byte("&quot;")) || bytes.Contains(body, []byte("checksum")) {
			line += " quoted " + string(body)
		}
		mu.Lock()
		if r.Method == http.MethodPost {
			line = fmt.Sprintf("%s %s uploads=%t", r.Method, r.URL.EscapedPath(), q.Has("uploads"))
		}
		lines = append(lines, line)
		mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.ServeHTTP(w, r)
	})
	if _, err := upload(t, c, PutRequest{"b", "k", nil}, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(lines, "; "); text != "POST /b/k uploads=true; PUT /b/k parts=1 length=3; POST /b/k uploads=false" {
		t.Error(text)
	}
}
