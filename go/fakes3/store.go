package fakes3

// store.go owns: objects, what they are made of, and buckets as sorted sets of keys.
// It refuses to know: HTTP, XML, and who holds the lock.
//
// Everything that a reader can hold on to (content, object) is immutable: a GET under way is a snapshot for free, and a
// copy or a completed upload shares its bytes with where they came from.

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// content is immutable bytes, in pieces so that an upload need not be joined.
type content struct {
	pieces [][]byte
	size   int64
}

func newContent(pieces ...[]byte) content {
	var c content
	for _, p := range pieces {
		if len(p) > 0 {
			c.pieces = append(c.pieces, p)
			c.size += int64(len(p))
		}
	}
	return c
}

// slice is the bytes [start, end) of c, not copied.
func (c content) slice(start, end int64) content {
	var out content
	for _, p := range c.pieces {
		if n := int64(len(p)); start < n && end > 0 {
			piece := p[max(start, 0):min(end, n)]
			out.pieces = append(out.pieces, piece)
			out.size += int64(len(piece))
		}
		start, end = start-int64(len(p)), end-int64(len(p))
	}
	return out
}

// bytes is all of c in one piece, copied only if it is in several.
func (c content) bytes() []byte {
	if len(c.pieces) == 1 {
		return c.pieces[0]
	}
	return bytes.Join(c.pieces, nil)
}

// md5 is the sum of all of c, in hex.
func (c content) md5() string {
	h := md5.New()
	for _, p := range c.pieces {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (c content) reader() io.Reader { return &contentReader{pieces: c.pieces} }

// contentReader reads straight from the stored pieces.
type contentReader struct {
	pieces [][]byte
	at     int // in pieces[0]
}

func (r *contentReader) Read(p []byte) (n int, err error) {
	for n < len(p) && len(r.pieces) > 0 {
		k := copy(p[n:], r.pieces[0][r.at:])
		n, r.at = n+k, r.at+k
		if r.at == len(r.pieces[0]) {
			r.pieces, r.at = r.pieces[1:], 0
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// object is one version of an object.
type object struct {
	content
	etag     string  // bare, without quotes
	parts    []int64 // their sizes; nil unless it was uploaded in parts
	class    string  // as asked for; "" for none
	modified time.Time
}

// newObject is an object that was put in one go.
func newObject(data []byte, class string) *object {
	sum := md5.Sum(data)
	return madeNow(newContent(data), hex.EncodeToString(sum[:]), class)
}

// madeNow is an object as of this second: S3's clock for objects has no finer hand.
func madeNow(c content, etag, class string) *object {
	return &object{content: c, etag: etag, class: class, modified: time.Now().UTC().Truncate(time.Second)}
}

// copied is what a copy makes of o: one part, whatever o was uploaded in.
func (o *object) copied(class string) *object {
	etag := o.etag
	if o.parts != nil {
		etag = o.md5()
	}
	return madeNow(o.content, etag, class)
}

// part is the range [start, end) of part n, which is the object itself unless it was uploaded in parts.
func (o *object) part(n int) (start, end int64, ok bool) {
	if o.parts == nil {
		return 0, o.size, n == 1
	}
	if n > len(o.parts) {
		return 0, 0, false
	}
	for _, size := range o.parts[:n-1] {
		start += size
	}
	return start, start + o.parts[n-1], true
}

// archived says whether S3 would have to restore the object before it can be read.
func (o *object) archived() bool { return o.class == "GLACIER" || o.class == "DEEP_ARCHIVE" }

// bucket is a set of objects that is kept sorted when somebody asks.
type bucket struct {
	created time.Time
	objects map[string]*object
	sorted  []string // nil: stale
}

func (b *bucket) put(key string, o *object) {
	if b.objects[key] == nil {
		b.sorted = nil
	}
	b.objects[key] = o
}

func (b *bucket) remove(key string) {
	if b.objects[key] != nil {
		delete(b.objects, key)
		b.sorted = nil
	}
}

// keys is all keys in the order of their bytes.
func (b *bucket) keys() []string {
	if b.sorted == nil {
		b.sorted = make([]string, 0, len(b.objects))
		for key := range b.objects {
			b.sorted = append(b.sorted, key)
		}
		slices.Sort(b.sorted)
	}
	return b.sorted
}

// bucketFor is the bucket of that name, made if need be. s.mu must be held.
func (s *Server) bucketFor(name string) *bucket {
	b := s.buckets[name]
	if b == nil {
		b = &bucket{created: time.Now().UTC(), objects: map[string]*object{}}
		s.buckets[name] = b
	}
	return b
}

// find is the object of that name as it is now.
func (s *Server) find(bucket, key string) (*object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[bucket]
	if b == nil {
		return nil, errNoSuchBucket
	}
	o := b.objects[key]
	if o == nil {
		return nil, errNoSuchKey
	}
	return o, nil
}

// store makes o the object of that name.
func (s *Server) store(bucket, key string, o *object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[bucket]
	if b == nil {
		return errNoSuchBucket
	}
	b.put(key, o)
	return nil
}

// exists is errNoSuchBucket unless the bucket is there.
func (s *Server) exists(bucket string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[bucket] == nil {
		return errNoSuchBucket
	}
	return nil
}

// tag is a bare ETag as it is sent.
func (s *Server) tag(etag string) string {
	if s.rules == RulesMock {
		return etag
	}
	return strconv.Quote(etag)
}

// matches says whether an If-Match or If-None-Match header names this object.
func (o *object) matches(header string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.Trim(tag, `"`) == o.etag {
			return true
		}
	}
	return false
}
