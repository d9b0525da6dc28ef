package conformance

// lists.go owns: what is asked of lists of objects, and of buckets.
// It refuses to know: what is in the objects.

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// fill puts small objects.
func (s *suite) fill(t *testing.T, keys ...string) {
	t.Helper()
	for _, key := range keys {
		s.put(t, key, []byte("x"))
	}
}

// Pages of any size add up to all keys with the prefix, in the order of their bytes, full but for the last.
func testListPages(t *testing.T, s *suite) {
	var all []string
	for i := range 7 {
		all = append(all, fmt.Sprintf("a/%d", i), fmt.Sprintf("a%d", i), fmt.Sprintf("é%d", i))
	}
	s.fill(t, all...)
	slices.Sort(all)
	for _, prefix := range []string{"", "a", "a/", "é", "zzz"} {
		var want []string
		for _, key := range all {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		for _, max := range []int32{1, 2, 7, 1000, 5000} {
			got, prefixes, sizes := s.list(t, &s3.ListObjectsV2Input{Prefix: &prefix, MaxKeys: &max})
			equal(t, want, got)
			equal(t, 0, len(prefixes))
			for _, n := range sizes[:len(sizes)-1] {
				equal(t, int(max), n)
			}
			// An empty page at the end is not asserted: S3 sends none, MinIO does where the last full page was the end.
		}
	}
	out := must(s.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &s.Bucket, MaxKeys: aws.Int32(0)}))(t)
	equal(t, 0, len(out.Contents))
	equal(t, false, aws.ToBool(out.IsTruncated))
}

// With a delimiter a common prefix stands for all keys behind it, once, and counts as one entry of a page.
func testListDelimiter(t *testing.T, s *suite) {
	// Only "/": MinIO never ends a listing with "/d/". And no key that is also a "directory": MinIO hides what is in it.
	s.fill(t, "a/1", "a/2", "a/b/3", "a.txt", "b/1", "c/d/e", "d")
	delimiter := "/"
	for _, c := range []struct {
		prefix         string
		keys, prefixes []string
	}{
		{"", []string{"a.txt", "d"}, []string{"a/", "b/", "c/"}},
		{"a/", []string{"a/1", "a/2"}, []string{"a/b/"}},
		{"a", []string{"a.txt"}, []string{"a/"}},
		{"c", nil, []string{"c/"}},
		{"c/d/e", []string{"c/d/e"}, nil},
		{"x", nil, nil},
	} {
		for max := int32(1); max < 9; max++ {
			keys, prefixes, sizes := s.list(t, &s3.ListObjectsV2Input{Prefix: &c.prefix, Delimiter: &delimiter, MaxKeys: &max})
			equal(t, c.keys, keys)
			equal(t, c.prefixes, prefixes)
			for _, n := range sizes[:len(sizes)-1] {
				equal(t, int(max), n)
			}
		}
	}
}

func testStartAfter(t *testing.T, s *suite) {
	s.fill(t, "a", "b", "c", "d")
	for after, want := range map[string][]string{
		"": {"a", "b", "c", "d"}, "a": {"b", "c", "d"}, "aa": {"b", "c", "d"}, "c": {"d"}, "d": nil, "z": nil,
	} {
		got, _, _ := s.list(t, &s3.ListObjectsV2Input{StartAfter: &after, MaxKeys: aws.Int32(1)})
		equal(t, want, got)
	}
}

// A list says of an object what HEAD says, and its class even if that is STANDARD.
func testListFields(t *testing.T, s *suite) {
	tag := s.put(t, "k", pattern(1234))
	head := must(s.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &s.Bucket, Key: aws.String("k")}))(t)
	out := must(s.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &s.Bucket}))(t)
	equal(t, 1, len(out.Contents))
	o := out.Contents[0]
	equal(t, tag, aws.ToString(o.ETag))
	equal(t, int64(1234), aws.ToInt64(o.Size))
	equal(t, types.ObjectStorageClassStandard, o.StorageClass)
	equal(t, aws.ToTime(head.LastModified).Unix(), aws.ToTime(o.LastModified).Truncate(time.Second).Unix())
	equal(t, s.Bucket, aws.ToString(out.Name))
	equal(t, int32(1000), aws.ToInt32(out.MaxKeys))
}

