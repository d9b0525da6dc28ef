package fakes3

// multipart.go owns: uploads in parts, from create to complete or abort, and the lists of them.
// It refuses to know: whole objects' requests, and how bodies arrive.

import (
	"cmp"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxParts = 10_000
	minPart  = 5 << 20 // of all parts but the last
	// maxComplete bounds the list of parts: 10,000 of them with every field that S3 knows stay well below.
	maxComplete = 8 << 20
)

// upload is a multipart upload under way.
type upload struct {
	id, bucket, key, class string
	initiated              time.Time
	parts                  map[int]*part
}

// part is one part of it; putting it again makes another.
type part struct {
	content
	etag     string
	modified time.Time
}

// uploadOf is the upload that a call names. s.mu must be held.
func (s *Server) uploadOf(c *call) (*upload, error) {
	if s.buckets[c.bucket] == nil {
		return nil, errNoSuchBucket
	}
	u := s.uploads[c.query.Get("uploadId")]
	if u == nil || u.bucket != c.bucket || u.key != c.key {
		return nil, errNoSuchUpload
	}
	return u, nil
}

func (s *Server) createUpload(_ http.Header, r *http.Request, c *call) (reply, error) {
	class, err := s.storageClass(r)
	if err != nil {
		return reply{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[c.bucket] == nil {
		return reply{}, errNoSuchBucket
	}
	u := &upload{rand.Text(), c.bucket, c.key, class, time.Now().UTC(), map[int]*part{}}
	s.uploads[u.id] = u
	x := newDocument("InitiateMultipartUploadResult", true)
	x.text("Bucket", c.bucket)
	x.text("Key", c.key)
	x.text("UploadId", u.id)
	return reply{status: http.StatusOK, xml: x}, nil
}

// putPart stores a part. The upload is looked up before, not to read for nothing, and after: it may be gone by then.
func (s *Server) putPart(h http.Header, r *http.Request, c *call) (reply, error) {
	if err := s.addPart(c, nil); err != nil {
		return reply{}, err
	}
	data, etag, err := readBody(r)
	if err != nil {
		return reply{}, err
	}
	if err := s.addPart(c, &part{newContent(data), etag, time.Now().UTC()}); err != nil {
		return reply{}, err
	}
	h.Set("ETag", s.tag(etag))
	return reply{status: http.StatusOK}, nil
}

// addPart makes p the part that the call names; nil only finds out whether that could be done.
func (s *Server) addPart(c *call, p *part) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.uploadOf(c)
	if err != nil {
		return err
	}
	if c.part == 0 {
		return invalidArgument("uploadId without partNumber")
	}
	if p != nil {
		u.parts[c.part] = p
	}
	return nil
}

func (s *Server) copyPart(_ http.Header, r *http.Request, c *call) (reply, error) {
	if err := s.addPart(c, nil); err != nil {
		return reply{}, err
	}
	_, o, err := s.copySource(r, c)
	if err != nil {
		return reply{}, err
	}
	start, end := int64(0), o.size
	if h := r.Header.Get("x-amz-copy-source-range"); h != "" {
		asked, ok := parseRange(h)
		if !ok || asked.suffix >= 0 || asked.end > o.size { // both ends, and no clipping: unlike a GET's
			return reply{}, invalidArgument(fmt.Sprintf("Range specified is not valid for source object of size: %d", o.size))
		}
		start, end = asked.start, asked.end
	}
	piece := o.slice(start, end)
	p := &part{piece, piece.md5(), time.Now().UTC()}
	if err := s.addPart(c, p); err != nil {
		return reply{}, err
	}
	x := newDocument("CopyPartResult", true)
	x.text("LastModified", stamp(p.modified))
	x.text("ETag", s.tag(p.etag))
	return reply{status: http.StatusOK, xml: x}, nil
}

func (s *Server) abortUpload(_ http.Header, _ *http.Request, c *call) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.uploadOf(c)
	if err != nil {
		return reply{}, err
	}
	delete(s.uploads, u.id)
	return reply{status: http.StatusNoContent}, nil
}

// completion is the body of CompleteMultipartUpload.
type completion struct {
	XMLName xml.Name `xml:"CompleteMultipartUpload"`
	Parts   []struct {
		PartNumber int
		ETag       string
	} `xml:"Part"`
}

func (s *Server) completeUpload(_ http.Header, r *http.Request, c *call) (reply, error) {
	if conditional(r) {
		return reply{}, errNotImplemented
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxComplete))
	if err != nil {
		return reply{}, errIncompleteBody
	}
	var asked completion
	if xml.Unmarshal(body, &asked) != nil || len(asked.Parts) == 0 || len(asked.Parts) > maxParts {
		return reply{}, errMalformedXML
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.uploadOf(c)
	if err != nil {
		return reply{}, err
	}
	o, err := s.join(u, asked)
	if err != nil {
		return reply{}, err
	}
	s.buckets[u.bucket].put(u.key, o)
	delete(s.uploads, u.id)
	x := newDocument("CompleteMultipartUploadResult", true)
	x.text("Location", "http://"+r.Host+r.URL.EscapedPath())
	x.text("Bucket", u.bucket)
	x.text("Key", u.key)
	x.text("ETag", s.tag(o.etag))
	return reply{status: http.StatusOK, xml: x}, nil
}

