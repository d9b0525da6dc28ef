package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"s3engine/fakes3"
)

// A configuration that cannot be is refused with the name of the field.
func TestValidate(t *testing.T) {
	for field, edit := range map[string]change{
		"wire": func(c *Config) { c.Wire = "carrier pigeon" }, "part_size": func(c *Config) { c.PartSize = 0 },
		"max_attempts": func(c *Config) { c.MaxAttempts = 0 }, "throughput_target_gbps": func(c *Config) { c.ThroughputTargetGbps = -1 },
		"throughput_target_gbps ": func(c *Config) { c.ThroughputTargetGbps = math.NaN() }, " throughput_target_gbps": func(c *Config) { c.ThroughputTargetGbps = math.Inf(1) },
	} {
		cfg := baseConfig()
		edit(&cfg)
		_, err := Open(cfg)
		fails(t, err, Invalid, "configuration: "+strings.TrimSpace(field)+" is ")
	}
}

// How many requests are on the wire follows upstream's model, within bounds at both ends.
func TestConnections(t *testing.T) {
	for gbps, n := range map[float64]int{0: 10, 1: 10, 4: 10, 10: 25, 100: 250, 1e6: 1024, math.MaxFloat64: 1024} {
		if got := (&Config{ThroughputTargetGbps: gbps}).connections(); got != n {
			t.Errorf("%v Gbps: %d", gbps, got)
		}
	}
}

// Go's environment follows the one handed over: AWS_ variables that are gone there are gone here, others are set where they differ.
func TestWithEnv(t *testing.T) {
	t.Setenv("AWS_GONE", "old")
	t.Setenv("AWS_CHANGED", "old")
	t.Setenv("AWS_SAME", "same")
	t.Setenv("AWS_EMPTY", "old")
	t.Setenv("ENGINE_TEST_OTHER", "kept")
	t.Setenv("ENGINE_TEST_SET", "old")
	env := map[string]string{"AWS_CHANGED": "new", "AWS_SAME": "same", "AWS_EMPTY": "", "AWS_NEW": "new", "ENGINE_TEST_SET": "new"}
	defer os.Unsetenv("AWS_NEW")
	inside := errors.New("inside")
	if err := withEnv(env, nil, func() error {
		for name, expected := range map[string]string{"AWS_CHANGED": "new", "AWS_SAME": "same", "AWS_EMPTY": "", "AWS_NEW": "new", "ENGINE_TEST_OTHER": "kept", "ENGINE_TEST_SET": "new"} {
			if v, ok := os.LookupEnv(name); !ok || v != expected {
				t.Errorf("%s is %q, %t", name, v, ok)
			}
		}
		if v, ok := os.LookupEnv("AWS_GONE"); ok {
			t.Errorf("AWS_GONE is %q", v)
		}
		return inside
	}); err != inside { //nolint:errorlint // the very one
		t.Error(err)
	}
	if err := withEnv(nil, nil, func() error { return nil }); err != nil || os.Getenv("AWS_CHANGED") != "new" {
		t.Error("no environment changed one")
	}
}

// Each client sees the environment it was opened with, also when many open at once with different ones.
func TestEnvironmentsDoNotMix(t *testing.T) {
	r := newRecorder("b")
	r.Add(fakes3.Object{Bucket: "b", Key: "k"})
	server := httptest.NewServer(r)
	endsClean(t)
	defer server.Close()
	var all sync.WaitGroup
	clients := make([]*Client, 16)
	for i := range clients {
		all.Go(func() {
			cfg := baseConfig()
			cfg.Endpoint = &server.URL
			cfg.Env["AWS_ACCESS_KEY_ID"] = fmt.Sprintf("KEY%02d", i)
			c, err := Open(cfg)
			if err != nil {
				t.Error(err)
				return
			}
			clients[i] = c
		})
	}
	all.Wait()
	for i, c := range clients {
		if _, err := do(t, c, &HeadRequest{"b", "k"}); err != nil {
			t.Error(err)
		}
		if a := r.take()[0].header.Get("Authorization"); !strings.Contains(a, fmt.Sprintf("Credential=KEY%02d/", i)) {
			t.Errorf("client %d signs as %s", i, a)
		}
		c.Close()
		<-c.Drained()
	}
}

