package fakes3

// object_test.go owns: the proof of what S3 and the mock each do with whole objects, where the conformance suite cannot say.
// It refuses to know: lists, parts.

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Where S3's documentation says more than MinIO does, GET is S3's: several ranges or a reversed one are the whole object,
// partNumber and Range exclude each other, and a 416 says how long the object is.
func TestGetEdges(t *testing.T) {
	s := New(RulesS3, "b")
	s.Add(Object{Bucket: "b", Key: "k", Data: []byte("0123456789")})
	s.Add(Object{Bucket: "b", Key: "empty"})
	onWires(t, func() http.Handler { return s }, func(t *testing.T, w wire) {
		for _, header := range []string{"bytes=1-2,4-5", "bytes=5-2", "bytes=x"} {
			equal(t, "0123456789", string(w.want(t, http.StatusOK, http.MethodGet, "/b/k", nil, "Range", header).body))
		}
		a := w.want(t, http.StatusRequestedRangeNotSatisfiable, http.MethodGet, "/b/k", nil, "Range", "bytes=10-")
		equal(t, "bytes */10", a.header.Get("Content-Range"))
		equal(t, "InvalidRange", a.code())
		equal(t, "InvalidRequest", w.want(t, http.StatusBadRequest, http.MethodGet, "/b/k?partNumber=1", nil, "Range", "bytes=0-1").code())
		a = w.want(t, http.StatusPartialContent, http.MethodGet, "/b/k?partNumber=1", nil)
		equal(t, "bytes 0-9/10", a.header.Get("Content-Range"))
		w.want(t, http.StatusOK, http.MethodGet, "/b/empty?partNumber=1", nil) // what clients ask after a 416
		a = w.want(t, http.StatusPartialContent, http.MethodHead, "/b/k", nil, "Range", "bytes=2-3")
		equal(t, "2", a.header.Get("Content-Length"))
		equal(t, 0, len(a.body))
	})
}

// An error has S3's XML, an id, and no body after HEAD.
func TestErrorForm(t *testing.T) {
	onWires(t, func() http.Handler { return New(RulesS3, "b") }, func(t *testing.T, w wire) {
		a := w.want(t, http.StatusNotFound, http.MethodGet, "/b/a&b", nil)
		id := a.header.Get("x-amz-request-id")
		equal(t, `<?xml version="1.0" encoding="UTF-8"?>`+"\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist."+
			"</Message><Key>a&amp;b</Key><RequestId>"+id+"</RequestId><HostId>fakes3/"+id+"</HostId></Error>", string(a.body))
		equal(t, "application/xml", a.header.Get("Content-Type"))
		equal(t, 0, len(w.want(t, http.StatusNotFound, http.MethodHead, "/b/k", nil).body))
		next := w.want(t, http.StatusNotFound, http.MethodGet, "/b/k", nil).header.Get("x-amz-request-id")
		if id == "" || id == next {
			t.Errorf("ids %q and %q", id, next)
		}
	})
}

// A GET under way goes on with the object as it was when it began.
func TestSnapshot(t *testing.T) {
	onWires(t, func() http.Handler {
		s := New(RulesS3, "b")
		s.Add(Object{Bucket: "b", Key: "k", Data: bytes.Repeat([]byte("a"), 8<<20)})
		return s
	}, func(t *testing.T, w wire) {
		req := ok(http.NewRequestWithContext(t.Context(), http.MethodGet, w.base+"/b/k", nil))(t)
		resp := ok(w.rt.RoundTrip(req))(t)
		defer func() { _ = resp.Body.Close() }()
		w.want(t, http.StatusOK, http.MethodPut, "/b/k", bytes.Repeat([]byte("b"), 8<<20))
		w.want(t, http.StatusNoContent, http.MethodDelete, "/b/k", nil)
		var got bytes.Buffer
		ok(got.ReadFrom(resp.Body))(t)
		equal(t, 8<<20, bytes.Count(got.Bytes(), []byte("a")))
	})
}

// S3 knows its storage classes, lists STANDARD, keeps it out of HEAD, and restores before it reads from an archive.
func TestStorageClasses(t *testing.T) {
	w := memory(New(RulesS3, "b"))
	for _, class := range classes {
		w.want(t, http.StatusOK, http.MethodPut, "/b/k", []byte("x"), "x-amz-storage-class", class)
		head := w.want(t, http.StatusOK, http.MethodHead, "/b/k", nil).header.Get("x-amz-storage-class")
		equal(t, class, w.list(t, "b", "").Contents[0].StorageClass)
		if class == "STANDARD" {
			class = ""
		}
		equal(t, class, head)
		if class == "GLACIER" || class == "DEEP_ARCHIVE" {
			equal(t, "InvalidObjectState", w.want(t, http.StatusForbidden, http.MethodGet, "/b/k", nil).code())
			a := w.want(t, http.StatusForbidden, http.MethodPut, "/b/to", nil, "x-amz-copy-source", "b/k")
			equal(t, "ObjectNotInActiveTierError", a.code())
		} else {
			w.want(t, http.StatusOK, http.MethodGet, "/b/k", nil)
		}
	}
	for _, class := range []string{"standard", "EXPRESS", " "} {
		a := w.do(t, http.MethodPut, "/b/k", nil, "x-amz-storage-class", class)
		if class != " " { // which is no header at all on a socket
			equal(t, "InvalidStorageClass", a.code(), class)
		}
	}
}

