// Package conformance is what an S3 must do for this project's tests to mean anything: fakes3 and MinIO both pass it.
//
// suite.go owns: the target, the clients (the SDK, and signed requests where the SDK is too well-behaved) and helpers.
// It refuses to know: what kind of S3 the target is. A point on which MinIO and S3 differ is not asserted; S3's documented
// behaviour is then pinned in fakes3's own tests, and a comment here says which point and why.
package conformance

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/encoding/httpbinding"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Target is an S3 to be tested.
type Target struct {
	Endpoint string       // http://host:port, no path
	HTTP     *http.Client // nil: http.DefaultClient
	Bucket   string       // exists, and is the suite's to fill and empty
	// Signing; "" for a target that does not look.
	AccessKey, SecretKey, Region string
	// Reset empties the bucket; nil: the suite does it by the protocol.
	Reset func()
}

// Run tests the target.
func Run(t *testing.T, target Target) {
	s := newSuite(target)
	for _, c := range []struct {
		name string
		test func(*testing.T, *suite)
	}{
		{"objects/put then get and head", testPutGet},
		{"objects/ranges", testRanges},
		{"objects/unsatisfiable ranges", testUnsatisfiable},
		{"objects/empty", testEmpty},
		{"objects/preconditions", testPreconditions},
		{"objects/overwrite and delete", testOverwrite},
		{"objects/missing", testMissing},
		{"objects/keys", testKeys},
		{"objects/raw paths", testRawPaths},
		{"objects/chunked body", testChunkedBody},
		{"objects/wrong checksum", testWrongChecksum},
		{"objects/storage class", testStorageClass},
		{"copy/object", testCopy},
		{"copy/refused", testCopyRefused},
		{"multipart/three parts", testMultipart},
		{"multipart/refused", testMultipartRefused},
		{"multipart/abort", testAbort},
		{"multipart/copied parts", testCopiedParts},
		{"list/pages", testListPages},
		{"list/delimiter", testListDelimiter},
		{"list/start after", testStartAfter},
		{"list/what it says of an object", testListFields},
		{"list/odd names", testListOddNames},
		{"list/url encoding", testListURLEncoding},
		{"list/refused", testListRefused},
		{"buckets/life", testBuckets},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.reset(t)
			c.test(t, s)
		})
	}
	s.reset(t)
}

// suite is a target with clients for it.
type suite struct {
	Target
	*s3.Client
}

func newSuite(target Target) *suite {
	if target.HTTP == nil {
		target.HTTP = http.DefaultClient
	}
	for field, value := range map[*string]string{
		&target.AccessKey: "access", &target.SecretKey: "secret", &target.Region: "us-east-1",
	} {
		if *field == "" {
			*field = value
		}
	}
	return &suite{target, s3.New(s3.Options{
		BaseEndpoint: &target.Endpoint, Region: target.Region, UsePathStyle: true, HTTPClient: target.HTTP,
		Credentials:      credentials.NewStaticCredentialsProvider(target.AccessKey, target.SecretKey, ""),
		RetryMaxAttempts: 1,
	})}
}

// reset empties the bucket.
func (s *suite) reset(t *testing.T) {
	t.Helper()
	if s.Reset != nil {
		s.Reset()
		return
	}
	uploads := must(s.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &s.Bucket}))(t)
	for _, u := range uploads.Uploads {
		must(s.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{
			Bucket: &s.Bucket, Key: u.Key, UploadId: u.UploadId,
		}))(t)
	}
	keys, _, _ := s.list(t, &s3.ListObjectsV2Input{})
	for _, key := range keys {
		must(s.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &s.Bucket, Key: &key}))(t)
	}
}

// must is for calls that have to succeed: must(call(…))(t).
func must[T any](out T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// put stores data, and checks that what comes back is its ETag.
func (s *suite) put(t *testing.T, key string, data []byte) string {
	t.Helper()
	out := must(s.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.Bucket, Key: &key, Body: bytes.NewReader(data)}))(t)
	equal(t, etag(data), aws.ToString(out.ETag))
	return *out.ETag
}

// get is the object's bytes.
func (s *suite) get(t *testing.T, in *s3.GetObjectInput) ([]byte, *s3.GetObjectOutput) {
	t.Helper()
	in.Bucket = &s.Bucket
	out := must(s.GetObject(t.Context(), in))(t)
	defer func() { _ = out.Body.Close() }()
	return must(io.ReadAll(out.Body))(t), out
}

