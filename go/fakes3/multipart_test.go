package fakes3

// multipart_test.go owns: the proof of what uploads do beyond the conformance suite.
// It refuses to know: how clients cut their data.

import (
	"bytes"
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// begin creates an upload over a wire.
func (w wire) begin(t *testing.T, key string) string {
	t.Helper()
	var made struct{ UploadId string }
	a := w.want(t, 200, http.MethodPost, "/b/"+key+"?uploads", nil)
	equal(t, nil, xml.Unmarshal(a.body, &made))
	return made.UploadId
}

// part puts a part and is its XML for complete.
func (w wire) part(t *testing.T, key, id string, n int, data []byte) string {
	t.Helper()
	a := w.want(t, 200, http.MethodPut, fmt.Sprintf("/b/%s?partNumber=%d&uploadId=%s", key, n, id), data)
	return fmt.Sprintf("<Part><ETag>%s</ETag><PartNumber>%d</PartNumber></Part>", a.header.Get("ETag"), n)
}

func complete(parts ...string) []byte {
	return []byte("<CompleteMultipartUpload>" + strings.Join(parts, "") + "</CompleteMultipartUpload>")
}

// Under the mock's rules parts may be small and the ETag is that of the data, bare.
func TestMockMultipart(t *testing.T) {
	s := New(RulesMock, "b")
	w := memory(s)
	id := w.begin(t, "k")
	equal(t, 1, s.OpenUploads())
	w.want(t, 200, http.MethodPost, "/b/k?uploadId="+id, complete(
		w.part(t, "k", id, 1, []byte("one ")), w.part(t, "k", id, 2, nil), w.part(t, "k", id, 3, []byte("two"))))
	equal(t, 0, s.OpenUploads())
	a := w.want(t, 200, http.MethodGet, "/b/k", nil)
	equal(t, "one two", string(a.body))
	equal(t, fmt.Sprintf("%x", md5.Sum([]byte("one two"))), a.header.Get("ETag"))
}

// An upload of one empty part is an empty object, with the ETag of an upload.
func TestEmptyMultipart(t *testing.T) {
	w := memory(New(RulesS3, "b"))
	id := w.begin(t, "k")
	w.want(t, 200, http.MethodPost, "/b/k?uploadId="+id, complete(w.part(t, "k", id, 1, nil)))
	a := w.want(t, 200, http.MethodGet, "/b/k", nil)
	none := md5.Sum(nil)
	equal(t, fmt.Sprintf(`"%x-1"`, md5.Sum(none[:])), a.header.Get("ETag"))
	equal(t, "InvalidRange", w.want(t, 416, http.MethodGet, "/b/k", nil, "Range", "bytes=0-").code())
	w.want(t, 200, http.MethodGet, "/b/k?partNumber=1", nil)
}

// Completing does not copy what was uploaded, and a copy shares it too; but a copy is one part.
func TestMultipartShares(t *testing.T) {
	s := New(RulesS3, "b")
	w := memory(s)
	id := w.begin(t, "k")
	first := bytes.Repeat([]byte("a"), minPart)
	parts := []string{w.part(t, "k", id, 1, first), w.part(t, "k", id, 2, []byte("tail"))}
	stored := s.uploads[id].parts[1].pieces[0]
	w.want(t, 200, http.MethodPost, "/b/k?uploadId="+id, complete(parts...))
	w.want(t, 200, http.MethodPut, "/b/copy", nil, "x-amz-copy-source", "b/k")
	for _, key := range []string{"k", "copy"} {
		if &ok(s.find("b", key))(t).pieces[0][0] != &stored[0] {
			t.Errorf("%s is not the bytes that were uploaded", key)
		}
	}
	whole := append(first, "tail"...)
	equal(t, fmt.Sprintf("%x", md5.Sum(whole)), ok(s.find("b", "copy"))(t).etag)
	equal(t, "InvalidPartNumber", w.want(t, 416, http.MethodGet, "/b/copy?partNumber=2", nil).code())
	_, objects := s.Dump()
	equal(t, true, bytes.Equal(whole, objects[1].Data))
}

// A part that is still being sent when its upload is aborted is refused, and nothing comes back to life.
func TestPartAfterAbort(t *testing.T) {
	s := New(RulesS3, "b")
	w := memory(s)
	id := w.begin(t, "k")
	r, feed := io.Pipe()
	req := ok(http.NewRequestWithContext(t.Context(), http.MethodPut, w.base+"/b/k?partNumber=1&uploadId="+id, r))(t)
	req.ContentLength = 10
	go func() {
		_, _ = feed.Write([]byte("12345")) // returns once the handler has read it
		w.do(t, http.MethodDelete, "/b/k?uploadId="+id, nil)
		_, _ = feed.Write([]byte("67890"))
		_ = feed.Close()
	}()
	resp := ok(w.rt.RoundTrip(req))(t)
	defer func() { _ = resp.Body.Close() }()
	equal(t, 404, resp.StatusCode)
	equal(t, 0, s.OpenUploads())
}

// The lists of uploads and of parts come in pages that add up.
func TestMultipartLists(t *testing.T) {
	w := memory(New(RulesS3, "b"))
	ids := map[string]bool{}
	for _, key := range []string{"a", "a", "a", "b", "é%0A"} {
		ids[w.begin(t, key)] = true
	}
	var page struct {
		IsTruncated                       bool
		NextKeyMarker, NextUploadIdMarker string
		NextPartNumberMarker              int
		Upload                            []struct{ Key, UploadId string }
		Part                              []struct{ PartNumber, Size int }
	}
	for pages := 1; ; pages++ {
		a := w.want(t, 200, http.MethodGet, "/b?uploads&encoding-type=url&max-uploads=2&key-marker="+page.NextKeyMarker+
			"&upload-id-marker="+page.NextUploadIdMarker, nil)
		page.Upload = nil
		equal(t, nil, xml.Unmarshal(a.body, &page))
		for _, u := range page.Upload {
			delete(ids, u.UploadId)
		}
		if !page.IsTruncated {
			equal(t, 3, pages)
			break
		}
	}
	equal(t, 0, len(ids))

	id := w.begin(t, "parts")
	var got []int
	for _, n := range []int{7, 1, 9, 3, 2} {
		w.part(t, "parts", id, n, make([]byte, n))
	}
	for {
		a := w.want(t, 200, http.MethodGet, fmt.Sprintf("/b/parts?uploadId=%s&max-parts=2&part-number-marker=%d", id, page.NextPartNumberMarker), nil)
		page.Part = nil
		equal(t, nil, xml.Unmarshal(a.body, &page))
		for _, p := range page.Part {
			equal(t, p.PartNumber, p.Size)
			got = append(got, p.PartNumber)
		}
		if !page.IsTruncated {
			break
		}
	}
	equal(t, []int{1, 2, 3, 7, 9}, got)
}

// An upload belongs to its bucket and key, a deleted bucket takes its uploads along, and conditions on writes, which this
// S3 does not have, are not passed over.
func TestMultipartStrays(t *testing.T) {
	s := New(RulesS3, "b", "c")
	w := memory(s)
	id := w.begin(t, "k")
	for _, target := range []string{"/b/other", "/c/k", "/b/k"} {
		suffix := "?uploadId=" + id
		if target == "/b/k" {
			suffix = "?uploadId=nonsense"
		}
		equal(t, "NoSuchUpload", w.want(t, 404, http.MethodPost, target+suffix, complete("<Part><PartNumber>1</PartNumber></Part>")).code())
		equal(t, "NoSuchUpload", w.want(t, 404, http.MethodDelete, target+suffix, nil).code())
	}
	equal(t, "InvalidArgument", w.want(t, 400, http.MethodPut, "/b/k?uploadId="+id, nil).code())
	equal(t, "MalformedXML", w.want(t, 400, http.MethodPost, "/b/k?uploadId="+id, []byte("<CompleteMultipartUpload><Part>")).code())
	equal(t, "NotImplemented", w.want(t, 501, http.MethodPost, "/b/k?uploadId="+id, complete(), "If-None-Match", "*").code())
	equal(t, "NotImplemented", w.want(t, 501, http.MethodPut, "/b/k", nil, "If-None-Match", "*").code())
	w.want(t, 204, http.MethodDelete, "/b", nil)
	equal(t, 0, s.OpenUploads())
}

// A slice of a content is the slice of its bytes, and so is what a reader reads in steps of any size.
func FuzzContent(f *testing.F) {
	f.Add([]byte("0123456789"), 3, 7, 2, 9, 4)
	f.Fuzz(func(t *testing.T, data []byte, cut1, cut2, start, end, step int) {
		n := len(data)
		if cut1 < 0 || cut2 < cut1 || n < cut2 || start < 0 || end < start || n < end || step < 1 || step > 1<<16 {
			return
		}
		c := newContent(data[:cut1], data[cut1:cut2], data[cut2:]).slice(int64(start), int64(end))
		var read []byte
		for r, p := c.reader(), make([]byte, step); ; {
			k, err := r.Read(p)
			if read = append(read, p[:k]...); err != nil {
				break
			}
		}
		want := data[start:end]
		if !bytes.Equal(want, c.bytes()) || !bytes.Equal(want, read) || c.size != int64(len(want)) || c.md5() != fmt.Sprintf("%x", md5.Sum(want)) {
			t.Fatalf("[%d, %d) of %q in 3: %q, read %q", start, end, data, c.bytes(), read)
		}
	})
}
