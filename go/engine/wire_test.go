package engine

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"s3engine/fakes3"
)

// exchangeSeen is a request as it came off the socket.
type exchangeSeen struct {
	method, target, host string
	header               http.Header
	body                 []byte
}

// recorder is a fake S3 that keeps what it is asked.
type recorder struct {
	*fakes3.Server
	mu   sync.Mutex
	seen []exchangeSeen
}

func newRecorder(buckets ...string) *recorder {
	return &recorder{Server: fakes3.New(fakes3.RulesS3, buckets...)}
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	q.Body = io.NopCloser(bytes.NewReader(body))
	r.mu.Lock()
	r.seen = append(r.seen, exchangeSeen{q.Method, q.RequestURI, q.Host, q.Header.Clone(), body})
	r.mu.Unlock()
	r.Server.ServeHTTP(w, q)
}

func (r *recorder) take() []exchangeSeen {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

// all runs each verb once, a get of two parts and a put of one among them.
func (r *recorder) all(t *testing.T, c *Client, key string) []exchangeSeen {
	t.Helper()
	data := pattern(firstAsk + 100)
	r.Add(fakes3.Object{Bucket: "b", Key: key, Data: data})
	r.take()
	out, err := download(t, c, GetRequest{"b", key, nil, nil}, firstAsk)
	if err != nil {
		t.Fatal(err)
	}
	same(t, data, out)
	for _, q := range []any{&HeadRequest{"b", key}, &ListRequest{Bucket: "b", MaxKeys: 1000}, &CopyRequest{"b", escapePath(key), "b", key + "2"}, &DeleteRequest{"b", key}} {
		if _, err := do(t, c, q); err != nil {
			t.Fatalf("%T: %v", q, err)
		}
	}
	if _, err := upload(t, c, PutRequest{"b", key, nil}, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	return r.take()
}

// A key is sent percent-encoded but for A-Za-z0-9-._~/, byte for byte, on both planes: nothing is cleaned, joined or decoded.
func TestKeysOnTheWire(t *testing.T) {
	for key, target := range map[string]string{
		"plain": "/b/plain", "a b+c": "/b/a%20b%2Bc", "/lead": "/b//lead", "a//b": "/b/a//b", "a/../b": "/b/a/../b", "./a": "/b/./a", "..": "/b/..",
		"é\U0001F600": "/b/%C3%A9%F0%9F%98%80", "100%": "/b/100%25", "a%2Fb": "/b/a%252Fb", "q?x=1&y#f": "/b/q%3Fx%3D1%26y%23f",
		"~-._": "/b/~-._", "!*'()": "/b/%21%2A%27%28%29", "a=b;c,d:e@f$g": "/b/a%3Db%3Bc%2Cd%3Ae%40f%24g", "tail/": "/b/tail/", "\\ \"<>`{}|^[]": "/b/%5C%20%22%3C%3E%60%7B%7D%7C%5E%5B%5D",
		"a\tb\nc\x7f": "/b/a%09b%0Ac%7F", strings.Repeat("k", 1024): "/b/" + strings.Repeat("k", 1024),
	} {
		if len(key) > 1000 {
			key, target = key[:1023], target[:len(target)-1] // a copy's target is one longer
		}
		t.Run(fmt.Sprintf("%.20q", key), func(t *testing.T) {
			r := newRecorder("b")
			c := dial(t, r, func(cfg *Config) { cfg.PartSize = firstAsk })
			for _, seen := range r.all(t, c, key) {
				path, _, _ := strings.Cut(seen.target, "?")
				if path != target && path != target+"2" && path != "/b" && path != "/b/" {
					t.Errorf("%s %s, expected %s", seen.method, seen.target, target)
				}
			}
		})
	}
}

// Requests are signed with SigV4 over UNSIGNED-PAYLOAD, the session token with them, on both planes; the user agent is ours to the
// byte and not signed; nothing asks for, announces or carries a checksum.
func TestHeadersOnTheWire(t *testing.T) {
	r := newRecorder("b")
	c := dial(t, r, func(cfg *Config) {
		cfg.PartSize = firstAsk
		cfg.UserAgent = "préfixe (x) s3torchconnectorclient/1.5.0"
		cfg.Env["AWS_SESSION_TOKEN"] = "TOKENEXAMPLE"
	})
	seen := r.all(t, c, "k")
	if len(seen) != 2+1+1+2+1+3 {
		t.Errorf("%d requests", len(seen))
	}
	for _, s := range seen {
		where := s.method + " " + s.target
		h := s.header
		if a := h.Get("Authorization"); !strings.HasPrefix(a, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !strings.Contains(a, "/us-east-1/s3/aws4_request") ||
			!strings.Contains(a, "host;") || !strings.Contains(a, "x-amz-content-sha256;x-amz-") || strings.Contains(a, "user-agent") || !strings.Contains(a, "x-amz-security-token") {
			t.Errorf("%s: Authorization: %s", where, a)
		}
		for name, value := range map[string]string{"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD", "X-Amz-Security-Token": "TOKENEXAMPLE", "User-Agent": c.cfg.UserAgent} {
			if got := h.Values(name); len(got) != 1 || got[0] != value {
				t.Errorf("%s: %s: %q", where, name, got)
			}
		}
		for name := range h {
			if lower := strings.ToLower(name); strings.Contains(lower, "checksum") || strings.Contains(lower, "trailer") || lower == "content-md5" || lower == "x-amz-request-payer" || lower == "expect" || lower == "content-encoding" || lower == "accept-encoding" && h.Get(name) != "identity" {
				t.Errorf("%s: %s: %s", where, name, h.Get(name))
			}
		}
		if s.method == http.MethodPut && len(s.body) > 0 && h.Get("Content-Length") != "" && h.Get("Content-Length") != fmt.Sprint(len(s.body)) {
			t.Errorf("%s: Content-Length %s", where, h.Get("Content-Length"))
		}
		if strings.Contains(s.target, "checksum") || strings.Contains(strings.ToLower(s.target), "x-id") && s.method == http.MethodGet && strings.HasPrefix(s.target, "/b/k") {
			t.Errorf("%s", where)
		}
	}
	if accept := seen[0].header.Get("Accept"); accept != "*/*" {
		t.Errorf("a get accepts %q", accept)
	}
}

// Unsigned means that nothing of a signature is sent, whatever credentials the environment has; requester pays is on every request.
func TestUnsignedAndRequesterPays(t *testing.T) {
	for _, unsigned := range []bool{true, false} {
		r := newRecorder("b")
		c := dial(t, r, func(cfg *Config) { cfg.PartSize, cfg.Unsigned, cfg.RequesterPays = firstAsk, unsigned, !unsigned })
		for _, s := range r.all(t, c, "k") {
			if unsigned {
				for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Content-Sha256", "X-Amz-Security-Token", "X-Amz-Request-Payer"} {
					if v, ok := s.header[name]; ok {
						t.Errorf("%s %s: %s: %s", s.method, s.target, name, v)
					}
				}
			} else if s.header.Get("X-Amz-Request-Payer") != "requester" || !strings.Contains(s.header.Get("Authorization"), "x-amz-request-payer") {
				t.Errorf("%s %s: no signed X-Amz-Request-Payer", s.method, s.target)
			}
		}
	}
}

// Where requests go: virtual host or path style, with the endpoint's own path in front, a trailing slash or none, on both planes.
func TestAddressing(t *testing.T) {
	for _, row := range []struct {
		endpoint, bucket string
		pathStyle        bool
		url              string
	}{
		{"http://s3.test:9000", "bucket", true, "http://s3.test:9000/bucket/k"},
		{"http://s3.test:9000", "bucket", false, "http://bucket.s3.test:9000/k"},
		{"http://s3.test:9000/", "bucket", false, "http://bucket.s3.test:9000/k"},
		{"http://s3.test/pre/fix", "bucket", true, "http://s3.test/pre/fix/bucket/k"},
		{"http://s3.test/pre/fix/", "bucket", true, "http://s3.test/pre/fix/bucket/k"},
		{"http://s3.test/pre/fix/", "bucket", false, "http://bucket.s3.test/pre/fix/k"},
		{"http://127.0.0.1:9000", "bucket", false, "http://127.0.0.1:9000/bucket/k"},
		{"http://[::1]:9000", "bucket", false, "http://[::1]:9000/bucket/k"},
		{"http://s3.test", "Under_Score", false, "http://s3.test/Under_Score/k"},
		{"https://s3.test", "dotted.bucket", false, "https://s3.test/dotted.bucket/k"},
		{"http://s3.test", "dotted.bucket", false, "http://dotted.bucket.s3.test/k"},
		{"", "bucket", false, "https://bucket.s3.us-east-1.amazonaws.com/k"},
		{"", "bucket", true, "https://s3.us-east-1.amazonaws.com/bucket/k"},
		{"", "dotted.bucket", false, "https://s3.us-east-1.amazonaws.com/dotted.bucket/k"},
		{"", "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine", false, "https://mine-123456789012.s3-accesspoint.eu-west-1.amazonaws.com/k"},
	} {
		t.Run(row.url, func(t *testing.T) {
			cfg := baseConfig()
			cfg.Endpoint, cfg.ForcePathStyle, cfg.MaxAttempts = &row.endpoint, row.pathStyle, 1
			c := open(t, cfg)
			var seen []string
			var mu sync.Mutex
			c.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, strings.Split(r.URL.Scheme+"://"+r.URL.Host+r.URL.RequestURI(), "?")[0])
				if r.Host != "" && r.Host != r.URL.Host {
					t.Errorf("host %q for %s", r.Host, r.URL)
				}
				return &http.Response{StatusCode: 418, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
			})
			for _, q := range []any{&GetRequest{Bucket: row.bucket, Key: "k"}, &HeadRequest{row.bucket, "k"}} {
				o := start(t, c, q)
				if err := failure(t, o); err.HTTPStatus != 418 {
					t.Error(show(err))
				}
				drain(t, o)
			}
			if !slices.Equal(seen, []string{row.url, row.url}) {
				t.Errorf("%v", seen)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// AWS_ENDPOINT_URL serves where the argument is null or empty, and nowhere else.
func TestEndpointFromEnvironment(t *testing.T) {
	r := newRecorder("b")
	server := httptest.NewServer(r)
	endsClean(t)
	defer server.Close()
	for _, given := range []*string{nil, ptr(""), &server.URL} {
		cfg := baseConfig()
		cfg.PartSize, cfg.Endpoint = firstAsk, given
		cfg.Env["AWS_ENDPOINT_URL"] = server.URL
		if given != nil && *given != "" {
			cfg.Env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
		}
		r.all(t, open(t, cfg), "k")
	}
}

// Requests for http endpoints go through http_proxy, except where no_proxy says otherwise; the environment is the one handed over.
func TestProxies(t *testing.T) {
	r := newRecorder("b")
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		u, err := url.ParseRequestURI(q.RequestURI)
		if err != nil || u.Host != "s3.test" {
			t.Errorf("the proxy was asked for %q", q.RequestURI)
		}
		q.RequestURI = u.RequestURI()
		r.ServeHTTP(w, q)
	}))
	endsClean(t)
	defer proxy.Close()
	for _, name := range []string{"http_proxy", "HTTP_PROXY"} {
		cfg := baseConfig()
		cfg.Endpoint, cfg.PartSize = ptr("http://s3.test"), firstAsk
		cfg.Env[name] = proxy.URL
		if len(r.all(t, open(t, cfg), "k")) == 0 {
			t.Error("nothing went through the proxy")
		}
	}
	cfg := baseConfig()
	cfg.Endpoint, cfg.MaxAttempts = ptr("http://localhost.test:1"), 1
	cfg.Env["HTTP_PROXY"], cfg.Env["no_proxy"] = proxy.URL, "other,.test"
	_, err := do(t, open(t, cfg), &HeadRequest{"b", "k"})
	fails(t, err, Network, "")
}

// An https endpoint with a certificate authority of its own needs AWS_CA_BUNDLE; without it the error says so, after one attempt.
func TestCertificateAuthorities(t *testing.T) {
	r := newRecorder("b")
	server := httptest.NewUnstartedServer(r)
	endsClean(t)
	server.StartTLS()
	defer server.Close()
	bundle := t.TempDir() + "/ca.pem"
	writePEM(t, bundle, server.Certificate().Raw)
	cfg := baseConfig()
	cfg.Endpoint, cfg.PartSize = &server.URL, firstAsk
	cfg.Env["AWS_CA_BUNDLE"] = bundle
	r.all(t, open(t, cfg), "k")
	delete(cfg.Env, "AWS_CA_BUNDLE")
	c := open(t, cfg)
	waits := noWait(c)
	for _, q := range []any{&GetRequest{Bucket: "b", Key: "k"}, &HeadRequest{"b", "k"}} {
		o := start(t, c, q)
		fails(t, failure(t, o), Network, "Client error: TLS negotiation failed: ")
		drain(t, o)
	}
	if waits.Load() != 0 {
		t.Errorf("%d more attempts", waits.Load())
	}
}

// Any text may be a user agent prefix: one that HTTP cannot carry costs its odd characters and not the request, on both planes.
func TestOddUserAgents(t *testing.T) {
	for _, agent := range []string{"", "a\nb", "a\x00b", "a\r\nX-Evil: 1", "\x7f", "é\u2028", " padded "} {
		r := newRecorder("b")
		c := dial(t, r, func(cfg *Config) { cfg.UserAgent, cfg.PartSize = agent, firstAsk })
		for _, seen := range r.all(t, c, "k") {
			if seen.header.Get("X-Evil") != "" {
				t.Errorf("%q: %v", agent, seen.header)
			}
		}
	}
}
