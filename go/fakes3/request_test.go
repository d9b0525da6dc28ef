package fakes3

// request_test.go owns: the proof that a request is taken for the operation, bucket and key that it names.
// It refuses to know: what the operation then does.

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// oddKeys are keys that get lost where somebody cleans, trims, splits or decodes twice. Those of the conformance suite are
// the ones that MinIO takes.
var oddKeys = []string{
	"/", "//", "/lead", "trail/", "a//b", "a/./b", "a/../b", "..", ".", "../../x", "a%2Fb", "a%2fb", "%", "%zz", "a+b c", "?", "#",
	"a?b=c&d", "\x00", "a\x00b", "\x01\x1f\x7f", "\r\n", "\t", " ", "é", "😀", "\uFFFE", "\u0085", "\\", "a\\..\\b", "{}|^`\"<>",
	";", "a;b", "x=1;y", "http://x/y", "*", ":", strings.Repeat("é", 512),
}

// encodings are the ways to write a key into a path: as little as can be, and everything.
var encodings = map[string]func(string) string{
	"least": func(key string) string { return (&url.URL{Path: key}).EscapedPath() },
	"all": func(key string) (path string) {
		for _, b := range []byte(key) {
			path += fmt.Sprintf("%%%02x", b)
		}
		return path
	},
}

// A key is any text in any encoding, in a path or on the bucket's own host, and nobody cleans it up.
func TestOddKeys(t *testing.T) {
	s := New(RulesS3, "b")
	onWires(t, func() http.Handler { return s }, func(t *testing.T, w wire) {
		for _, key := range oddKeys {
			for name, encode := range encodings {
				path, data := encode(key), name+key
				w.want(t, http.StatusOK, http.MethodPut, "/b/"+path, []byte(data))
				equal(t, data, string(ok(s.find("b", key))(t).bytes()))
				got := w.want(t, http.StatusOK, http.MethodGet, "/"+path, nil, "Host", "b.localhost:9000")
				equal(t, data, string(got.body))
				source := "b/" + strings.ReplaceAll(url.QueryEscape(key), "+", "%20")
				w.want(t, http.StatusOK, http.MethodPut, "/b/copy", nil, "x-amz-copy-source", source)
				equal(t, data, string(ok(s.find("b", "copy"))(t).bytes()))
				w.want(t, http.StatusNoContent, http.MethodDelete, "/b/"+path, nil)
				w.want(t, http.StatusNotFound, http.MethodHead, "/b/"+path, nil)
			}
		}
	})
}

// Hosts name buckets where they are meant to.
func TestBucketOfHost(t *testing.T) {
	for _, c := range []struct{ host, domain, want string }{
		{"b.localhost", "", "b"}, {"b.localhost:80", "", "b"}, {"b.s3.localhost:80", "", "b"}, {"localhost:80", "", ""},
		{"127.0.0.1:80", "", ""}, {"b.example.com", "", ""}, {"[::1]:80", "", ""},
		{"b.s3.test:80", "s3.test", "b"}, {"my.bucket.s3.test", "s3.test", "my.bucket"}, {"s3.test:80", "s3.test", ""},
		{"b.localhost", "s3.test", ""}, {"xs3.test", "s3.test", ""}, {"", "", ""},
	} {
		equal(t, c.want, bucketOfHost(c.host, c.domain), c)
	}
}

