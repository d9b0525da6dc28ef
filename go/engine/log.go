// This file owns the engine's log: upstream's targets, filter and line, to stdout or to hourly files (contract §9). It refuses to
// read the environment (Python does, once) and to call back into anything.
//
// Secrets never reach a line: what is logged is bucket, key, range, status and error texts, never headers or queries.

package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/smithy-go/logging"
)

type level int32

const (
	levelError level = iota + 1
	levelWarn
	levelInfo
	levelDebug
	levelTrace
)

var levelNames = [...]string{"OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"}

// Upstream's targets: `awscrt` is the wire layer, `mountpoint_s3_client` the operations, so that filters in users' job scripts go on
// meaning the same.
const (
	targetClient      = "awscrt::S3Client"
	targetProfile     = "awscrt::AWSProfile"
	targetCredentials = "awscrt::AuthCredentialsProvider"
	targetSocket      = "awscrt::socket"
	targetEventLoop   = "awscrt::event-loop"
	targetHTTP        = "awscrt::http-connection"
	targetException   = "_mountpoint_s3_client::exception"
)

func targetOperation(name string) string { return "mountpoint_s3_client::s3_crt_client::" + name }

// LogConfig is what Python made of the two environment variables.
type LogConfig struct {
	Directives []Directive `json:"directives"`
	Directory  *string     `json:"directory"`
}

// Directive is [target prefix, level]; the longest prefix that fits a target decides.
type Directive struct {
	Target string
	Level  int32
}

// UnmarshalJSON reads the two as an array.
func (d *Directive) UnmarshalJSON(text []byte) error {
	fields := []any{&d.Target, &d.Level}
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	if len(fields) != 2 || d.Level < 0 || d.Level > int32(levelTrace) {
		return fmt.Errorf("log.directives has %s; it must be [target, level 0-5]", text)
	}
	return nil
}

type logger struct {
	directives []Directive
	directory  string

	mu   sync.Mutex
	hour string
	file *os.File
}

var activeLog atomic.Pointer[logger] // nil: nothing is logged, at the cost of one load

var logOnce sync.Once

// SetLog takes effect once per library: upstream reads its variables once per process.
func SetLog(c *LogConfig) {
	if c == nil {
		return
	}
	logOnce.Do(func() {
		l := &logger{directives: c.Directives}
		if c.Directory != nil {
			l.directory = *c.Directory
		}
		activeLog.Store(l)
	})
}

func logf(at level, target, format string, args ...any) {
	if l := activeLog.Load(); l != nil && l.enabled(at, target) {
		l.write(at, target, fmt.Sprintf(format, args...))
	}
}

// sdkLogger takes what the SDK has to say, which by default goes to stderr.
type sdkLogger struct{}

func (sdkLogger) Logf(_ logging.Classification, format string, args ...any) {
	logf(levelDebug, targetClient, format, args...)
}

func (l *logger) enabled(at level, target string) bool {
	best, allowed := -1, int32(0)
	for _, d := range l.directives {
		if len(d.Target) >= best && strings.HasPrefix(target, d.Target) {
			best, allowed = len(d.Target), d.Level
		}
	}
	return int32(at) <= allowed
}

func (l *logger) write(at level, target, text string) {
	now := time.Now().UTC()
	line := fmt.Sprintf("%s %5s %s: %s\n", now.Format("2006-01-02T15:04:05.000000Z"), levelNames[at], target, text)
	l.mu.Lock()
	defer l.mu.Unlock()
	// A log that cannot be written must not stop a transfer.
	if l.directory == "" {
		writeStdout([]byte(line))
	} else if f := l.fileLocked(now); f != nil {
		_, _ = f.WriteString(line)
	}
}

// libraryLog takes what packages write to the standard logger.
type libraryLog struct{}

func (libraryLog) Write(p []byte) (int, error) {
	logf(levelDebug, targetHTTP, "%s", strings.TrimSpace(string(p)))
	return len(p), nil
}

// writeStdout goes past os.Stdout, which answers EPIPE on descriptors 1 and 2 by killing the process with SIGPIPE, also where its
// host ignores that signal, as Python does: `job | head` would end the job.
func writeStdout(line []byte) {
	for len(line) > 0 {
		n, err := syscall.Write(syscall.Stdout, line)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		line = line[n:]
	}
}

// fileLocked is the hour's file: mu must be held. Opened for append, so that processes may share it.
func (l *logger) fileLocked(now time.Time) *os.File {
	hour := now.Format("2006-01-02-15")
	if l.file != nil && l.hour == hour {
		return l.file
	}
	if err := os.MkdirAll(l.directory, 0o755); err != nil {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(l.directory, "s3torchconnectorclient.log."+hour), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.hour = f, hour
	return f
}
