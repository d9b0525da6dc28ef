package fakes3

// list.go owns: ListObjectsV2: which keys are on a page, and the page as XML.
// It refuses to know: what an object is beyond what a list says of it.

import (
	"encoding/base64"
	"math"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
)

// maxPage is the most entries that S3 puts on a page.
const maxPage = 1000

// cursor is where a page begins.
type cursor struct {
	from   string // the first key that may be on it
	past   bool   // not from itself
	prefix string // unless "": nor any key that begins so, a common prefix that was listed before
}

// page is one page of a listing.
type page struct {
	keys, prefixes []string
	truncated      bool
	last           string // the last entry, in order, of keys and prefixes together
	lastIsPrefix   bool
	next           string // if truncated: the first key that is left
}

// paginate lists the first limit entries of sorted keys from the cursor on.
func paginate(keys []string, prefix, delimiter string, at cursor, limit int) page {
	var p page
	i := sort.SearchStrings(keys, max(at.from, prefix))
	if at.past && i < len(keys) && keys[i] == at.from {
		i++
	}
	if at.prefix != "" {
		i = skip(keys, i, at.prefix)
	}
	for n := 0; i < len(keys) && strings.HasPrefix(keys[i], prefix); n++ {
		if n == limit {
			p.truncated, p.next = true, keys[i]
			break
		}
		p.last, p.lastIsPrefix = keys[i], false
		if delimiter != "" {
			if at := strings.Index(keys[i][len(prefix):], delimiter); at >= 0 {
				p.last, p.lastIsPrefix = keys[i][:len(prefix)+at+len(delimiter)], true
			}
		}
		if p.lastIsPrefix {
			p.prefixes = append(p.prefixes, p.last)
			i = skip(keys, i, p.last)
		} else {
			p.keys = append(p.keys, p.last)
			i++
		}
	}
	return p
}

// skip is the first index from i on whose key does not begin with prefix. Those that do are together.
func skip(keys []string, i int, prefix string) int {
	rest := keys[i:]
	return i + sort.Search(len(rest), func(j int) bool { return rest[j] >= prefix && !strings.HasPrefix(rest[j], prefix) })
}

// S3's tokens are opaque; ours name the last entry, so that a key that appears between two pages is not missed.
const (
	afterKey    = "1"
	afterPrefix = "2"
)

// boxed marks a mock token that could not be sent as it is: XML has no such character, or it is "", which is none. The mock's token is the next key itself.
const boxed = "fakes3:"

// token is what to ask for the next page with.
func (s *Server) token(p page) string {
	switch {
	case s.rules == RulesMock && p.next != "" && xmlCarries(p.next) && !strings.HasPrefix(p.next, boxed):
		return p.next
	case s.rules == RulesMock:
		return boxed + base64.RawURLEncoding.EncodeToString([]byte(p.next))
	case p.lastIsPrefix:
		return afterPrefix + base64.RawURLEncoding.EncodeToString([]byte(p.last))
	default:
		return afterKey + base64.RawURLEncoding.EncodeToString([]byte(p.last))
	}
}

// cursorOf is the place that a token or start-after names.
func (s *Server) cursorOf(q url.Values) (cursor, error) {
	token := q.Get("continuation-token")
	if !q.Has("continuation-token") || token == "" && s.rules == RulesMock {
		after := q.Get("start-after")
		return cursor{from: after, past: after != ""}, nil // the mock may have a key ""
	}
	if s.rules == RulesMock {
		if text, ok := strings.CutPrefix(token, boxed); ok {
			if key, err := base64.RawURLEncoding.DecodeString(text); err == nil {
				token = string(key)
			}
		}
		return cursor{from: token}, nil
	}
	for kind, made := range map[string]func(string) cursor{
		afterKey:    func(entry string) cursor { return cursor{from: entry, past: true} },
		afterPrefix: func(entry string) cursor { return cursor{from: entry, prefix: entry} },
	} {
		if text, ok := strings.CutPrefix(token, kind); ok {
			if entry, err := base64.RawURLEncoding.DecodeString(text); err == nil {
				return made(string(entry)), nil
			}
		}
	}
	return cursor{}, invalidArgument("The continuation token provided is incorrect")
}

// pageSize reads a max-something parameter.
func pageSize(q url.Values, name string, most int) (int, error) {
	if !q.Has(name) || q.Get(name) == "" {
		return min(maxPage, most), nil
	}
	n, err := strconv.ParseInt(q.Get(name), 10, 32)
	if err != nil || n < 0 {
		return 0, invalidArgument("Argument " + name + " must be an integer between 0 and 2147483647")
	}
	return min(int(n), most), nil
}

func (s *Server) listObjects(h http.Header, r *http.Request, c *call) (reply, error) {
	q := c.query
	most := maxPage
	if s.rules == RulesMock {
		most = math.MaxInt32 // it has a default, but no limit
	}
	limit, err := pageSize(q, "max-keys", most)
	if err != nil {
		return reply{}, err
	}
	at, err := s.cursorOf(q)
	if err != nil {
		return reply{}, err
	}
	text, err := nameEncoder(q)
	if err != nil {
		return reply{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[c.bucket]
	if b == nil {
		return reply{}, errNoSuchBucket
	}
	p := paginate(b.keys(), q.Get("prefix"), q.Get("delimiter"), at, limit)
	if limit == 0 && s.rules != RulesMock {
		p.truncated = false // S3: nothing was asked for, nothing is missing; the mock: for ever the same page
	}
	x := newDocument("ListBucketResult", true)
	x.text("Name", c.bucket)
	x.text("Prefix", text(q.Get("prefix")))
	for _, name := range []struct{ query, element string }{{"start-after", "StartAfter"}, {"delimiter", "Delimiter"}} {
		if q.Get(name.query) != "" {
			x.text(name.element, text(q.Get(name.query)))
		}
	}
	if q.Get("continuation-token") != "" {
		x.text("ContinuationToken", q.Get("continuation-token"))
	}
	if p.truncated {
		x.text("NextContinuationToken", s.token(p))
	}
	if q.Get("encoding-type") != "" {
		x.text("EncodingType", q.Get("encoding-type"))
	}
	x.integer("KeyCount", int64(len(p.keys)+len(p.prefixes)))
	x.integer("MaxKeys", int64(limit))
	x.boolean("IsTruncated", p.truncated)
	for _, key := range p.keys {
		o := b.objects[key]
		x.begin("Contents")
		x.text("Key", text(key))
		x.text("LastModified", stamp(o.modified))
		x.text("ETag", s.tag(o.etag))
		x.integer("Size", o.size)
		if s.rules != RulesMock || o.class != "" { // the mock knows only what a put said
			x.text("StorageClass", o.classListed())
		}
		x.end()
	}
	for _, prefix := range p.prefixes {
		x.begin("CommonPrefixes")
		x.text("Prefix", text(prefix))
		x.end()
	}
	return reply{status: http.StatusOK, xml: x}, nil
}

// classListed is the storage class as lists say it: always, unlike HEAD.
func (o *object) classListed() string {
	if o.class == "" {
		return "STANDARD"
	}
	return o.class
}

// nameEncoder is how the names in a list are to be written.
func nameEncoder(q url.Values) (func(string) string, error) {
	switch q.Get("encoding-type") {
	case "":
		return func(s string) string { return s }, nil
	case "url":
		return escapeURL, nil
	}
	return nil, invalidArgument("Invalid Encoding Method specified in Request")
}
