// This file owns how the live environment reaches the SDK. It refuses to interpret any variable.
//
// Go sees the environment block of exec, not os.environ: what Python set since is invisible to it, so Python hands it over with
// each client. The SDK reads os.Getenv while a configuration is loaded and nowhere else that matters to us, so the variables are
// brought up to date just before, under one lock for the process.
//
// os.Setenv in a library with cgo also calls C's setenv. Only variables whose value Go sees differently are set, to the value
// that C already has (Python's os.environ writes through), which glibc does by replacing one pointer: harmless to a getenv
// elsewhere. See docs/design/0005-environment.md.

package engine

import (
	"os"
	"strings"
	"sync"
)

var envMu sync.Mutex

// withEnv runs f while Go's environment agrees with env on every variable that Python hands over, but for those hidden: they are
// gone while f runs, and back afterwards, since C and thus child processes see the same environment.
func withEnv(env map[string]string, hidden []string, f func() error) error {
	envMu.Lock()
	defer envMu.Unlock()
	if env != nil {
		for _, entry := range os.Environ() {
			if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
				if _, ok := env[name]; !ok {
					os.Unsetenv(name)
				}
			}
		}
		for name, value := range env {
			if now, ok := os.LookupEnv(name); !ok || now != value {
				os.Setenv(name, value)
			}
		}
	}
	for _, name := range hidden {
		if value, ok := os.LookupEnv(name); ok {
			os.Unsetenv(name)
			defer os.Setenv(name, value)
		}
	}
	return f()
}