// join makes the object of the parts that were asked for, sharing their bytes.
func (s *Server) join(u *upload, asked completion) (*object, error) {
	var pieces [][]byte
	var sums []byte
	var sizes []int64
	for i := range asked.Parts[1:] { // before anything else: it needs no look at the parts
		if asked.Parts[i+1].PartNumber <= asked.Parts[i].PartNumber {
			return nil, errInvalidPartOrder
		}
	}
	for i, want := range asked.Parts {
		p := u.parts[want.PartNumber]
		if p == nil || strings.Trim(want.ETag, `"`) != p.etag {
			return nil, errInvalidPart
		}
		if i < len(asked.Parts)-1 && p.size < minPart && s.rules != RulesMock {
			return nil, errEntityTooSmall
		}
		sum, err := hex.DecodeString(p.etag)
		if err != nil {
			return nil, err
		}
		pieces, sums, sizes = append(pieces, p.pieces...), append(sums, sum...), append(sizes, p.size)
	}
	data := newContent(pieces...)
	etag := ""
	if s.rules == RulesMock {
		etag = data.md5()
	} else {
		sum := md5.Sum(sums)
		etag = fmt.Sprintf("%x-%d", sum, len(sizes))
	}
	o := madeNow(data, etag, u.class)
	o.parts = sizes
	return o, nil
}

func (s *Server) listParts(_ http.Header, r *http.Request, c *call) (reply, error) {
	limit, err := pageSize(c.query, "max-parts", maxPage)
	if err != nil {
		return reply{}, err
	}
	after, err := strconv.Atoi(cmp.Or(c.query.Get("part-number-marker"), "0"))
	if err != nil {
		return reply{}, invalidArgument("part-number-marker must be an integer")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.uploadOf(c)
	if err != nil {
		return reply{}, err
	}
	numbers := slices.Sorted(maps.Keys(u.parts))
	numbers = numbers[len(numbers)-countAbove(numbers, after):]
	shown := numbers[:min(limit, len(numbers))]
	x := newDocument("ListPartsResult", true)
	x.text("Bucket", u.bucket)
	x.text("Key", u.key)
	x.text("UploadId", u.id)
	x.text("StorageClass", cmp.Or(u.class, "STANDARD"))
	x.integer("PartNumberMarker", int64(after))
	if len(shown) > 0 {
		x.integer("NextPartNumberMarker", int64(shown[len(shown)-1]))
	}
	x.integer("MaxParts", int64(limit))
	x.boolean("IsTruncated", len(shown) < len(numbers))
	for _, n := range shown {
		p := u.parts[n]
		x.begin("Part")
		x.integer("PartNumber", int64(n))
		x.text("LastModified", stamp(p.modified))
		x.text("ETag", s.tag(p.etag))
		x.integer("Size", p.size)
		x.end()
	}
	return reply{status: http.StatusOK, xml: x}, nil
}

// countAbove counts the numbers above n.
func countAbove(sorted []int, n int) int {
	i, found := slices.BinarySearch(sorted, n)
	if found {
		i++
	}
	return len(sorted) - i
}

func (s *Server) listUploads(_ http.Header, r *http.Request, c *call) (reply, error) {
	q := c.query
	if q.Get("delimiter") != "" {
		return reply{}, errNotImplemented
	}
	limit, err := pageSize(q, "max-uploads", maxPage)
	if err != nil {
		return reply{}, err
	}
	text, err := nameEncoder(q)
	if err != nil {
		return reply{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[c.bucket] == nil {
		return reply{}, errNoSuchBucket
	}
	var found []*upload
	for _, u := range s.uploads {
		if u.bucket == c.bucket && strings.HasPrefix(u.key, q.Get("prefix")) && u.after(q.Get("key-marker"), q.Get("upload-id-marker")) {
			found = append(found, u)
		}
	}
	slices.SortFunc(found, func(a, b *upload) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id)) })
	shown := found[:min(limit, len(found))]
	x := newDocument("ListMultipartUploadsResult", true)
	x.text("Bucket", c.bucket)
	x.text("KeyMarker", text(q.Get("key-marker")))
	x.text("UploadIdMarker", q.Get("upload-id-marker"))
	if len(shown) > 0 && len(shown) < len(found) {
		x.text("NextKeyMarker", text(shown[len(shown)-1].key))
		x.text("NextUploadIdMarker", shown[len(shown)-1].id)
	}
	x.text("Prefix", text(q.Get("prefix")))
	if q.Get("encoding-type") != "" {
		x.text("EncodingType", q.Get("encoding-type"))
	}
	x.integer("MaxUploads", int64(limit))
	x.boolean("IsTruncated", len(shown) < len(found))
	for _, u := range shown {
		x.begin("Upload")
		x.text("Key", text(u.key))
		x.text("UploadId", u.id)
		x.text("StorageClass", cmp.Or(u.class, "STANDARD"))
		x.text("Initiated", stamp(u.initiated))
		x.end()
	}
	return reply{status: http.StatusOK, xml: x}, nil
}

// after says whether a list that left off at these markers has u still to come.
func (u *upload) after(key, id string) bool {
	return key == "" || u.key > key || u.key == key && id != "" && u.id > id
}
