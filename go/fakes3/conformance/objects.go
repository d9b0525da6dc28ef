package conformance

// objects.go owns: what is asked of whole objects and copies of them.
// It refuses to know: parts, lists.

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// What is put is what is got, with its size, ETag and time, and HEAD says the same.
func testPutGet(t *testing.T, s *suite) {
	for _, n := range []int{1, 1000, 1<<20 + 1} {
		key, data := fmt.Sprint("n", n), pattern(n)
		before := time.Now().Add(-2 * time.Second) // objects' times have no fractions
		tag := s.put(t, key, data)
		got, out := s.get(t, &s3.GetObjectInput{Key: &key})
		same(t, data, got)
		equal(t, tag, aws.ToString(out.ETag))
		equal(t, int64(n), aws.ToInt64(out.ContentLength))
		head := must(s.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &s.Bucket, Key: &key}))(t)
		equal(t, tag, aws.ToString(head.ETag))
		equal(t, int64(n), aws.ToInt64(head.ContentLength))
		equal(t, "bytes", aws.ToString(head.AcceptRanges))
		if at := aws.ToTime(head.LastModified); at.Before(before) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("modified at %v, put after %v", at, before)
		}
	}
}

// A range is answered with its bytes and with which they are; one that is no range with everything.
func testRanges(t *testing.T, s *suite) {
	data := pattern(1000)
	s.put(t, "k", data)
	for _, c := range []struct {
		header     string
		start, end int
	}{
		{"bytes=0-0", 0, 1},
		{"bytes=0-999", 0, 1000},
		{"bytes=10-19", 10, 20},
		{"bytes=990-2000", 990, 1000},
		{"bytes=999-999", 999, 1000},
		{"bytes=500-", 500, 1000},
		{"bytes=-1", 999, 1000},
		{"bytes=-1000", 0, 1000},
		{"bytes=-5000", 0, 1000},
	} {
		got, out := s.get(t, &s3.GetObjectInput{Key: aws.String("k"), Range: &c.header})
		same(t, data[c.start:c.end], got)
		equal(t, fmt.Sprintf("bytes %d-%d/1000", c.start, c.end-1), aws.ToString(out.ContentRange))
		resp := s.do(t, http.MethodGet, "/"+s.Bucket+"/k", map[string]string{"Range": c.header}, nil)
		equal(t, http.StatusPartialContent, resp.StatusCode)
	}
	// Several ranges at once and ends before starts are not asserted: S3 sends the object, MinIO an error.
	for _, header := range []string{"bites=0-1", "0-1"} {
		resp := s.do(t, http.MethodGet, "/"+s.Bucket+"/k", map[string]string{"Range": header}, nil)
		equal(t, http.StatusOK, resp.StatusCode)
		same(t, data, must(io.ReadAll(resp.Body))(t))
	}
}

// A range with nothing in it is a 416 that is an S3 error.
func testUnsatisfiable(t *testing.T, s *suite) {
	s.put(t, "k", pattern(10))
	s.put(t, "empty", nil)
	for _, c := range []struct{ key, header string }{
		{"k", "bytes=10-"}, {"k", "bytes=10-20"}, {"k", "bytes=99999-"}, {"k", "bytes=-0"}, {"empty", "bytes=0-"}, {"empty", "bytes=0-9"},
	} {
		_, err := s.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: &c.key, Range: &c.header})
		refused(t, err, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
	}
}

// An empty object is an object.
func testEmpty(t *testing.T, s *suite) {
	tag := s.put(t, "empty", nil)
	got, out := s.get(t, &s3.GetObjectInput{Key: aws.String("empty")})
	equal(t, 0, len(got))
	equal(t, int64(0), aws.ToInt64(out.ContentLength))
	equal(t, tag, aws.ToString(out.ETag))
}

// If-Match lets only that version through, If-None-Match all but that one.
func testPreconditions(t *testing.T, s *suite) {
	key, data := "k", pattern(100)
	tag := s.put(t, key, data)
	other := etag([]byte("other"))
	got, _ := s.get(t, &s3.GetObjectInput{Key: &key, IfMatch: &tag, Range: aws.String("bytes=1-2")})
	same(t, data[1:3], got)
	got, _ = s.get(t, &s3.GetObjectInput{Key: &key, IfNoneMatch: &other})
	same(t, data, got)
	_, err := s.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: &key, IfMatch: &other})
	refused(t, err, http.StatusPreconditionFailed, "PreconditionFailed")
	resp := s.do(t, http.MethodGet, "/"+s.Bucket+"/k", map[string]string{"If-None-Match": tag}, nil)
	equal(t, http.StatusNotModified, resp.StatusCode)
}