// A request is the operation that S3 takes it for, or none.
func TestRoutes(t *testing.T) {
	for request, want := range map[string]string{
		"GET /":                               "list-buckets  ",
		"GET /b?list-type=2":                  "list b ",
		"GET /b/?list-type=2":                 "list b ",
		"GET /b?location":                     "location b ",
		"GET /b?uploads":                      "list-uploads b ",
		"HEAD /b":                             "head-bucket b ",
		"PUT /b":                              "create-bucket b ",
		"PUT /b/":                             "create-bucket b ",
		"DELETE /b":                           "delete-bucket b ",
		"GET /b/k":                            "get b k",
		"GET /b/k?x-id=GetObject":             "get b k",
		"GET /b/k?versionId=null":             "get b k",
		"GET /b//k":                           "get b /k",
		"GET //k":                             "get  k",
		"GET /a%2Fb/k":                        "get a/b k",
		"HEAD /b/k/":                          "head b k/",
		"PUT /b/k":                            "put b k",
		"PUT /b/k?partNumber=1&uploadId=u":    "part b k",
		"PUT /b/k?partNumber=0&uploadId=u":    "InvalidArgument",
		"PUT /b/k?partNumber=1":               "InvalidArgument",
		"POST /b/k?uploads":                   "create b k",
		"POST /b/k?uploads=":                  "create b k",
		"POST /b/k?uploadId=u":                "complete b k",
		"DELETE /b/k":                         "delete b k",
		"DELETE /b/k?uploadId=u":              "abort b k",
		"GET /b/k?uploadId=u":                 "list-parts b k",
		"GET /b":                              "NotImplemented",
		"GET /b?versioning":                   "NotImplemented",
		"GET /b/k?acl":                        "NotImplemented",
		"GET /b/k?versionId=v":                "NotImplemented",
		"POST /b?delete":                      "NotImplemented",
		"POST /b/k?restore":                   "NotImplemented",
		"PATCH /b/k":                          "MethodNotAllowed",
		"GET /b/%ff":                          "InvalidURI",
		"GET /b/k?a=%zz":                      "InvalidURI",
		"GET /b/" + strings.Repeat("k", 1025): "KeyTooLongError",
	} {
		r := ok(http.ReadRequest(bufio.NewReader(strings.NewReader(request + " HTTP/1.1\r\nHost: h\r\n\r\n"))))(t)
		c, err := New(RulesS3).parse(r)
		got := fmt.Sprintf("%s %s %s", c.verb, c.bucket, c.key)
		if api := (*apiError)(nil); errors.As(err, &api) {
			got = api.code
		}
		equal(t, want, got, request)
	}
}

// The mock has an object with the empty key, and no longest key; a list is still a list.
func TestMockKeys(t *testing.T) {
	s := New(RulesMock, "b")
	long := strings.Repeat("k", 5000)
	s.Add(Object{Bucket: "b", Key: "", Data: []byte("nameless")})
	s.Add(Object{Bucket: "b", Key: long, Data: []byte("long")})
	w := memory(s)
	equal(t, "nameless", string(w.want(t, http.StatusOK, http.MethodGet, "/b/", nil).body))
	equal(t, "long", string(w.want(t, http.StatusOK, http.MethodGet, "/b/"+long, nil).body))
	l := w.list(t, "b", "")
	equal(t, []string{"", long}, []string{l.Contents[0].Key, l.Contents[1].Key})
	w.want(t, http.StatusOK, http.MethodHead, "/b", nil)
}

// No request line makes parse fail in a way that is not an S3 error, and a key that is escaped is understood as it was.
func FuzzParse(f *testing.F) {
	for _, key := range oddKeys {
		f.Add("GET", "/b/"+encodings["all"](key), "b.localhost", key)
	}
	f.Add("PUT", "/b/k?partNumber=99999999999999999999&uploadId=x", "h", "k")
	f.Fuzz(func(t *testing.T, method, target, host, key string) {
		s := New(RulesS3, "b")
		if u, err := url.ParseRequestURI(target); err == nil {
			c, err := s.parse(&http.Request{Method: method, URL: u, Host: host, Header: http.Header{}})
			if api := (*apiError)(nil); err != nil && !errors.As(err, &api) || c == nil || err == nil && handlers[c.verb] == nil {
				t.Fatalf("%s %s: %+v %v", method, target, c, err)
			}
		}
		if key == "" || len(key) > maxKey || strings.ToValidUTF8(key, "") != key {
			return
		}
		c, err := s.parse(httptest.NewRequest(http.MethodGet, "/b/"+encodings["least"](key), nil))
		if err != nil || c.key != key || c.verb != verbGet {
			t.Fatalf("%q: %+v %v", key, c, err)
		}
	})
}
