package engine

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"s3engine/fakes3"
)

// logTo makes the log go to a directory for one test; text is what has been written there.
func logTo(t *testing.T, directives ...Directive) (text func() string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "made", "by the log")
	activeLog.Store(&logger{directives: directives, directory: dir})
	t.Cleanup(func() {
		if l := activeLog.Swap(nil); l.file != nil {
			l.file.Close()
		}
	})
	return func() string {
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for _, f := range files {
			if !regexp.MustCompile(`/s3torchconnectorclient\.log\.\d{4}-\d\d-\d\d-\d\d$`).MatchString(f) {
				t.Errorf("a file called %s", f)
			}
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(data)
		}
		return all.String()
	}
}

// Upstream's users filter by target prefix and level: the longest prefix that fits decides, the later one of two.
func TestLogFilter(t *testing.T) {
	for _, row := range []struct {
		directives []Directive
		at         level
		target     string
		enabled    bool
	}{
		{nil, levelError, targetClient, false}, {[]Directive{{"", 4}}, levelDebug, targetClient, true}, {[]Directive{{"", 4}}, levelTrace, targetClient, false},
		{[]Directive{{"", 4}, {"awscrt", 0}}, levelError, targetClient, false}, {[]Directive{{"awscrt", 0}, {"", 4}}, levelError, targetClient, false},
		{[]Directive{{"", 4}, {"awscrt", 0}}, levelDebug, targetOperation("get_object"), true}, {[]Directive{{"mountpoint_s3_client", 5}}, levelTrace, targetOperation("x"), true},
		{[]Directive{{"mountpoint_s3_client", 5}}, levelError, targetClient, false}, {[]Directive{{"awscrt", 2}, {"awscrt::S3Client", 5}}, levelTrace, targetClient, true},
		{[]Directive{{"awscrt", 5}, {"awscrt", 1}}, levelWarn, targetClient, false}, {[]Directive{{"awscrt::S3Client2", 5}}, levelError, targetClient, false},
	} {
		if got := (&logger{directives: row.directives}).enabled(row.at, row.target); got != row.enabled {
			t.Errorf("%v at %d of %s: %t", row.directives, row.at, row.target, got)
		}
	}
}

// Lines have upstream's shape: UTC microseconds, the level right-aligned to five, the target, a colon, the text.
func TestLogLines(t *testing.T) {
	text := logTo(t, Directive{"", 5})
	c, s := dialS3(t)
	s.Add(fakes3.Object{Bucket: "b", Key: "k", Data: []byte("hello")})
	if _, err := download(t, c, GetRequest{"b", "k", nil, nil}, 5); err != nil {
		t.Fatal(err)
	}
	_, err := download(t, c, GetRequest{"b", "no such", nil, nil}, 5)
	fails(t, err, NotFound, "")
	shape := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (ERROR| WARN| INFO|DEBUG|TRACE) [a-zA-Z0-9_:-]+: \S.*$`)
	lines := strings.Split(strings.TrimSuffix(text(), "\n"), "\n")
	for _, line := range lines {
		if !shape.MatchString(line) {
			t.Errorf("%q", line)
		}
	}
	for _, part := range []string{"DEBUG awscrt::AWSProfile", "DEBUG awscrt::AuthCredentialsProvider", "DEBUG awscrt::S3Client", "INFO awscrt::", "TRACE awscrt::event-loop", "TRACE awscrt::socket",
		"DEBUG mountpoint_s3_client::s3_crt_client::get_object: ", "ERROR _mountpoint_s3_client::exception: ERROR: S3Exception: Service error: The key does not exist"} {
		if !strings.Contains(text(), part) {
			t.Errorf("no line has %q", part)
		}
	}
}

// No secret is in any line at any level: neither keys, tokens, signatures, upload ids, bytes of objects, nor what an endpoint or a
// proxy carries before its host.
func TestLogKeepsSecrets(t *testing.T) {
	text := logTo(t, Directive{"", 5})
	const body = "BYTESOFTHEOBJECT"
	r := newRecorder("b")
	c := dial(t, r, func(cfg *Config) {
		cfg.Env["AWS_SECRET_ACCESS_KEY"], cfg.Env["AWS_SESSION_TOKEN"] = "SECRETEXAMPLE", "TOKENEXAMPLE"
		with := strings.Replace(*cfg.Endpoint, "http://", "http://USEREXAMPLE:PASSEXAMPLE@", 1)
		cfg.Endpoint = &with
	})
	r.Add(fakes3.Object{Bucket: "b", Key: "k", Data: []byte(body)})
	if err := r.SetFaults("(status 503 (get (nth 1))) (reset (part (nth 1))) (status 500 (complete (nth 1))) (status 500 (list (nth 1)))"); err != nil {
		t.Fatal(err)
	}
	if out, err := download(t, c, GetRequest{"b", "k", nil, nil}, 100); err != nil || string(out) != body {
		t.Fatal(show(err))
	}
	if _, err := upload(t, c, PutRequest{"b", "k", nil}, []byte(body)); err != nil {
		t.Fatal(show(err))
	}
	for _, q := range []any{&HeadRequest{"b", "no"}, &ListRequest{Bucket: "b", MaxKeys: 10}, &CopyRequest{"b", "k", "b", "l"}, &DeleteRequest{"b", "k"}} {
		_, _ = do(t, c, q)
	}
	secrets := []string{"SECRETEXAMPLE", "TOKENEXAMPLE", "PASSEXAMPLE", "Signature=", "AWS4-HMAC", "uploadId", body}
	for _, seen := range r.take() {
		if _, signature, ok := strings.Cut(seen.header.Get("Authorization"), "Signature="); ok {
			secrets = append(secrets, signature)
		}
	}
	for _, secret := range secrets {
		for line := range strings.Lines(text()) {
			if strings.Contains(line, secret) {
				t.Errorf("%q is in %q", secret, line)
			}
		}
	}
	if !strings.Contains(text(), "TRACE") {
		t.Error("nothing was logged at all")
	}
}

// A log directory that cannot be made stops no transfer.
func TestLogThatCannotBeWritten(t *testing.T) {
	_ = logTo(t, Directive{"", 5})
	l := activeLog.Load()
	l.directory = "/dev/null/not a directory"
	c, s := dialS3(t)
	s.Add(fakes3.Object{Bucket: "b", Key: "k", Data: []byte("hello")})
	if out, err := download(t, c, GetRequest{"b", "k", nil, nil}, 5); err != nil || string(out) != "hello" {
		t.Fatal(show(err))
	}
}