// The mock's rules: bare ETags, classes only as put, and whatever class was asked for.
func TestMockObjects(t *testing.T) {
	s := New(RulesMock, "b")
	s.Add(Object{Bucket: "b", Key: "added", Data: []byte("hello")})
	w := memory(s)
	head := w.want(t, http.StatusOK, http.MethodHead, "/b/added", nil).header
	equal(t, "5d41402abc4b2a76b9719d911017c592", head.Get("ETag"))
	equal(t, "", head.Get("x-amz-storage-class"))
	for _, class := range []string{"STANDARD", "GLACIER", "no such class"} {
		w.want(t, http.StatusOK, http.MethodPut, "/b/k", nil, "x-amz-storage-class", class)
		equal(t, class, w.want(t, http.StatusOK, http.MethodGet, "/b/k", nil).header.Get("x-amz-storage-class"))
	}
	w.want(t, http.StatusPreconditionFailed, http.MethodGet, "/b/added", nil, "If-Match", "0")
	w.want(t, http.StatusOK, http.MethodGet, "/b/added", nil, "If-Match", "5d41402abc4b2a76b9719d911017c592")
}

// The mock copies inside its one store: a bucket may be wrong on either side, not on both.
func TestMockCopy(t *testing.T) {
	for _, c := range []struct {
		from, to string
		status   int
	}{{"b", "b", 200}, {"b", "other", 200}, {"other", "b", 200}, {"other", "another", 404}} {
		s := New(RulesMock, "b")
		s.Add(Object{Bucket: "b", Key: "k", Data: []byte("x"), StorageClass: "GLACIER"})
		a := memory(s).want(t, c.status, http.MethodPut, "/"+c.to+"/copy", nil, "x-amz-copy-source", c.from+"/k")
		buckets, objects := s.Dump()
		equal(t, []string{"b"}, buckets)
		if c.status == 404 {
			equal(t, "NoSuchBucket", a.code())
			equal(t, 1, len(objects))
			continue
		}
		equal(t, "copy", objects[0].Key)
		equal(t, "GLACIER", objects[0].StorageClass)
	}
	a := memory(New(RulesMock, "b")).want(t, http.StatusNotFound, http.MethodPut, "/b/copy", nil, "x-amz-copy-source", "b/missing")
	equal(t, "NoSuchKey", a.code())
}

// Dump and Add are each other's reverse, the mock's bucket stays the mock's, and times and classes survive.
func TestDumpAdd(t *testing.T) {
	s := New(RulesMock, "home", "a")
	at := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	s.Add(Object{Bucket: "home", Key: "\x00", Data: []byte("x"), StorageClass: "GLACIER", LastModified: at})
	s.Add(Object{Bucket: "z", Key: "k", LastModified: at})
	w := memory(s)
	w.want(t, http.StatusOK, http.MethodPut, "/home/put", []byte("y"))
	buckets, objects := s.Dump()
	equal(t, []string{"home", "a", "z"}, buckets)
	again := New(RulesMock, buckets...)
	for _, o := range objects {
		again.Add(o)
	}
	buckets2, objects2 := again.Dump()
	equal(t, buckets, buckets2)
	equal(t, fmt.Sprint(objects), fmt.Sprint(objects2))
	equal(t, "Thu, 02 Jan 2020 03:04:05 GMT", memory(again).want(t, 200, http.MethodHead, "/home/%00", nil).header.Get("Last-Modified"))
	memory(again).want(t, http.StatusOK, http.MethodPut, "/elsewhere/k", nil, "x-amz-copy-source", "home/put")
}

// Region and RequireAuth do what they say, and nothing unasked.
func TestFields(t *testing.T) {
	s := New(RulesS3, "b")
	w := memory(s)
	_, said := w.want(t, http.StatusOK, http.MethodHead, "/b", nil).header["X-Amz-Bucket-Region"]
	equal(t, false, said)
	s = New(RulesS3, "b")
	s.Region, s.RequireAuth = "eu-west-3", true
	w = memory(s)
	a := w.want(t, http.StatusForbidden, http.MethodGet, "/b/k", nil)
	equal(t, "AccessDenied", a.code())
	equal(t, "eu-west-3", a.header.Get("x-amz-bucket-region"))
	equal(t, "NoSuchKey", w.want(t, http.StatusNotFound, http.MethodGet, "/b/k", nil, "Authorization", "any").code())
	equal(t, "NoSuchKey", w.want(t, http.StatusNotFound, http.MethodGet, "/b/k?X-Amz-Signature=any", nil).code())
	a = w.want(t, http.StatusOK, http.MethodGet, "/b?location", nil, "Authorization", "any")
	equal(t, true, bytes.Contains(a.body, []byte(">eu-west-3<")))
}

// Many clients at once see whole versions of objects, never a mixture. (The race detector watches the rest.)
func TestConcurrent(t *testing.T) {
	s := New(RulesS3, "b")
	w := memory(s)
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			for i := range 50 {
				key := fmt.Sprintf("/b/%d", i%3)
				data := bytes.Repeat([]byte{byte('a' + n)}, 10_000)
				w.do(t, http.MethodPut, key, data)
				if a := w.do(t, http.MethodGet, key, nil); a.status == 200 && !bytes.Equal(a.body, bytes.Repeat(a.body[:1], 10_000)) {
					t.Error("a mixture of versions")
				}
				w.do(t, http.MethodGet, "/b?list-type=2&delimiter=1", nil)
				w.do(t, http.MethodPut, "/b/copy", nil, "x-amz-copy-source", "b/1")
				w.do(t, http.MethodDelete, key, nil)
			}
		})
	}
	group.Wait()
}