// Names come out of a list as they went in, as keys and as prefixes, page by page.
func testListOddNames(t *testing.T, s *suite) {
	s.fill(t, oddNames...)
	want := slices.Sorted(slices.Values(oddNames))
	got, _, _ := s.list(t, &s3.ListObjectsV2Input{MaxKeys: aws.Int32(4)})
	equal(t, want, got)
	for _, name := range oddNames {
		keys, _, _ := s.list(t, &s3.ListObjectsV2Input{Prefix: &name})
		if !slices.Contains(keys, name) {
			t.Errorf("prefix %q does not find %q but %q", name, name, keys)
		}
	}
}

// encoding-type=url sends names in a form that undoes to them.
func testListURLEncoding(t *testing.T, s *suite) {
	names := append([]string{"new\nline", "tab\tbed"}, oddNames...)
	s.fill(t, names...)
	resp := s.do(t, http.MethodGet, "/"+s.Bucket+"?encoding-type=url&list-type=2", nil, nil)
	var page struct {
		EncodingType string
		Contents     []struct{ Key string }
	}
	if err := xml.Unmarshal(must(io.ReadAll(resp.Body))(t), &page); err != nil {
		t.Fatal(err)
	}
	equal(t, "url", page.EncodingType)
	var got []string
	for _, o := range page.Contents {
		got = append(got, must(url.QueryUnescape(o.Key))(t))
	}
	equal(t, slices.Sorted(slices.Values(names)), got)
}

// A list that cannot be made is refused.
func testListRefused(t *testing.T, s *suite) {
	for _, query := range []string{"max-keys=-1", "max-keys=x", "encoding-type=base64"} {
		resp := s.do(t, http.MethodGet, "/"+s.Bucket+"?"+strings.ReplaceAll("list-type=2&"+query, " ", ""), nil, nil)
		equal(t, http.StatusBadRequest, resp.StatusCode)
		if body := string(must(io.ReadAll(resp.Body))(t)); !strings.Contains(body, "<Code>InvalidArgument</Code>") {
			t.Errorf("%s: %s", query, body)
		}
	}
}

// A bucket can be made once, is there while it has objects, and is gone when it is deleted.
func testBuckets(t *testing.T, s *suite) {
	ctx, name := t.Context(), s.Bucket+"-life"
	must(s.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}))(t)
	_, err := s.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name})
	refused(t, err, http.StatusConflict, "BucketAlreadyOwnedByYou")
	must(s.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name}))(t)
	must(s.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: &name}))(t)
	listed := must(s.ListBuckets(ctx, &s3.ListBucketsInput{}))(t)
	var names []string
	for _, b := range listed.Buckets {
		names = append(names, aws.ToString(b.Name))
	}
	for _, want := range []string{s.Bucket, name} {
		if !slices.Contains(names, want) {
			t.Errorf("no %q in %q", want, names)
		}
	}
	must(s.PutObject(ctx, &s3.PutObjectInput{Bucket: &name, Key: aws.String("k"), Body: strings.NewReader("x")}))(t)
	_, err = s.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name})
	refused(t, err, http.StatusConflict, "BucketNotEmpty")
	must(s.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &name, Key: aws.String("k")}))(t)
	must(s.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name}))(t)
	_, err = s.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name})
	refused(t, err, http.StatusNotFound, "NotFound", "NoSuchBucket")
	_, err = s.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name})
	refused(t, err, http.StatusNotFound, "NoSuchBucket")
	_, err = s.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("X_y")})
	refused(t, err, http.StatusBadRequest, "InvalidBucketName")
}
