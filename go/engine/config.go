// This file owns every number and option of the engine: what a caller may set, what follows from it, and why.
// It refuses to know JSON's details beyond the field names (abi/request.go decodes) and to read the environment (env.go).

package engine

import (
	"log"
	"math"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// Config is what a client is opened with; docs/design/0004-json.md describes the fields.
type Config struct {
	Wire                 string            `json:"wire"`
	Region               string            `json:"region"`
	UserAgent            string            `json:"user_agent"`
	ThroughputTargetGbps float64           `json:"throughput_target_gbps"`
	PartSize             int64             `json:"part_size"`
	Profile              *string           `json:"profile"`
	Unsigned             bool              `json:"unsigned"`
	Endpoint             *string           `json:"endpoint"`
	ForcePathStyle       bool              `json:"force_path_style"`
	MaxAttempts          int               `json:"max_attempts"`
	RequesterPays        bool              `json:"requester_pays"`
	Env                  map[string]string `json:"env"`

	// Transport replaces the network, for the in-memory wire and for tests.
	Transport http.RoundTripper `json:"-"`
	// MockRules makes the client as strict as upstream's mock where that differs from S3 (mock.go).
	MockRules bool `json:"-"`
	// Stall overrides stallAfter, for tests.
	Stall time.Duration `json:"-"`
}

const (
	// stallAfter is how long a request may go without a byte in either direction before it is given up and retried. Upstream's
	// C library takes 30 s; S3 itself answers or resets long before.
	stallAfter = 30 * time.Second

	// slowAfter is the same for CompleteMultipartUpload and copies, which S3 may think about for minutes: it documents up to
	// ten for completing an upload, and sends white space meanwhile that net/http does not show us.
	slowAfter = 15 * time.Minute

	// connectAfter bounds one TCP or TLS handshake. A dropped SYN is resent after 1, 3 and 7 s; 10 s lets three tries through.
	connectAfter = 10 * time.Second

	// idleAfter closes pooled connections. S3 closes its side at about 20 s, and a request that meets a connection just closed
	// costs a retry.
	idleAfter = 15 * time.Second

	// createGrace is how long a closed put waits for the answer to its CreateMultipartUpload: without the id that comes with
	// it the upload could not be aborted, and would be billed for ever.
	createGrace = 5 * time.Second

	// abortAfter bounds AbortMultipartUpload, attempts included, so that a dead network cannot hold a closed put for ever.
	abortAfter = 20 * time.Second

	// gbpsPerConnection is upstream's model: 0.4 Gbit/s a connection, so 10 Gbps make 25, and never fewer than ten.
	gbpsPerConnection = 0.4
	minConnections    = 10
	// maxConnections keeps one process inside S3's and the kernel's patience; upstream's own limit for 100 Gbps is 250.
	maxConnections = 1024
)

// Validate names the first field that cannot be.
func (c *Config) Validate() *Error {
	switch {
	case c.Wire != "http" && c.Wire != "memory":
		return newError(Invalid, "configuration: wire is %q; it must be \"http\" or \"memory\"", c.Wire)
	case c.PartSize < 1:
		return newError(Invalid, "configuration: part_size is %d; it must be positive", c.PartSize)
	case c.MaxAttempts < 1:
		return newError(Invalid, "configuration: max_attempts is %d; it must be at least 1", c.MaxAttempts)
	case !(c.ThroughputTargetGbps >= 0) || math.IsInf(c.ThroughputTargetGbps, 1):
		return newError(Invalid, "configuration: throughput_target_gbps is %v; it must be zero or a positive number", c.ThroughputTargetGbps)
	}
	return nil
}

// connections is how many part requests may be on the wire at once.
func (c *Config) connections() int {
	n := math.Ceil(c.ThroughputTargetGbps / gbpsPerConnection)
	return int(min(max(n, minConnections), maxConnections))
}

// tuneRuntime sets this copy of the Go runtime up as a guest: one of many DataLoader workers on a host, beside torch's threads.
//
// GOMAXPROCS: moving bytes at 10 Gbit/s takes about one core here (docs/benchmarks.md), so four cover bursts; left at the
// number of cores, 32 forked workers on a 96-core host would run 3,072 Go threads' worth of idle scheduling.
// GC: the heap holds headers and bookkeeping, a few MiB, since object bytes live in Python's memory. At so small a heap the
// default GOGC=100 collects every 4 MiB of garbage, hundreds of times a GiB of small objects; 400 quarters that for < 20 MiB.
var tuneRuntime = sync.OnceFunc(func() {
	runtime.GOMAXPROCS(min(runtime.GOMAXPROCS(0), 4))
	debug.SetGCPercent(400)
	// net/http tells the standard logger of odd servers, which would tell stderr, where upstream says nothing.
	log.SetFlags(0)
	log.SetOutput(libraryLog{})
})