// A profile is that profile alone and beats the environment's keys; a missing one is said when the client is opened.
func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	credentials := filepath.Join(dir, "credentials")
	if err := os.WriteFile(credentials, []byte("[mine]\naws_access_key_id = KEYOFMINE\naws_secret_access_key = x\naws_session_token = TOKENOFMINE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRecorder("b")
	r.Add(fakes3.Object{Bucket: "b", Key: "k"})
	c := dial(t, r, func(cfg *Config) {
		cfg.Env["AWS_SHARED_CREDENTIALS_FILE"] = credentials
		cfg.Profile = ptr("mine")
	})
	if _, err := do(t, c, &HeadRequest{"b", "k"}); err != nil {
		t.Fatal(show(err))
	}
	if h := r.take()[0].header; !strings.Contains(h.Get("Authorization"), "KEYOFMINE") || h.Get("X-Amz-Security-Token") != "TOKENOFMINE" {
		t.Errorf("%v", h)
	}
	cfg := baseConfig()
	cfg.Env["AWS_SHARED_CREDENTIALS_FILE"], cfg.Profile = credentials, ptr("other")
	_, err := Open(cfg)
	fails(t, err, Invalid, `invalid AWS credentials: profile "other" was not found`)
}

// Expired credentials are thrown away, so that the next attempt signs with new ones.
func TestExpiredTokenIsRenewed(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "credentials.sh")
	counter := filepath.Join(dir, "n")
	text := "#!/bin/sh\necho x >> " + counter + "\nn=$(wc -l < " + counter + ")\necho '{\"Version\": 1, \"AccessKeyId\": \"KEY'$n'\", \"SecretAccessKey\": \"s\", \"SessionToken\": \"t\", \"Expiration\": \"2099-01-01T00:00:00Z\"}'\n"
	config := filepath.Join(dir, "config")
	for path, content := range map[string]string{script: text, config: "[profile p]\ncredential_process = /bin/sh " + script + "\n"} {
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s := fakes3.New(fakes3.RulesS3, "b")
	s.Add(fakes3.Object{Bucket: "b", Key: "k", Data: []byte("hello")})
	for _, r := range []any{&GetRequest{Bucket: "b", Key: "k"}, &ListRequest{Bucket: "b", MaxKeys: 10}, &PutRequest{Bucket: "b", Key: "k"}} {
		_ = os.Remove(counter)
		c := dialFunc(t, func(w http.ResponseWriter, q *http.Request) {
			if strings.Contains(q.Header.Get("Authorization"), "Credential=KEY1/") {
				w.WriteHeader(400)
				_, _ = fmt.Fprint(w, "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>")
				return
			}
			s.ServeHTTP(w, q)
		}, func(cfg *Config) { cfg.Env["AWS_CONFIG_FILE"], cfg.Profile = config, ptr("p") })
		o := start(t, c, r)
		if _, err := await(t, o, 0); err != nil {
			t.Errorf("%T: %s", r, show(err))
		}
		drain(t, o)
	}
}

// Closing a client closes its ops, whatever they are; aborts of its uploads are over when it has drained.
func TestClientCloseAbortsUploads(t *testing.T) {
	c, s := dialS3(t)
	var puts []Op
	for range 5 {
		o := start(t, c, &PutRequest{"b", "k", nil})
		expect(t, o, 0, Opened)
		if err := o.Lend(1, []byte("x")); err != nil {
			t.Fatal(err)
		}
		puts = append(puts, o)
	}
	c.Close()
	<-c.Drained()
	if s.OpenUploads() != 0 || LentBytes() != 0 {
		t.Errorf("%d uploads are open, %d bytes lent", s.OpenUploads(), LentBytes())
	}
	for _, o := range puts {
		expect(t, o, 0, Drained)
	}
}

// Clients opened, used and closed by the hundred leave neither goroutines nor sockets.
func TestManyClients(t *testing.T) {
	s := fakes3.New(fakes3.RulesS3, "b")
	s.Add(fakes3.Object{Bucket: "b", Key: "k", Data: pattern(1000)})
	server := httptest.NewServer(s)
	endsClean(t)
	defer server.Close()
	once := func() {
		cfg := baseConfig()
		cfg.Endpoint = &server.URL
		c, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := download(t, c, GetRequest{"b", "k", nil, nil}, 1000); err != nil {
			t.Fatal(show(err))
		}
		if _, err := do(t, c, &HeadRequest{"b", "k"}); err != nil {
			t.Fatal(show(err))
		}
		c.Close()
		<-c.Drained()
	}
	fds := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc here")
		}
		return len(entries)
	}
	once()
	before := fds()
	for range 100 {
		once()
	}
	eventually(t, "the sockets are closed", func() bool { return fds() <= before+2 })
}

// An op that is no request runs under the client, replies when it opens, and ends with its client.
func TestRun(t *testing.T) {
	c := nowhere(t)
	o, err := c.Run("serve", func(ctx context.Context, opened func(any) error) (any, error) {
		if err := opened(map[string]int{"port": 1}); err != nil {
			return nil, err
		}
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	if e := expect(t, o, 0, Opened); string(o.Reply()) != `{"port":1}` || e.Length != 10 {
		t.Errorf("%+v %s", e, o.Reply())
	}
	c.Close()
	expect(t, o, 0, Drained)
}
