package fakes3

// body_test.go owns: the proof that bodies are decoded and checked.
// It refuses to know: what they are stored as.

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// A chunked body is what is in its chunks, however it comes; one that is not as it should be is not stored.
func TestChunks(t *testing.T) {
	for name, c := range map[string]struct {
		body, want string
		size       int
		status     int
	}{
		"one":                  {"5\r\nhello\r\n0\r\n\r\n", "hello", 5, 200},
		"two":                  {"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello", 5, 200},
		"signed":               {"5;chunk-signature=ab\r\nhello\r\n0;chunk-signature=cd\r\n\r\n", "hello", 5, 200},
		"line ends inside":     {"6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", "\r\n0\r\n\r", 6, 200},
		"upper case":           {"A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 10, 200},
		"nothing":              {"0\r\n\r\n", "", 0, 200},
		"trailer":              {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\nx-amz-trailer-signature:ab\r\n\r\n", "hello", 5, 200},
		"no last line":         {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n", "hello", 5, 200},
		"wrong trailer":        {"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "", 5, 400},
		"trailer without name": {"5\r\nhello\r\n0\r\nnonsense\r\n\r\n", "", 5, 400},
		"cut in the chunk":     {"5\r\nhel", "", 5, 400},
		"cut after it":         {"5\r\nhello", "", 5, 400},
		"cut in the size":      {"5\r\nhello\r\n0", "", 5, 400},
		"no last chunk":        {"5\r\nhello\r\n", "", 5, 400},
		"no size":              {"hello", "", 5, 400},
		"negative":             {"-5\r\nhello\r\n0\r\n\r\n", "", 5, 400},
		"too big a number":     {"fffffffffffffffff\r\nhello\r\n0\r\n\r\n", "", 5, 400},
		"no line end":          {"5\r\nhelloxx0\r\n\r\n", "", 5, 400},
		"more than said":       {"5\r\nhello\r\n0\r\n\r\n", "", 4, 400},
		"less than said":       {"5\r\nhello\r\n0\r\n\r\n", "", 6, 400},
		"endless line":         {strings.Repeat("5", 10_000), "", 5, 400},
	} {
		t.Run(name, func(t *testing.T) {
			onWires(t, func() http.Handler { return New(RulesS3, "b") }, func(t *testing.T, w wire) {
				for _, header := range [][]string{
					{"Content-Encoding", "aws-chunked"}, {"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
				} {
					header = append(header, "x-amz-decoded-content-length", fmt.Sprint(c.size))
					a := w.want(t, c.status, http.MethodPut, "/b/k", []byte(c.body), header...)
					if c.status != 200 {
						w.want(t, 404, http.MethodGet, "/b/k", nil)
						continue
					}
					sum := md5.Sum([]byte(c.want))
					equal(t, fmt.Sprintf(`"%x"`, sum), a.header.Get("ETag"))
					equal(t, c.want, string(w.want(t, 200, http.MethodGet, "/b/k", nil).body))
				}
			})
			slow := &chunkReader{src: bufio.NewReader(iotest.OneByteReader(strings.NewReader(c.body)))}
			got, err := io.ReadAll(iotest.OneByteReader(slow))
			if c.status == 200 {
				equal(t, nil, err)
				equal(t, c.want, string(got))
			}
		})
	}
	w := memory(New(RulesS3, "b"))
	for _, length := range []string{"", "-1", "x"} {
		a := w.want(t, 411, http.MethodPut, "/b/k", []byte("0\r\n\r\n"), "Content-Encoding", "aws-chunked", "x-amz-decoded-content-length", length)
		equal(t, "MissingContentLength", a.code())
	}
}

// A checksum of any kind is checked, and what it does not fit is not stored.
func TestChecksums(t *testing.T) {
	// What "123456789" comes to, from the catalogue of CRC algorithms, RFC 1321, RFC 3174 and FIPS 180.
	for name, sum := range map[string]string{
		"x-amz-checksum-crc32":     "cbf43926",
		"x-amz-checksum-crc32c":    "e3069283",
		"x-amz-checksum-crc64nvme": "ae8b14860a799888",
		"x-amz-checksum-sha1":      "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
		"x-amz-checksum-sha256":    "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
		"Content-MD5":              "25f9e794323b453885f5181f1b624d0b",
	} {
		w := memory(New(RulesS3, "b"))
		said := base64.StdEncoding.EncodeToString(ok(hex.DecodeString(sum))(t))
		equal(t, "BadDigest", w.want(t, 400, http.MethodPut, "/b/k", []byte("123456780"), name, said).code(), name)
		w.want(t, 404, http.MethodGet, "/b/k", nil)
		w.want(t, 200, http.MethodPut, "/b/k", []byte("123456789"), name, said)
	}
	w := memory(New(RulesS3, "b"))
	equal(t, "InvalidDigest", w.want(t, 400, http.MethodPut, "/b/k", nil, "Content-MD5", "AAAA").code())
	sha := "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
	equal(t, "XAmzContentSHA256Mismatch", w.want(t, 400, http.MethodPut, "/b/k", nil, "x-amz-content-sha256", sha).code())
	w.want(t, 200, http.MethodPut, "/b/k", []byte("123456789"), "x-amz-content-sha256", sha)
	w.want(t, 200, http.MethodPut, "/b/k", []byte("any"), "x-amz-content-sha256", "UNSIGNED-PAYLOAD")
	equal(t, uint64(0xae8b14860a799888), crc64.Checksum([]byte("123456789"), crc64NVME))
}

// Any bytes make a chunked body or an error, and any data in chunks of any size comes out as it went in.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("5;x=y\r\nhello\r\n0\r\na:b\r\n\r\n"), 3)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		_, _ = io.Copy(io.Discard, &chunkReader{src: bufio.NewReader(bytes.NewReader(data))})
		if size = min(size, len(data)); size < 1 {
			return
		}
		var b bytes.Buffer
		for rest := data; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", min(size, len(rest)), rest[:min(size, len(rest))])
		}
		b.WriteString("0\r\n\r\n")
		got, err := io.ReadAll(&chunkReader{src: bufio.NewReader(&b)})
		if err != nil || !bytes.Equal(data, got) {
			t.Fatalf("%q became %q, %v", data, got, err)
		}
	})
}

// A body larger than S3 takes is refused by its announcement.
func TestTooLarge(t *testing.T) {
	w := memory(New(RulesS3, "b"))
	a := w.want(t, 400, http.MethodPut, "/b/k", nil, "Content-Encoding", "aws-chunked", "x-amz-decoded-content-length", fmt.Sprint(maxPut+1))
	equal(t, "EntityTooLarge", a.code())
}
