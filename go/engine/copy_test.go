package engine

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"s3engine/fakes3"
)

// s3torchconnector hands a copy's source over percent-encoded, people plain; both reach the same object, and what merely looks
// encoded but is not stays what it is.
func TestSourceKey(t *testing.T) {
	for key, expected := range map[string][2]string{
		"plain": {"plain", "plain"}, "a/b": {"a/b", "a/b"}, "a b": {"a b", "a%20b"}, "a%20b": {"a b", "a%20b"}, "a+b": {"a+b", "a%2Bb"},
		"a%2Bb": {"a+b", "a%2Bb"}, "100%": {"100%", "100%25"}, "100%zz": {"100%zz", "100%25zz"}, "%41": {"A", "%41"}, "é": {"é", "%C3%A9"},
		"%C3%A9": {"é", "%C3%A9"}, "50% off": {"50% off", "50%25%20off"}, "a%2Fb": {"a/b", "a%2Fb"}, "k?versionId=1": {"k?versionId=1", "k%3FversionId%3D1"},
		"~-._": {"~-._", "~-._"}, "%": {"%", "%25"}, "%2": {"%2", "%252"}, "": {"", ""},
	} {
		if plain, escaped := sourceKey(key); plain != expected[0] || escaped != expected[1] {
			t.Errorf("%q: %q, %q", key, plain, escaped)
		}
	}
}

// A copy finds its source under plain and encoded keys, and its target under the plain one.
func TestCopy(t *testing.T) {
	c, s := dialS3(t)
	for _, key := range []string{"plain", "dir/a b", "a+b", "é/\U0001F600", "100% off", "q?versionId=1", "test_[+re.name]!@£$%^&*_(src)", "//x/../y"} {
		for _, given := range []string{key, escapePath(key), strings.ReplaceAll(escapePath(key), "%2B", "%2b")} {
			s.Add(fakes3.Object{Bucket: "b", Key: key, Data: []byte(given)})
			if reply, err := do(t, c, &CopyRequest{"b", given, "b", "to/" + key}); err != nil || reply != "{}" {
				t.Errorf("%q: %s", given, show(err))
			}
			if out, _ := stored(t, s, "to/"+key); string(out) != given {
				t.Errorf("%q: %q", given, out)
			}
		}
	}
	_, err := do(t, c, &CopyRequest{"b", "missing", "b", "x"})
	fails(t, err, NotFound, "Service error: The object was not found")
	_, err = do(t, c, &CopyRequest{"missing", "plain", "b", "x"})
	fails(t, err, NotFound, "Service error: The object was not found")
}

// A 200 that carries an error is one, and is tried again.
func TestCopyErrorIn200(t *testing.T) {
	c, s := dialS3(t)
	s.Add(fakes3.Object{Bucket: "b", Key: "k", Data: []byte("x")})
	faults(t, s, "(error-in-200 (times 2 (copy)))")
	if _, err := do(t, c, &CopyRequest{"b", "k", "b", "l"}); err != nil {
		t.Fatal(show(err))
	}
	if out, _ := stored(t, s, "l"); string(out) != "x" {
		t.Fatalf("%q", out)
	}
	faults(t, s, "(error-in-200 (times 9 (copy)))")
	_, err := do(t, c, &CopyRequest{"b", "k", "b", "l"})
	fails(t, err, Service, "InternalError")
}

// bigSource is a source of many gigabytes that nobody holds, and a target for its parts.
type bigSource struct {
	mu      sync.Mutex
	size    int64
	copied  int64
	ranges  map[string]string // part number → range
	open    int
	metas   string
	request func(w http.ResponseWriter, r *http.Request) (done bool)
	order   []string
}

