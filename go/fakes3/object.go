package fakes3

// object.go owns: GET, HEAD, PUT, DELETE and COPY of whole objects.
// It refuses to know: paths, parts, and how bodies arrive.

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// classes are the storage classes that a general purpose bucket takes.
var classes = []string{
	"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE",
	"GLACIER_IR",
}

// getObject answers GET and HEAD, which differ in the body alone.
func (s *Server) getObject(h http.Header, r *http.Request, c *call) (reply, error) {
	o, err := s.find(c.bucket, c.key)
	if err != nil {
		return reply{}, err
	}
	if tags := r.Header.Get("If-Match"); tags != "" && !o.matches(tags) {
		return reply{}, errPrecondition
	}
	if tags := r.Header.Get("If-None-Match"); tags != "" && o.matches(tags) {
		h.Set("ETag", s.tag(o.etag))
		return reply{}, errNotModified
	}
	if o.archived() && c.verb == verbGet && s.rules != RulesMock {
		return reply{}, errInvalidObjectState
	}
	start, end, status := int64(0), o.size, http.StatusOK
	asked, ranged := parseRange(r.Header.Get("Range"))
	switch {
	case r.Header.Get("Range") != "" && c.part > 0:
		return reply{}, invalidRequest("Cannot specify both Range header and partNumber query parameter")
	case c.part > 0:
		var ok bool
		if start, end, ok = o.part(c.part); !ok {
			return reply{}, errInvalidPartNumber
		}
		if o.parts != nil {
			h.Set("x-amz-mp-parts-count", strconv.Itoa(len(o.parts)))
		}
		if end > start { // no Content-Range can say "nothing"
			status = http.StatusPartialContent
		}
	case ranged:
		var ok bool
		if start, end, ok = asked.within(o.size); !ok {
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", o.size))
			return reply{}, errInvalidRange
		}
		status = http.StatusPartialContent
	}
	if status == http.StatusPartialContent {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, end-1, o.size))
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Type", "binary/octet-stream")
	h.Set("ETag", s.tag(o.etag))
	h.Set("Last-Modified", o.modified.UTC().Format(http.TimeFormat))
	if o.class != "" && (o.class != "STANDARD" || s.rules == RulesMock) {
		h.Set("x-amz-storage-class", o.class) // S3 is silent about STANDARD, the mock only about nothing
	}
	return reply{status: status, body: o.slice(start, end)}, nil
}

func (s *Server) putObject(h http.Header, r *http.Request, c *call) (reply, error) {
	if conditional(r) {
		return reply{}, errNotImplemented
	}
	class, err := s.storageClass(r)
	if err != nil {
		return reply{}, err
	}
	if err := s.exists(c.bucket); err != nil {
		return reply{}, err
	}
	data, etag, err := readBody(r)
	if err != nil {
		return reply{}, err
	}
	o := madeNow(newContent(data), etag, class)
	if err := s.store(c.bucket, c.key, o); err != nil {
		return reply{}, err
	}
	h.Set("ETag", s.tag(o.etag))
	return reply{status: http.StatusOK}, nil
}

// conditional says whether a write has a condition. Nobody needed those yet, and to ignore one would be a wrong answer.
func conditional(r *http.Request) bool {
	return r.Header.Get("If-Match") != "" || r.Header.Get("If-None-Match") != ""
}

// storageClass is the class that a request asks for. The mock takes any, as the one it stands in for.
func (s *Server) storageClass(r *http.Request) (string, error) {
	class := r.Header.Get("x-amz-storage-class")
	if class != "" && s.rules != RulesMock && !slices.Contains(classes, class) {
		return "", errInvalidStorage
	}
	return class, nil
}

func (s *Server) deleteObject(_ http.Header, _ *http.Request, c *call) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[c.bucket]
	if b == nil {
		return reply{}, errNoSuchBucket
	}
	b.remove(c.key)
	return reply{status: http.StatusNoContent}, nil
}

func (s *Server) copyObject(_ http.Header, r *http.Request, c *call) (reply, error) {
	class, err := s.storageClass(r)
	if err != nil {
		return reply{}, err
	}
	from, o, err := s.copySource(r, c)
	if err != nil {
		return reply{}, err
	}
	to := c.bucket
	if s.rules == RulesMock {
		to = s.home
		if class == "" {
			class = o.class // the mock clones, S3 starts again from STANDARD
		}
	} else if from == (source{c.bucket, c.key}) && class == "" && !strings.EqualFold(r.Header.Get("x-amz-metadata-directive"), "REPLACE") {
		return reply{}, errCopyToItself
	}
	made := o.copied(class)
	if err := s.store(to, c.key, made); err != nil {
		return reply{}, err
	}
	x := newDocument("CopyObjectResult", true)
	x.text("LastModified", stamp(made.modified))
	x.text("ETag", s.tag(made.etag))
	return reply{status: http.StatusOK, xml: x}, nil
}

// source is where a copy comes from.
type source struct{ bucket, key string }

// copySource finds the object that x-amz-copy-source names, under the conditions that come with it.
func (s *Server) copySource(r *http.Request, c *call) (source, *object, error) {
	from, err := parseSource(r.Header.Get("x-amz-copy-source"))
	if err != nil {
		return from, nil, err
	}
	if s.rules == RulesMock {
		// Its one store has no buckets inside; it only notices when neither name is its own.
		if from.bucket != s.home && c.bucket != s.home {
			return from, nil, errNoSuchBucket
		}
		from.bucket = s.home
	} else if err := s.exists(c.bucket); err != nil {
		return from, nil, err
	}
	o, err := s.find(from.bucket, from.key)
	if err != nil {
		return from, nil, err
	}
	if o.archived() && s.rules != RulesMock {
		return from, nil, errNotActiveTier
	}
	if h := r.Header.Get("x-amz-copy-source-if-match"); h != "" && !o.matches(h) {
		return from, nil, errPrecondition
	}
	if h := r.Header.Get("x-amz-copy-source-if-none-match"); h != "" && o.matches(h) {
		return from, nil, errPrecondition
	}
	return from, o, nil
}

// parseSource reads "bucket/key" or "/bucket/key", encoded as in a query: "+" is a space there, so that a client that
// forgets to encode its pluses is found out here and not on S3.
func parseSource(header string) (source, error) {
	path, version, _ := strings.Cut(header, "?versionId=")
	if version != "" && version != "null" {
		return source{}, errNotImplemented
	}
	text, err := url.QueryUnescape(path)
	if err != nil {
		return source{}, invalidArgument("Copy Source must be URL-encoded")
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(text, "/"), "/")
	if bucket == "" {
		return source{}, invalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	return source{bucket, key}, nil
}

// stamp is a time in S3's XML: with a fraction, which is always zero.
func stamp(t time.Time) string {
	return t.UTC().Truncate(time.Second).Format("2006-01-02T15:04:05.000Z")
}
