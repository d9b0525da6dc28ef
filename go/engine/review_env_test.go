package engine

// review_env_test.go owns: what a client takes from its environment and its files, and what it tells the outside: stdout, stderr,
// the log, error texts. It refuses to know transfers.

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"

	"s3engine/fakes3"
)

// keepsEnvironment brings back what clients make of the process's environment.
func keepsEnvironment(t *testing.T) {
	t.Helper()
	before := os.Environ()
	t.Cleanup(func() {
		os.Clearenv()
		for _, entry := range before {
			name, value, _ := strings.Cut(entry, "=")
			os.Setenv(name, value)
		}
	})
}

// written is a file of that text.
func written(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sees fails unless the process's environment is what a configuration says.
func sees(t *testing.T, env map[string]string) {
	t.Helper()
	live := map[string]string{}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if _, given := env[name]; given || strings.HasPrefix(name, "AWS_") {
			live[name] = value
		}
	}
	if fmt.Sprint(live) != fmt.Sprint(env) { // maps are printed in the order of their keys
		t.Errorf("the environment is %v, and was to be %v", live, env)
	}
}

// Configuration files and variables that are broken stop only a client whose credentials would come from them; whichever way it
// goes, the process's environment afterwards is the one handed over, with nothing hidden.
func TestReviewBrokenConfiguration(t *testing.T) {
	keepsEnvironment(t)
	dir := t.TempDir()
	partial := written(t, filepath.Join(dir, "partial"), "[default]\naws_access_key_id = ONLYTHEID\n")
	garbage := written(t, filepath.Join(dir, "garbage"), "[profile mine\nx = = =\n[")
	for name, broken := range map[string]map[string]string{
		"missing profile": {"AWS_PROFILE": "missing"}, "missing default profile": {"AWS_DEFAULT_PROFILE": "missing"},
		"directory": {"AWS_CONFIG_FILE": dir}, "credentials directory": {"AWS_SHARED_CREDENTIALS_FILE": dir},
		"partial": {"AWS_SHARED_CREDENTIALS_FILE": partial}, "garbage": {"AWS_CONFIG_FILE": garbage},
		"attempts": {"AWS_MAX_ATTEMPTS": "abc"}, "mode": {"AWS_RETRY_MODE": "odd"},
		"all": {"AWS_PROFILE": "missing", "AWS_CONFIG_FILE": dir, "AWS_SHARED_CREDENTIALS_FILE": partial, "AWS_MAX_ATTEMPTS": "abc", "AWS_RETRY_MODE": "odd"},
	} {
		for _, who := range []string{"unsigned", "unsigned without keys", "keys", "no keys", "profile"} {
			t.Run(name+" "+who, func(t *testing.T) {
				r := newRecorder("b")
				r.Add(fakes3.Object{Bucket: "b", Key: "k"})
				server := httptest.NewServer(r)
				endsClean(t)
				defer server.Close()
				cfg := baseConfig()
				cfg.Endpoint = &server.URL
				for variable, value := range broken {
					cfg.Env[variable] = value
				}
				cfg.Unsigned = strings.HasPrefix(who, "unsigned")
				if strings.HasSuffix(who, "without keys") || who == "no keys" {
					delete(cfg.Env, "AWS_ACCESS_KEY_ID")
					delete(cfg.Env, "AWS_SECRET_ACCESS_KEY")
				}
				if who == "profile" {
					cfg.Profile = ptr("missing")
				}
				defer sees(t, cfg.Env)
				if who == "profile" || who == "no keys" {
					c, err := Open(cfg)
					if err == nil { // then what is broken was not about credentials, and there are none
						c.Close()
						<-c.Drained()
						if who == "profile" || name != "garbage" && name != "missing default profile" {
							t.Error("it was opened")
						}
						return
					}
					fails(t, err, Invalid, "invalid AWS credentials: ")
					return
				}
				c := open(t, cfg)
				if _, err := do(t, c, &HeadRequest{"b", "k"}); err != nil {
					t.Fatal(show(err))
				}
				if a := r.take()[0].header.Get("Authorization"); cfg.Unsigned != (a == "") || !cfg.Unsigned && !strings.Contains(a, "Credential=AKIDEXAMPLE/") {
					t.Errorf("it signs as %q", a)
				}
			})
		}
	}
}

