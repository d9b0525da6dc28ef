package engine

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"s3engine/fakes3"
)

// A directory bucket's requests carry a session of its own, asked for once and shared by both planes: the session's key signs, its
// token goes into a header of its own, and the chain's own token does not travel with it.
func TestExpressSessions(t *testing.T) {
	const bucket = "data--use1-az1--x-s3"
	s := fakes3.New(fakes3.RulesS3, bucket)
	s.Add(fakes3.Object{Bucket: bucket, Key: "a b", Data: []byte("hello")})
	var mu sync.Mutex
	sessions := 0
	c := dialFunc(t, func(w http.ResponseWriter, r *http.Request) {
		authorization := r.Header.Get("Authorization")
		if r.URL.Query().Has("session") {
			mu.Lock()
			sessions++
			mu.Unlock()
			if !strings.Contains(authorization, "Credential=AKIDEXAMPLE/") || !strings.Contains(authorization, "/s3express/aws4_request") {
				t.Errorf("a session asked for with %s", authorization)
			}
			_, _ = fmt.Fprint(w, `<CreateSessionResult><Credentials><AccessKeyId>SESSIONKEY</AccessKeyId><SecretAccessKey>s</SecretAccessKey>`+
				`<SessionToken>SESSIONTOKEN</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></CreateSessionResult>`)
			return
		}
		if !strings.Contains(authorization, "Credential=SESSIONKEY/") || !strings.Contains(authorization, "/us-east-1/s3express/aws4_request") ||
			!strings.Contains(strings.ToLower(authorization), "x-amz-s3session-token") ||
			r.Header.Get("X-Amz-S3session-Token") != "SESSIONTOKEN" || r.Header.Get("X-Amz-Security-Token") != "" {
			t.Errorf("%s %s: %v", r.Method, r.RequestURI, r.Header)
		}
		s.ServeHTTP(w, r)
	}, func(cfg *Config) { cfg.Env["AWS_SESSION_TOKEN"] = "TOKENEXAMPLE" })
	if out, err := download(t, c, GetRequest{bucket, "a b", nil, nil}, 5); err != nil || string(out) != "hello" {
		t.Errorf("%q, %s", out, show(err))
	}
	if _, err := do(t, c, &HeadRequest{bucket, "a b"}); err != nil {
		t.Error(show(err))
	}
	if _, err := upload(t, c, PutRequest{bucket, "put", nil}, []byte("x")); err != nil {
		t.Error(show(err))
	}
	if sessions != 1 {
		t.Errorf("%d sessions were asked for", sessions)
	}
}

// A session that is refused is told with the service's own words. (On the control plane the SDK keeps nothing but the text.)
func TestExpressSessionRefused(t *testing.T) {
	c := dialFunc(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(403)
		_, _ = fmt.Fprint(w, "<Error><Code>AccessDenied</Code><Message>no session for you</Message></Error>")
	})
	const bucket = "data--use1-az1--x-s3"
	for _, r := range []any{&GetRequest{Bucket: bucket, Key: "k"}, &ListRequest{Bucket: bucket}} {
		o := start(t, c, r)
		fails(t, failure(t, o), Denied, "no session for you")
		drain(t, o)
	}
}