// The last put wins, a deleted object is gone, and deleting nothing is no error.
func testOverwrite(t *testing.T, s *suite) {
	key := "k"
	s.put(t, key, []byte("one"))
	s.put(t, key, []byte("second"))
	got, _ := s.get(t, &s3.GetObjectInput{Key: &key})
	same(t, []byte("second"), got)
	for range 2 {
		must(s.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &s.Bucket, Key: &key}))(t)
		_, err := s.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: &key})
		refused(t, err, http.StatusNotFound, "NoSuchKey")
	}
}

// What is not there is a 404 that says what is missing, in every operation.
func testMissing(t *testing.T, s *suite) {
	ctx, nobucket, key := t.Context(), s.Bucket+"-missing", "missing"
	_, err := s.GetObject(ctx, &s3.GetObjectInput{Bucket: &nobucket, Key: &key})
	refused(t, err, http.StatusNotFound, "NoSuchBucket")
	_, err = s.PutObject(ctx, &s3.PutObjectInput{Bucket: &nobucket, Key: &key, Body: strings.NewReader("x")})
	refused(t, err, http.StatusNotFound, "NoSuchBucket")
	_, err = s.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &nobucket, Key: &key})
	refused(t, err, http.StatusNotFound, "NoSuchBucket")
	_, err = s.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &nobucket})
	refused(t, err, http.StatusNotFound, "NoSuchBucket")
	_, err = s.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &nobucket, Key: &key})
	refused(t, err, http.StatusNotFound, "NoSuchBucket")
	for _, bucket := range []string{s.Bucket, nobucket} {
		_, err = s.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
		refused(t, err, http.StatusNotFound, "NotFound", "NoSuchBucket") // MinIO sends the code in a header
	}
	_, err = s.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.Bucket, Key: &key})
	refused(t, err, http.StatusNotFound, "NoSuchKey")
	resp := s.do(t, http.MethodGet, "/"+s.Bucket+"/missing", nil, nil)
	body := string(must(io.ReadAll(resp.Body))(t))
	if !strings.Contains(body, "<Code>NoSuchKey</Code>") || resp.Header.Get("x-amz-request-id") == "" {
		t.Errorf("an error without code or id: %v %s", resp.Header, body)
	}
}

// A key is any text: what it was put as is what it is got, headed, copied and deleted as.
func testKeys(t *testing.T, s *suite) {
	for _, key := range oddNames {
		data := []byte("data of " + key)
		s.put(t, key, data)
		got, _ := s.get(t, &s3.GetObjectInput{Key: &key})
		same(t, data, got)
		head := must(s.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &s.Bucket, Key: &key}))(t)
		equal(t, int64(len(data)), aws.ToInt64(head.ContentLength))
		must(s.CopyObject(t.Context(), &s3.CopyObjectInput{
			Bucket: &s.Bucket, Key: aws.String("copy/" + key), CopySource: source(s.Bucket, key),
		}))(t)
		got, _ = s.get(t, &s3.GetObjectInput{Key: aws.String("copy/" + key)})
		same(t, data, got)
		must(s.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &s.Bucket, Key: &key}))(t)
		_, err := s.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: &key})
		refused(t, err, http.StatusNotFound, "NoSuchKey")
	}
}

// source is a bucket and key as x-amz-copy-source wants them.
func source(bucket, key string) *string {
	return aws.String(bucket + "/" + strings.ReplaceAll(url.QueryEscape(key), "+", "%20"))
}

// Two spellings of a path are one key, and "%2F" is a slash; which of them a client sends is its own affair.
func testRawPaths(t *testing.T, s *suite) {
	for _, c := range []struct{ path, key string }{
		{"%61b", "ab"},
		{"a%2Fb", "a/b"},
		{"a+b", "a+b"},
		{"a%2Bb", "a+b"},
		{"a%2520b", "a%20b"},
		{"(x)!*'", "(x)!*'"},
		{"%28x%29%21%2A%27", "(x)!*'"},
		{"%e6%97%a5", "日"},
	} {
		resp := s.do(t, http.MethodPut, "/"+s.Bucket+"/"+c.path, nil, []byte(c.path))
		equal(t, http.StatusOK, resp.StatusCode)
		got, _ := s.get(t, &s3.GetObjectInput{Key: &c.key})
		same(t, []byte(c.path), got)
	}
}

// A body that comes in chunks with a checksum behind it is stored without chunks and checksum.
func testChunkedBody(t *testing.T, s *suite) {
	for name, n := range map[string]int{"one chunk": 1000, "several": 200_000, "none": 0} {
		data := pattern(n)
		body, header := chunked(data, checksum(data))
		resp := s.do(t, http.MethodPut, "/"+s.Bucket+"/k", header, body)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s: %s", name, resp.Status, must(io.ReadAll(resp.Body))(t))
		}
		equal(t, etag(data), resp.Header.Get("ETag"))
		got, _ := s.get(t, &s3.GetObjectInput{Key: aws.String("k")})
		same(t, data, got)
	}
}