// HOME as each client has it decides where ~/.aws lies, whatever HOME was when the process started; without HOME there is none.
func TestReviewHomeIsTheClients(t *testing.T) {
	keepsEnvironment(t)
	credentials := func(dir, key string) string {
		return written(t, filepath.Join(dir, ".aws", "credentials"), "[default]\naws_access_key_id = "+key+"\naws_secret_access_key = x\n")
	}
	homes := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	for i, home := range homes {
		file := credentials(home, fmt.Sprintf("KEYOFHOME%d", i))
		if i == 2 { // where the SDK would look by itself
			defer func(old []string) { config.DefaultSharedCredentialsFiles = old }(config.DefaultSharedCredentialsFiles)
			config.DefaultSharedCredentialsFiles = []string{file}
		}
	}
	written(t, filepath.Join(homes[1], ".aws", "config"), "[default]\n[profile role]\naws_access_key_id = KEYOFPROFILE\naws_secret_access_key = x\n")
	for _, row := range []struct{ home, profile, key string }{
		{homes[0], "", "KEYOFHOME0"}, {homes[1], "", "KEYOFHOME1"}, {homes[0], "", "KEYOFHOME0"}, {homes[1], "role", "KEYOFPROFILE"}, {"", "", ""},
	} {
		t.Run(fmt.Sprint(row), func(t *testing.T) {
			r := newRecorder("b")
			r.Add(fakes3.Object{Bucket: "b", Key: "k"})
			c := dial(t, r, func(cfg *Config) {
				cfg.Env = map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}
				if row.home != "" {
					cfg.Env["HOME"] = row.home
				}
				if row.profile != "" {
					cfg.Profile = &row.profile
				}
			})
			_, err := do(t, c, &HeadRequest{"b", "k"})
			if row.key == "" {
				fails(t, err, Denied, "Client error: No signing credentials available")
				return
			}
			if err != nil {
				t.Fatal(show(err))
			}
			if a := r.take()[0].header.Get("Authorization"); !strings.Contains(a, "Credential="+row.key+"/") {
				t.Errorf("it signs as %s", a)
			}
		})
	}
}

// What an endpoint carries before its host is in no error's text and in no line of the log, whether the endpoint is a good one,
// a bad one or none at all, and wherever it comes from.
func TestReviewPasswordsAreNotShown(t *testing.T) {
	keepsEnvironment(t)
	text := logTo(t, Directive{"", 5})
	const secret = "PASSEXAMPLE"
	for _, endpoint := range []string{
		"http://user:PASSEXAMPLE@127.0.0.1:1", "http://user:PASSEXAMPLE@127.0.0.1:1/path", "http://user:PASSEXAMPLE@127.0.0.1:1/?query=1",
		"http://user:PASSEXAMPLE@127.0.0.1:1/#x", "http://user:PASSEXAMPLE@no.such.host.invalid", "https://user:PASSEXAMPLE@127.0.0.1:1",
		"ftp://user:PASSEXAMPLE@127.0.0.1", "user:PASSEXAMPLE@127.0.0.1", "http://user:PASSEXAMPLE@127.0.0.1:port", "http://user:PASSEXAMPLE@",
		"http://user:%zzPASSEXAMPLE@127.0.0.1", "http://user:a@PASSEXAMPLE@127.0.0.1", "http://user:a/PASSEXAMPLE@127.0.0.1", "://user:PASSEXAMPLE@127.0.0.1",
		"http://user:PASSEXAMPLE@127.0.0.1:1/a b", "http:user:PASSEXAMPLE@127.0.0.1", "http://user:PASSEXAMPLE@127.0.0.1\n",
		"http://PASSEXAMPLE@127.0.0.1:1", "user:PASSEXAMPLE://x@127.0.0.1",
	} {
		for _, from := range []string{"argument", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} {
			shown := func(err *Error) {
				t.Helper()
				if err == nil || strings.Contains(err.Message, secret) {
					t.Errorf("%q as %s: %s", endpoint, from, show(err))
				}
			}
			cfg := baseConfig()
			cfg.MaxAttempts = 1
			if from == "argument" {
				cfg.Endpoint = &endpoint
			} else {
				cfg.Env[from] = endpoint
			}
			endsClean(t)
			c, err := Open(cfg)
			if err != nil {
				shown(err)
				continue
			}
			noWait(c)
			for _, r := range every() {
				o := start(t, c, r)
				shown(failure(t, o))
				drain(t, o)
			}
			c.Close()
			<-c.Drained()
		}
	}
	for line := range strings.Lines(text()) {
		if strings.Contains(line, secret) {
			t.Errorf("the log has %q", line)
		}
	}
	if !strings.Contains(text(), "client opened") {
		t.Error("nothing was logged at all")
	}
}

// A log line for a stdout that nobody reads any more is lost, and the process goes on.
func TestReviewClosedStdout(t *testing.T) {
	const child = "ENGINE_TEST_CLOSED_STDOUT"
	if os.Getenv(child) != "" {
		l := &logger{}
		for range 3 {
			l.write(levelInfo, targetClient, "a line")
		}
		_, _ = io.WriteString(os.Stderr, "still here")
		os.Exit(0)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestReviewClosedStdout$")
	cmd.Env = append(os.Environ(), child+"=1")
	cmd.Stdout, cmd.Stderr = w, &stderr
	if err := cmd.Run(); err != nil || stderr.String() != "still here" {
		t.Fatalf("%v: %s", err, stderr.String())
	}
}

// What net/http says of a server that talks unasked is a line of our log, and not of the host's stderr.
func TestReviewUnsolicitedResponses(t *testing.T) {
	text := logTo(t, Directive{"", 5})
	c := dialFunc(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 Unasked\r\n\r\n")
		t.Cleanup(func() { conn.Close() })
	})
	if _, ours := log.Writer().(libraryLog); !ours {
		t.Errorf("the standard logger writes to %T", log.Writer())
	}
	if _, err := do(t, c, &DeleteRequest{"b", "k"}); err != nil {
		t.Fatal(show(err))
	}
	eventually(t, "the log has it", func() bool {
		return strings.Contains(text(), "DEBUG "+targetHTTP+": Unsolicited response received on idle HTTP channel")
	})
}