// list is all pages of a listing, with the number of entries on each.
func (s *suite) list(t *testing.T, in *s3.ListObjectsV2Input) (keys, prefixes []string, sizes []int) {
	t.Helper()
	in.Bucket = &s.Bucket
	for {
		out := must(s.ListObjectsV2(t.Context(), in))(t)
		for _, o := range out.Contents {
			keys = append(keys, aws.ToString(o.Key))
		}
		for _, p := range out.CommonPrefixes {
			prefixes = append(prefixes, aws.ToString(p.Prefix))
		}
		n := len(out.Contents) + len(out.CommonPrefixes)
		equal(t, n, int(aws.ToInt32(out.KeyCount)))
		sizes = append(sizes, n)
		equal(t, aws.ToBool(out.IsTruncated), out.NextContinuationToken != nil)
		if out.NextContinuationToken == nil {
			return keys, prefixes, sizes
		}
		if len(sizes) > 1000 {
			t.Fatalf("pages without end: %v, prefix %q, delimiter %q", sizes[:8], aws.ToString(in.Prefix), aws.ToString(in.Delimiter))
		}
		in.ContinuationToken = out.NextContinuationToken
	}
}

// do sends a request that the SDK would not, signed: target is everything after the host, as it goes on the wire.
func (s *suite) do(t *testing.T, method, target string, header map[string]string, body []byte) *http.Response {
	t.Helper()
	u := must(url.Parse(s.Endpoint + target))(t)
	req := must(http.NewRequestWithContext(t.Context(), method, u.String(), bytes.NewReader(body)))(t)
	req.URL = u
	for name, value := range header {
		req.Header.Set(name, value)
	}
	hash := "UNSIGNED-PAYLOAD"
	if v := req.Header.Get("x-amz-content-sha256"); v != "" {
		hash = v
	}
	req.Header.Set("x-amz-content-sha256", hash)
	// The signature is over the path as AWS spells it, whatever the spelling on the wire.
	signed := req.Clone(t.Context())
	signed.URL.RawPath = httpbinding.EscapePath(u.Path, false)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	keys := aws.Credentials{AccessKeyID: s.AccessKey, SecretAccessKey: s.SecretKey}
	if err := signer.SignHTTP(t.Context(), keys, signed, hash, "s3", s.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	req.Header = signed.Header
	resp := must(s.HTTP.Do(req))(t)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// refused checks that a call failed with this code and status. A HEAD's answer has no body and so no code but "NotFound".
func refused(t *testing.T, err error, status int, codes ...string) {
	t.Helper()
	var api smithy.APIError
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &api) || !errors.As(err, &answer) {
		t.Fatalf("want %d %v, got: %v", status, codes, err)
	}
	if answer.HTTPStatusCode() != status {
		t.Errorf("want %d %v, got: %v", status, codes, err)
	}
	for _, code := range codes {
		if code == api.ErrorCode() {
			return
		}
	}
	t.Errorf("want %d %v, got: %v", status, codes, err)
}

// equal fails the test unless want is what it got.
func equal[T any](t *testing.T, want, got T) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		t.Errorf("want %#v, got %#v", want, got)
	}
}

// same is equal for contents, which are too long to print.
func same(t *testing.T, want, got []byte) {
	t.Helper()
	if !bytes.Equal(want, got) {
		t.Errorf("want %d bytes, got %d others", len(want), len(got))
	}
}

// etag is the ETag of data put in one go.
func etag(data []byte) string {
	sum := md5.Sum(data)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

// pattern is n bytes no two stretches of which are alike.
func pattern(n int) []byte {
	out := make([]byte, n)
	x := uint32(2463534242)
	for i := range out { // xorshift32
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		out[i] = byte(x)
	}
	return out
}

// oddNames are names that get lost where somebody trims, splits, decodes twice or not at all. Names with a leading "/",
// "//", "." or ".." and control characters are not here: MinIO keeps objects in a file system and refuses them.
var oddNames = []string{
	" ", " lead", "trail ", "a b", "a+b", "a%b", "a%20b", "a%2Fb", "a&b", "a=b", "a?b", "a#b", "a;b", "a,b", "a:b", "a@b", "a$b",
	"a!b", "a~b", "a'b", `a"b`, "a(b)", "a[b]", "a{b}", "a<b>", "a*b", "a^b", "a|b", "a`b", "é", "日本語", "😀", "\u00a0",
	"\u2028", "x/y/z", "dir/file.name", strings.Repeat("k", 200),
}
