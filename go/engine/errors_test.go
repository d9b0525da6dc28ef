package engine

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"s3engine/fakes3"
)

// every is one request of each verb.
func every() map[string]any {
	return map[string]any{
		"get": &GetRequest{Bucket: "b", Key: "k"}, "put": &PutRequest{Bucket: "b", Key: "k"}, "head": &HeadRequest{"b", "k"},
		"list": &ListRequest{Bucket: "b"}, "delete": &DeleteRequest{"b", "k"}, "copy": &CopyRequest{"b", "k", "b", "l"},
	}
}

// Users match on upstream's texts: each answer of the service has, on each verb and so on both planes, exactly the one of contract §2.
func TestErrorTexts(t *testing.T) {
	const (
		get, put, head, list, del, cp = "get", "put", "head", "list", "delete", "copy"
		all                           = "get put head list delete copy"
		bodied                        = "get put list delete" // copy begins with a HEAD
	)
	type row struct {
		verbs, answer, region, text string
		kind                        Kind
	}
	for _, c := range []row{
		{"get list delete", "404 NoSuchBucket", "", "Service error: The bucket does not exist", NotFound},
		{get, "404 NoSuchKey", "", "Service error: The key does not exist", NotFound},
		{"head copy", "404", "", "Service error: The object was not found", NotFound},
		{put, "404 NoSuchBucket", "", "Client error: Unknown response error: HTTP 404: NoSuchBucket: the message (request REQ)", NotFound},
		{"get put list delete", "404 Else", "", "Client error: Unknown response error: HTTP 404: Else: the message (request REQ)", NotFound},
		{"get", "412 PreconditionFailed", "", "Service error: At least one of the preconditions specified did not hold", Precondition},
		{bodied, "403 AccessDenied", "", "Client error: Forbidden: the message", Denied},
		{bodied, "403 Anything", "", "Client error: Forbidden: the message", Denied},
		{bodied, "400 InvalidToken", "", "Client error: Forbidden: the message", Denied},
		{bodied, "400 ExpiredToken", "", "Client error: Forbidden: the message", Denied},
		{bodied, "400 SignatureDoesNotMatch", "", "Client error: Forbidden: the message", Denied},
		{bodied, "400 AccessDenied", "", "Client error: Forbidden: the message", Denied},
		{"head copy", "403", "", "Client error: Forbidden: <no message>", Denied},
		{bodied, "301 PermanentRedirect", "eu-west-1", "Client error: Wrong region (expecting eu-west-1)", Service},
		{bodied, "400 AuthorizationHeaderMalformed", "eu-west-1", "Client error: Wrong region (expecting eu-west-1)", Service},
		{bodied, "307 TemporaryRedirect", "eu-west-1", "Client error: Wrong region (expecting eu-west-1)", Service},
		{"head copy", "301", "eu-west-1", "Client error: Wrong region (expecting eu-west-1)", Service},
		{"head copy", "400", "eu-west-1", "Client error: Wrong region (expecting eu-west-1)", Service},
		{bodied, "400 InvalidRequest", "us-east-1", "Client error: Unknown response error: HTTP 400: InvalidRequest: the message (request REQ)", Service},
		{bodied, "403 AccessDenied", "eu-west-1", "Client error: Forbidden: the message", Denied},
		{bodied, "503 SlowDown", "", "Client error: Request throttled", Throttled},
		{"head copy", "503", "", "Client error: Request throttled", Throttled},
		{all, "429", "", "Client error: Request throttled", Throttled},
		{bodied, "500 InternalError", "", "Client error: Internal error of the service: HTTP 500: InternalError: the message (request REQ)", Service},
		{bodied, "405 MethodNotAllowed", "", "Client error: Unknown response error: HTTP 405: MethodNotAllowed: the message (request REQ)", Service},
		{get, "416 InvalidRange", "", "Client error: Unknown response error: HTTP 416: InvalidRange: the message (request REQ)", Service},
		{bodied, "409 OperationAborted", "", "Client error: Unknown response error: HTTP 409: OperationAborted: the message (request REQ)", Service},
		{"get put list delete", "403", "", "Client error: Forbidden", Denied},
	} {
		for _, verb := range strings.Fields(c.verbs) {
			t.Run(fmt.Sprint(verb, " ", c.answer, c.region), func(t *testing.T) {
				status, code, _ := strings.Cut(c.answer, " ")
				client := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
					h := w.Header()
					h.Set("X-Amz-Request-Id", "REQ")
					if c.region != "" {
						h.Set("X-Amz-Bucket-Region", c.region)
					}
					var n int
					_, _ = fmt.Sscan(status, &n)
					w.WriteHeader(n)
					if code != "" && r.Method != http.MethodHead {
						_, _ = fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>the message</Message><RequestId>REQ</RequestId></Error>", code)
					}
				}, func(cfg *Config) { cfg.MaxAttempts = 2 })
				o := start(t, client, every()[verb])
				err := failure(t, o)
				drain(t, o)
				if err.Kind != c.kind || err.Message != c.text && !(code == "" && strings.HasPrefix(err.Message, c.text)) {
					t.Errorf("%s\nexpected {kind %d: %s}", show(err), c.kind, c.text)
				}
				if fmt.Sprint(err.HTTPStatus) != status || err.RequestID != "REQ" || code != "" && err.Code != code {
					t.Errorf("%s, request %q", show(err), err.RequestID)
				}
			})
		}
	}
}

