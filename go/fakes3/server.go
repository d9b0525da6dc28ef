// Package fakes3 is an S3 in memory, as an http.Handler: the wire of the mock client, and of the tests.
//
// server.go owns: the Server, what every answer has in common, and which handler an operation goes to.
// It refuses to know: what an operation does, how it is stored, signatures, sockets.
//
// What it promises is what its conformance suite asks of MinIO too; where the two differ, S3's documentation wins.
package fakes3

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Rules says whose behaviour a Server has where S3 and the mock that it stands in for differ.
type Rules int

const (
	// RulesS3 is Amazon S3.
	RulesS3 Rules = iota
	// RulesMock is the mock client of s3torchconnectorclient: one bucket, bare MD5 ETags, no limits.
	RulesMock
)

// Object is one object as it is put in by Add and given out by Dump. Nobody may change Data after: it is not copied.
type Object struct {
	Bucket, Key  string
	Data         []byte
	StorageClass string // "" where none was asked for
	LastModified time.Time
}

// Server is an S3 in memory. New makes one; the exported fields are set before the first request, or never.
type Server struct {
	// Domain makes bucket.Domain a bucket's own host. "" stands for anything that ends in localhost, where the first
	// label is the bucket.
	Domain string
	// Region is what bucket locations say and, unless "", every answer's x-amz-bucket-region.
	Region string
	// RequireAuth refuses requests that are not signed. Nobody checks how.
	RequireAuth bool

	rules    Rules
	home     string // RulesMock: the one bucket there is
	requests atomic.Uint64

	mu      sync.Mutex // guards all below, down to the maps in buckets and uploads; objects and parts never change
	buckets map[string]*bucket
	uploads map[string]*upload
	faults  []*fault
}

// New makes a Server with these buckets, all empty. The first one is the mock's.
func New(rules Rules, buckets ...string) *Server {
	s := &Server{rules: rules, buckets: map[string]*bucket{}, uploads: map[string]*upload{}}
	if len(buckets) > 0 {
		s.home = buckets[0]
	}
	for _, name := range buckets {
		s.AddBucket(name)
	}
	return s
}

// AddBucket makes a bucket under any name at all; one that exists stays as it is.
func (s *Server) AddBucket(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bucketFor(name)
}

// Add stores an object, with its bucket if need be. A zero LastModified is now.
func (s *Server) Add(o Object) {
	stored := newObject(o.Data, o.StorageClass)
	if !o.LastModified.IsZero() {
		stored.modified = o.LastModified
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bucketFor(o.Bucket).put(o.Key, stored)
}

// Dump gives out all there is, in order: Add of each into another Server makes the same objects again.
func (s *Server) Dump() (buckets []string, objects []Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, b := range s.buckets {
		buckets = append(buckets, name)
		for key, o := range b.objects {
			objects = append(objects, Object{name, key, o.bytes(), o.class, o.modified})
		}
	}
	// The mock's bucket stays the first one: that is what makes it the mock's.
	slices.SortFunc(buckets, func(a, b string) int {
		if (a == s.home) != (b == s.home) {
			return map[bool]int{true: -1, false: 1}[a == s.home]
		}
		return cmp.Compare(a, b)
	})
	slices.SortFunc(objects, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Bucket, b.Bucket), cmp.Compare(a.Key, b.Key))
	})
	return buckets, objects
}

// OpenUploads counts the multipart uploads neither completed nor aborted: after a test there should be none.
func (s *Server) OpenUploads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.uploads)
}

// handler does one operation. It may set headers, also beside an error, but only answer sends: a handler may hold the lock,
// and a client need not read.
type handler func(s *Server, h http.Header, r *http.Request, c *call) (reply, error)

// reply is a successful answer: a status and, if any, a document or stored bytes.
type reply struct {
	status int
	xml    *document
	body   content
}

var handlers = map[verb]handler{
	verbGet: (*Server).getObject, verbHead: (*Server).getObject, verbPut: (*Server).putObject,
	verbDelete: (*Server).deleteObject, verbCopy: (*Server).copyObject, verbList: (*Server).listObjects,
	verbCreate: (*Server).createUpload, verbPart: (*Server).putPart, verbPartCopy: (*Server).copyPart,
	verbComplete: (*Server).completeUpload, verbAbort: (*Server).abortUpload,
	verbListUploads: (*Server).listUploads, verbListParts: (*Server).listParts,
	verbListBuckets: (*Server).listBuckets, verbCreateBucket: (*Server).createBucket,
	verbDeleteBucket: (*Server).deleteBucket, verbHeadBucket: (*Server).headBucket, verbLocation: (*Server).bucketLocation,
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := fmt.Sprintf("%016X", s.requests.Add(1))
	h := w.Header()
	h.Set("Server", "AmazonS3")
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Set("x-amz-request-id", id)
	h.Set("x-amz-id-2", "fakes3/"+id)
	if s.Region != "" {
		h.Set("x-amz-bucket-region", s.Region)
	}
	c, err := s.parse(r)
	c.id = id
	if hits := s.hits(r, c); len(hits) > 0 {
		s.inflict(hits, w, r, c, err)
		return
	}
	s.answer(w, r, c, err)
}

// answer does what the call asks for, or says why not; err is what parsing it came to.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, c *call, err error) {
	if err == nil && s.RequireAuth && r.Header.Get("Authorization") == "" && !c.query.Has("X-Amz-Signature") {
		err = errAccessDenied
	}
	var out reply
	if err == nil {
		out, err = handlers[c.verb](s, w.Header(), r, c)
	}
	if err != nil {
		out = refuse(r, c, err)
	}
	send(w, r, out)
}

// refuse is an error the way S3 says it.
func refuse(r *http.Request, c *call, err error) reply {
	var api *apiError
	if !errors.As(err, &api) {
		api = &apiError{http.StatusInternalServerError, "InternalError", err.Error()}
	}
	drain(r)
	if api.status == http.StatusNotModified {
		return reply{status: api.status}
	}
	return reply{status: api.status, xml: api.document(c)}
}

// drain reads what is left of a request's body before it is refused. S3 hangs up on such a client instead, and whether it
// then sees the answer or a broken pipe is a race that no test should have. A client that waits for leave to send gets none.
func drain(r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		_, _ = io.Copy(io.Discard, r.Body) // what went wrong with it is not this answer's subject
	}
}

// puller is a ResponseWriter that would rather read the body of the answer than have it written: see roundtrip.go.
type puller interface {
	pull(body io.Reader)
}

// send writes the answer.
func send(w http.ResponseWriter, r *http.Request, out reply) {
	if out.xml != nil {
		w.Header().Set("Content-Type", "application/xml")
		out.body = newContent(out.xml.bytes())
	}
	if out.status != http.StatusNoContent && out.status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.FormatInt(out.body.size, 10))
	}
	w.WriteHeader(out.status)
	if r.Method == http.MethodHead {
		return
	}
	if p, ok := w.(puller); ok {
		p.pull(out.body.reader())
		return
	}
	for _, piece := range out.body.pieces {
		if _, err := w.Write(piece); err != nil {
			return // the client is gone; nobody is left to tell
		}
	}
}
