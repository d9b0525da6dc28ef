package fakes3

// buckets.go owns: the operations on buckets themselves.
// It refuses to know: objects, beyond whether there are any.

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
)

// bucketNames is the shape of a general purpose bucket's name.
var bucketNames = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func (s *Server) listBuckets(_ http.Header, r *http.Request, _ *call) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := newDocument("ListAllMyBucketsResult", true)
	x.begin("Owner")
	x.text("ID", "fakes3")
	x.end()
	x.begin("Buckets")
	for _, name := range slices.Sorted(maps.Keys(s.buckets)) {
		x.begin("Bucket")
		x.text("Name", name)
		x.text("CreationDate", stamp(s.buckets[name].created))
		x.end()
	}
	return reply{status: http.StatusOK, xml: x}, nil
}

func (s *Server) createBucket(h http.Header, r *http.Request, c *call) (reply, error) {
	drain(r) // its region: every bucket is where the Server is
	if !bucketNames.MatchString(c.bucket) {
		return reply{}, errInvalidBucketName
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[c.bucket] != nil {
		return reply{}, errBucketOwned
	}
	s.bucketFor(c.bucket)
	h.Set("Location", "/"+c.bucket)
	return reply{status: http.StatusOK}, nil
}

func (s *Server) deleteBucket(_ http.Header, _ *http.Request, c *call) (reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[c.bucket]
	switch {
	case b == nil:
		return reply{}, errNoSuchBucket
	case len(b.objects) > 0:
		return reply{}, errBucketNotEmpty
	}
	delete(s.buckets, c.bucket)
	maps.DeleteFunc(s.uploads, func(_ string, u *upload) bool { return u.bucket == c.bucket })
	return reply{status: http.StatusNoContent}, nil
}

func (s *Server) headBucket(_ http.Header, _ *http.Request, c *call) (reply, error) {
	if err := s.exists(c.bucket); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK}, nil
}

func (s *Server) bucketLocation(_ http.Header, r *http.Request, c *call) (reply, error) {
	if err := s.exists(c.bucket); err != nil {
		return reply{}, err
	}
	x := newDocument("LocationConstraint", true)
	if s.Region != "us-east-1" { // which has no constraint, for historical reasons
		x.buf.WriteString(s.Region)
	}
	return reply{status: http.StatusOK, xml: x}, nil
}
