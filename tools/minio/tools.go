//go:build tools

// Package tools pins MinIO for the tests. Owns: which version, through go.mod. Refuses to know: how it is built (tools/s3build)
// and started (tests/minio_server.py). The blank import is what keeps `go mod tidy` from dropping the pin; the tag keeps the
// package from ever being compiled. MinIO runs as a separate program in tests only and is part of nothing we ship.
package tools

import _ "github.com/minio/minio"