func (b *bigSource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if b.request != nil && b.request(w, r) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodHead:
		w.Header().Set("Content-Length", fmt.Sprint(b.size))
		w.Header().Set("Etag", `"source"`)
		w.Header().Set("Content-Type", "text/x")
		w.Header().Set("X-Amz-Meta-Kind", "kept")
		w.Header().Set("Last-Modified", "Fri, 21 Dec 2012 00:00:01 GMT")
	case q.Has("uploads"):
		b.open++
		b.metas = r.Header.Get("Content-Type") + " " + r.Header.Get("X-Amz-Meta-Kind")
		_, _ = io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>")
	case r.Method == http.MethodPut && q.Has("uploadId"):
		var s span
		_, _ = fmt.Sscanf(r.Header.Get("X-Amz-Copy-Source-Range"), "bytes=%d-%d", &s.start, &s.end)
		b.copied += s.end + 1 - s.start
		b.ranges[q.Get("partNumber")] = r.Header.Get("X-Amz-Copy-Source") + " " + r.Header.Get("X-Amz-Copy-Source-If-Match")
		_, _ = fmt.Fprintf(w, "<CopyPartResult><ETag>\"part%s\"</ETag></CopyPartResult>", q.Get("partNumber"))
	case r.Method == http.MethodPost:
		var body struct {
			Part []struct {
				PartNumber int
				ETag       string
			}
		}
		_ = xml.NewDecoder(r.Body).Decode(&body)
		for i, p := range body.Part {
			if p.PartNumber != i+1 || strings.Trim(p.ETag, `"`) != fmt.Sprintf("part%d", i+1) {
				w.WriteHeader(400)
				return
			}
		}
		b.open--
		b.order = append(b.order, fmt.Sprint(len(body.Part), " parts"))
		_, _ = io.WriteString(w, `<CompleteMultipartUploadResult><ETag>"whole-2"</ETag></CompleteMultipartUploadResult>`)
	case r.Method == http.MethodDelete:
		b.open--
		w.WriteHeader(204)
	}
}

// From 1 GiB on a copy is made in parts that cover the source exactly once, of one version of it, with its metadata.
func TestCopyInParts(t *testing.T) {
	for _, size := range []int64{copyWhole, copyWhole + 1, 5<<30 + 7} {
		b := &bigSource{size: size, ranges: map[string]string{}}
		c := dial(t, b)
		if _, err := do(t, c, &CopyRequest{"src", "a b", "dst", "k"}); err != nil {
			t.Fatal(show(err))
		}
		if b.copied != size || len(b.ranges) != len(copySpans(size)) || b.open != 0 || b.metas != "text/x kept" {
			t.Errorf("%d of %d bytes in %d parts, %d open, %q", b.copied, size, len(b.ranges), b.open, b.metas)
		}
		for _, source := range b.ranges {
			if source != `src/a%20b "source"` {
				t.Errorf("%q", source)
			}
		}
	}
}

// A copy in parts that fails or is closed leaves no upload behind, wherever it stands; while it is created too.
func TestCopyInPartsLeavesNothing(t *testing.T) {
	for _, stage := range []string{"part fails", "complete fails", "close in create", "close in part", "close in complete"} {
		t.Run(stage, func(t *testing.T) {
			g := newGate(t)
			defer g.open()
			b := &bigSource{size: copyWhole, ranges: map[string]string{}}
			b.request = func(w http.ResponseWriter, r *http.Request) bool {
				q := r.URL.Query()
				create, complete := q.Has("uploads"), r.Method == http.MethodPost && q.Has("uploadId")
				part := r.Method == http.MethodPut && q.Get("partNumber") == "3"
				switch {
				case part && stage == "part fails", complete && stage == "complete fails":
					w.WriteHeader(403)
					return true
				case create && stage == "close in create", part && stage == "close in part", complete && stage == "close in complete":
					g.at(stage)
				}
				return false
			}
			c := dial(t, b)
			o := start(t, c, &CopyRequest{"src", "k", "dst", "k"})
			if strings.HasPrefix(stage, "close") {
				g.await(t, stage)
				o.Close()
				if stage != "close in complete" { // there, what comes after the abort finds no upload
					g.open()
				}
			} else {
				fails(t, failure(t, o), Denied, "Forbidden")
			}
			drain(t, o)
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.open != 0 {
				t.Errorf("%d uploads are still open", b.open)
			}
		})
	}
}
