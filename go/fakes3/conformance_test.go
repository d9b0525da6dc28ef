package fakes3_test

// conformance_test.go owns: that fakes3 is an S3 by the same suite as MinIO, over a socket and without one.
// It refuses to know: what the suite asks.

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"s3engine/fakes3"
	"s3engine/fakes3/conformance"
)

// Over a socket.
func TestConformanceSocket(t *testing.T) {
	server := httptest.NewServer(fakes3.New(fakes3.RulesS3, "bucket"))
	defer server.Close()
	conformance.Run(t, conformance.Target{Endpoint: server.URL, HTTP: server.Client(), Bucket: "bucket"})
}

// Without one.
func TestConformanceMemory(t *testing.T) {
	client := &http.Client{Transport: fakes3.RoundTripper(fakes3.New(fakes3.RulesS3, "bucket"))}
	conformance.Run(t, conformance.Target{Endpoint: "http://memory.invalid", HTTP: client, Bucket: "bucket"})
}