// chunked is data as aws-chunked with an unsigned trailer, 64 KiB a chunk, and the headers that say so.
func chunked(data []byte, crc string) ([]byte, map[string]string) {
	var b bytes.Buffer
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 64<<10)
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, rest[:n])
		rest = rest[n:]
	}
	fmt.Fprintf(&b, "0\r\nx-amz-checksum-crc32:%s\r\n\r\n", crc)
	return b.Bytes(), map[string]string{
		"Content-Encoding": "aws-chunked", "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		"x-amz-decoded-content-length": strconv.Itoa(len(data)), "x-amz-trailer": "x-amz-checksum-crc32",
	}
}

func checksum(data []byte) string {
	sum := crc32.ChecksumIEEE(data)
	return base64.StdEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

// Data that is not what its checksum says is refused and not stored.
func testWrongChecksum(t *testing.T, s *suite) {
	_, err := s.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &s.Bucket, Key: aws.String("k"), Body: strings.NewReader("data"), ChecksumCRC32: aws.String(checksum([]byte("other"))),
	})
	refused(t, err, http.StatusBadRequest, "BadDigest", "XAmzContentChecksumMismatch") // MinIO's own code
	body, header := chunked([]byte("data"), checksum([]byte("other")))
	resp := s.do(t, http.MethodPut, "/"+s.Bucket+"/k", header, body)
	equal(t, http.StatusBadRequest, resp.StatusCode)
	_, err = s.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: aws.String("k")})
	refused(t, err, http.StatusNotFound, "NoSuchKey")
}

// The storage class is kept; HEAD is silent about STANDARD. MinIO knows only two classes.
func testStorageClass(t *testing.T, s *suite) {
	for class, said := range map[types.StorageClass]types.StorageClass{
		"": "", types.StorageClassStandard: "", types.StorageClassReducedRedundancy: types.StorageClassReducedRedundancy,
	} {
		must(s.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &s.Bucket, Key: aws.String("k"), Body: strings.NewReader("x"), StorageClass: class,
		}))(t)
		head := must(s.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &s.Bucket, Key: aws.String("k")}))(t)
		equal(t, said, head.StorageClass)
	}
	_, err := s.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &s.Bucket, Key: aws.String("k"), Body: strings.NewReader("x"), StorageClass: "NO_SUCH_CLASS",
	})
	refused(t, err, http.StatusBadRequest, "InvalidStorageClass")
	_, err = s.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{
		Bucket: &s.Bucket, Key: aws.String("k"), StorageClass: "NO_SUCH_CLASS",
	})
	refused(t, err, http.StatusBadRequest, "InvalidStorageClass")
}

// A copy has the bytes and the ETag, and is no longer its source.
func testCopy(t *testing.T, s *suite) {
	data := pattern(5000)
	tag := s.put(t, "from", data)
	for _, lead := range []string{"", "/"} {
		out := must(s.CopyObject(t.Context(), &s3.CopyObjectInput{
			Bucket: &s.Bucket, Key: aws.String("to"), CopySource: aws.String(lead + s.Bucket + "/from"), CopySourceIfMatch: &tag,
		}))(t)
		equal(t, tag, aws.ToString(out.CopyObjectResult.ETag))
	}
	must(s.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &s.Bucket, Key: aws.String("from")}))(t)
	got, _ := s.get(t, &s3.GetObjectInput{Key: aws.String("to")})
	same(t, data, got)
}

// A copy of nothing, of another version or onto itself is refused.
func testCopyRefused(t *testing.T, s *suite) {
	s.put(t, "k", []byte("data"))
	for _, c := range []struct {
		source, ifMatch *string
		status          int
		code            string
	}{
		{source(s.Bucket, "missing"), nil, http.StatusNotFound, "NoSuchKey"},
		{source(s.Bucket+"-missing", "k"), nil, http.StatusNotFound, "NoSuchBucket"},
		{source(s.Bucket, "k"), aws.String(etag(nil)), http.StatusPreconditionFailed, "PreconditionFailed"},
	} {
		_, err := s.CopyObject(t.Context(), &s3.CopyObjectInput{
			Bucket: &s.Bucket, Key: aws.String("to"), CopySource: c.source, CopySourceIfMatch: c.ifMatch,
		})
		refused(t, err, c.status, c.code)
	}
	_, err := s.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: &s.Bucket, Key: aws.String("k"), CopySource: source(s.Bucket, "k")})
	refused(t, err, http.StatusBadRequest, "InvalidRequest")
}