// A copy says the same of its second request as of its first, and names the one state that only it knows.
func TestCopyErrorTexts(t *testing.T) {
	for answer, text := range map[string]string{
		"403 ObjectNotInActiveTierError": "Service error: The source object of the COPY action is not in the active tier and is only stored in Amazon S3 Glacier.",
		"404 NoSuchBucket":               "Service error: The object was not found",
		"404 NoSuchKey":                  "Service error: The object was not found",
		"403 AccessDenied":               "Client error: Forbidden: a fault that was asked for: (status 403 AccessDenied (copy))",
		"400 InvalidRequest":             "Client error: Unknown response error: HTTP 400: InvalidRequest: a fault",
		"503 SlowDown":                   "Client error: Request throttled",
	} {
		c, s := dialS3(t)
		s.Add(fakes3.Object{Bucket: "b", Key: "k"})
		faults(t, s, "(status "+answer+" (copy))")
		_, err := do(t, c, &CopyRequest{"b", "k", "b", "l"})
		if err == nil || !strings.HasPrefix(err.Message, text) {
			t.Errorf("%s: %s", answer, show(err))
		}
	}
	c, s := dialS3(t)
	s.Add(fakes3.Object{Bucket: "b", Key: "cold", StorageClass: "GLACIER"})
	_, err := do(t, c, &CopyRequest{"b", "cold", "b", "l"})
	fails(t, err, Denied, "is not in the active tier")
	_, err = do(t, c, &CopyRequest{"b", "k", "missing", "l"})
	fails(t, err, NotFound, "Service error: The object was not found")
}

// An answer that is no S3 error at all (a proxy's page) is still told by its status, on both planes.
func TestForeignErrorPages(t *testing.T) {
	for name, r := range every() {
		for _, page := range []string{"<html><body>no</body></html>", "", "{\"error\": 1}", "\x00\xff", strings.Repeat("x", 1<<20), "<Error><Code>X"} {
			c := dialFunc(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusPaymentRequired)
				_, _ = fmt.Fprint(w, page)
			})
			o := start(t, c, r)
			if err := failure(t, o); err.HTTPStatus != 402 || !strings.HasPrefix(err.Message, "Client error: Unknown response error: HTTP 402") {
				t.Errorf("%s of %.10q: %s", name, page, show(err))
			}
			drain(t, o)
		}
	}
}

// A custom endpoint that is none is told on the first operation and not before, in upstream's exact words.
func TestInvalidEndpoint(t *testing.T) {
	cfg := baseConfig()
	cfg.Endpoint = ptr("INVALID")
	c := open(t, cfg)
	for name, r := range every() {
		o := start(t, c, r)
		err := failure(t, o)
		drain(t, o)
		if err.Kind != Invalid || err.Message != "Client error: Failed to construct request: Invalid S3 endpoint: endpoint could not be resolved: Custom endpoint `INVALID` was not a valid URI" {
			t.Errorf("%s: %s", name, show(err))
		}
	}
	for _, text := range []string{"nonsense", "", "http://", "://x"} {
		cfg := baseConfig()
		cfg.Env["AWS_ENDPOINT_URL"] = text
		endsClean(t)
		c, err := Open(cfg)
		if err == nil {
			c.Close()
		}
		fails(t, err, Invalid, "invalid S3 endpoint: invalid URI: URI could not be parsed")
	}
}

// A bucket that the endpoint rules refuse, a bad ARN among them, is the caller's mistake, in upstream's frame, on both planes.
func TestRefusedBuckets(t *testing.T) {
	c, _ := dialS3(t)
	for _, bucket := range []string{"arn:aws:s3", "arn:aws:sns:us-east-1:1:x"} {
		for name, r := range map[string]any{"get": &GetRequest{Bucket: bucket, Key: "k"}, "head": &HeadRequest{bucket, "k"}, "put": &PutRequest{Bucket: bucket, Key: "k"}, "list": &ListRequest{Bucket: bucket}} {
			o := start(t, c, r)
			err := failure(t, o)
			drain(t, o)
			if err.Kind != Invalid || !strings.HasPrefix(err.Message, "Client error: Failed to construct request: Invalid S3 endpoint: endpoint could not be resolved: ") {
				t.Errorf("%s %s: %s", name, bucket, show(err))
			}
		}
	}
}

// No credentials anywhere is told at once, on both planes: a chain that found nothing finds nothing a moment later either.
func TestNoCredentials(t *testing.T) {
	for name, r := range every() {
		cfg := baseConfig()
		cfg.Endpoint = ptr("http://127.0.0.1:1")
		delete(cfg.Env, "AWS_ACCESS_KEY_ID")
		delete(cfg.Env, "AWS_SECRET_ACCESS_KEY")
		for _, metadata := range []bool{false, true} {
			if metadata {
				if name != "head" { // it takes the SDK seconds to find no metadata service
					continue
				}
				delete(cfg.Env, "AWS_EC2_METADATA_DISABLED")
				cfg.Env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:1"
			}
			c := open(t, cfg)
			o := start(t, c, r)
			err := failure(t, o)
			drain(t, o)
			if err.Kind != Denied || !strings.HasPrefix(err.Message, "Client error: No signing credentials available, see CRT debug logs") {
				t.Errorf("%s: %s", name, show(err))
			}
		}
	}
}
