package fakes3

// request.go owns: which operation a request is, on which bucket and key: paths, hosts, queries.
// It refuses to know: whether those exist, and what is in headers and bodies beyond telling operations apart.

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// verb is an operation by the name that fault scripts call it.
type verb string

const (
	verbGet      verb = "get"
	verbHead     verb = "head"
	verbPut      verb = "put"
	verbPart     verb = "part"
	verbCreate   verb = "create"
	verbComplete verb = "complete"
	verbAbort    verb = "abort"
	verbList     verb = "list"
	verbDelete   verb = "delete"
	verbCopy     verb = "copy"
	verbAny      verb = "any" // in scripts only

	// Not in scripts: no client that is tested here sends them, except verbPartCopy, which scripts call copy.
	verbPartCopy     verb = "part-copy"
	verbListUploads  verb = "list-uploads"
	verbListParts    verb = "list-parts"
	verbListBuckets  verb = "list-buckets"
	verbCreateBucket verb = "create-bucket"
	verbDeleteBucket verb = "delete-bucket"
	verbHeadBucket   verb = "head-bucket"
	verbLocation     verb = "location"
)

// maxKey is the length of the longest key, in bytes of UTF-8.
const maxKey = 1024

// call is a request, understood.
type call struct {
	verb        verb
	bucket, key string
	query       url.Values
	part        int    // partNumber, or 0
	id          string // x-amz-request-id
}

// unsupported are the queries that make another operation of a request, one that nobody needed yet. Answering the plain
// operation instead would be a wrong answer.
var unsupported = []string{
	"accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption", "intelligent-tiering", "inventory",
	"legal-hold", "lifecycle", "logging", "metrics", "notification", "object-lock", "ownershipControls", "policy",
	"policyStatus", "publicAccessBlock", "renameObject", "replication", "requestPayment", "restore", "retention", "select",
	"session", "tagging", "torrent", "versioning", "versions", "website",
}

// parse tells what a request asks for. Even with an error the call is not nil and says what is known.
func (s *Server) parse(r *http.Request) (*call, error) {
	c := &call{}
	var err error
	if c.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return c, errInvalidURI
	}
	// The path as it was sent: in URL.Path a bucket "a%2Fb" would already be a bucket "a".
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	rawKey, hasKey := path, path != ""
	if c.bucket = bucketOfHost(r.Host, s.Domain); c.bucket == "" {
		var rawBucket string
		rawBucket, rawKey, hasKey = strings.Cut(path, "/")
		if c.bucket, err = unescape(rawBucket); err != nil {
			return c, err
		}
	}
	if c.key, err = unescape(rawKey); err != nil {
		return c, err
	}
	// S3 has no empty key: bucket/ is the bucket. The mock has one, wherever that does not ask for a list.
	hasKey = hasKey && (c.key != "" || s.rules == RulesMock && !c.query.Has("list-type") && !c.query.Has("location") &&
		(r.Method != http.MethodGet || !c.query.Has("uploads")))
	if len(c.key) > maxKey && s.rules != RulesMock {
		return c, errKeyTooLong
	}
	if c.verb, err = c.route(r, hasKey); err != nil {
		return c, err
	}
	for _, name := range unsupported {
		if c.query.Has(name) {
			return c, errNotImplemented
		}
	}
	if v := c.query.Get("versionId"); v != "" && v != "null" {
		return c, errNotImplemented
	}
	if c.query.Has("partNumber") {
		if c.verb == verbPut || c.verb == verbCopy {
			return c, invalidArgument("partNumber without uploadId")
		}
		// Beyond uploads this is a GET's part, whose limits are the same.
		c.part, err = strconv.Atoi(c.query.Get("partNumber"))
		if err != nil || c.part < 1 || c.part > maxParts {
			return c, invalidArgument("Part number must be an integer between 1 and 10000, inclusive")
		}
	}
	return c, nil
}

// route finds the verb.
func (c *call) route(r *http.Request, hasKey bool) (verb, error) {
	upload, source := c.query.Has("uploadId"), r.Header.Get("x-amz-copy-source") != ""
	type is struct {
		method         string
		onKey, applies bool
		verb           verb
	}
	for _, row := range []is{
		{http.MethodGet, true, upload, verbListParts},
		{http.MethodGet, true, true, verbGet},
		{http.MethodHead, true, true, verbHead},
		{http.MethodPut, true, upload && source, verbPartCopy},
		{http.MethodPut, true, upload, verbPart},
		{http.MethodPut, true, source, verbCopy},
		{http.MethodPut, true, true, verbPut},
		{http.MethodPost, true, c.query.Has("uploads"), verbCreate},
		{http.MethodPost, true, upload, verbComplete},
		{http.MethodDelete, true, upload, verbAbort},
		{http.MethodDelete, true, true, verbDelete},
		{http.MethodGet, false, c.bucket == "", verbListBuckets},
		{http.MethodGet, false, c.query.Has("location"), verbLocation},
		{http.MethodGet, false, c.query.Has("uploads"), verbListUploads},
		{http.MethodGet, false, c.query.Get("list-type") == "2", verbList},
		{http.MethodHead, false, c.bucket != "", verbHeadBucket},
		{http.MethodPut, false, c.bucket != "", verbCreateBucket},
		{http.MethodDelete, false, c.bucket != "", verbDeleteBucket},
	} {
		if row.method == r.Method && row.onKey == hasKey && row.applies {
			return row.verb, nil
		}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodPost {
		return "", errNotImplemented // ListObjects of old, form uploads, DeleteObjects
	}
	return "", errMethodNotAllowed
}

// bucketOfHost is the bucket that a host names, or "".
func bucketOfHost(host, domain string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if domain != "" {
		if bucket, ok := strings.CutSuffix(host, "."+domain); ok {
			return bucket
		}
		return ""
	}
	if strings.HasSuffix(host, ".localhost") {
		bucket, _, _ := strings.Cut(host, ".")
		return bucket
	}
	return ""
}

// unescape undoes percent-encoding, once, and nothing else: "+", "..", "//" are themselves in a path.
func unescape(s string) (string, error) {
	text, err := url.PathUnescape(s)
	if err != nil || !utf8.ValidString(text) {
		return "", errInvalidURI
	}
	return text, nil
}
