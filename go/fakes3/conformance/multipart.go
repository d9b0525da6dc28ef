package conformance

// multipart.go owns: what is asked of uploads in parts.
// It refuses to know: whole objects, lists of them.

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const minPart = 5 << 20

// begin creates an upload.
func (s *suite) begin(t *testing.T, key string) *string {
	t.Helper()
	return must(s.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &s.Bucket, Key: &key}))(t).UploadId
}

// part uploads a part and is what completing will need of it.
func (s *suite) part(t *testing.T, key string, id *string, n int32, data []byte) types.CompletedPart {
	t.Helper()
	out := must(s.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: &s.Bucket, Key: &key, UploadId: id, PartNumber: &n, Body: bytes.NewReader(data),
	}))(t)
	equal(t, etag(data), aws.ToString(out.ETag))
	return types.CompletedPart{PartNumber: &n, ETag: out.ETag}
}

func (s *suite) complete(t *testing.T, key string, id *string, parts ...types.CompletedPart) (*s3.CompleteMultipartUploadOutput, error) {
	t.Helper()
	return s.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: &s.Bucket, Key: &key, UploadId: id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
}

// uploads are the ids of the uploads of that very key: MinIO takes a prefix only if it is one.
func (s *suite) uploads(t *testing.T, key string) (ids []string) {
	t.Helper()
	out := must(s.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &s.Bucket, Prefix: &key}))(t)
	for _, u := range out.Uploads {
		equal(t, key, aws.ToString(u.Key))
		ids = append(ids, aws.ToString(u.UploadId))
	}
	return ids
}

// Parts in any order become one object in the order of their numbers, visible once complete; a part put again is the last
// one; and its ETag is that of the ETags.
func testMultipart(t *testing.T, s *suite) {
	key, data := "dir/k", pattern(2*minPart+1000)
	one, two, three := data[:minPart], data[minPart:2*minPart+7], data[2*minPart+7:]
	id := s.begin(t, key)
	equal(t, []string{*id}, s.uploads(t, key))
	p9 := s.part(t, key, id, 9, three)
	s.part(t, key, id, 2, []byte("a first try"))
	p2 := s.part(t, key, id, 2, one)
	p5 := s.part(t, key, id, 5, two)
	_, err := s.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: &key})
	refused(t, err, http.StatusNotFound, "NoSuchKey")

	listed := must(s.ListParts(t.Context(), &s3.ListPartsInput{Bucket: &s.Bucket, Key: &key, UploadId: id}))(t)
	var seen []string
	for _, p := range listed.Parts {
		seen = append(seen, fmt.Sprint(*p.PartNumber, *p.Size, *p.ETag))
	}
	equal(t, []string{
		fmt.Sprint(2, len(one), etag(one)), fmt.Sprint(5, len(two), etag(two)), fmt.Sprint(9, len(three), etag(three)),
	}, seen)

	out := must(s.complete(t, key, id, p2, p5, p9))(t)
	equal(t, joined(one, two, three), aws.ToString(out.ETag))
	equal(t, 0, len(s.uploads(t, key)))
	got, answer := s.get(t, &s3.GetObjectInput{Key: &key})
	same(t, data, got)
	equal(t, aws.ToString(out.ETag), aws.ToString(answer.ETag))
	got, _ = s.get(t, &s3.GetObjectInput{Key: &key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", minPart-1, 2*minPart+7))})
	same(t, data[minPart-1:2*minPart+8], got) // across all three
}

// joined is the ETag of an upload in these parts.
func joined(parts ...[]byte) string {
	h := md5.New()
	for _, p := range parts {
		sum := md5.Sum(p)
		h.Write(sum[:])
	}
	return fmt.Sprintf(`"%x-%d"`, h.Sum(nil), len(parts))
}

// An upload that does not add up is refused, and can still be put right.
func testMultipartRefused(t *testing.T, s *suite) {
	key, data := "k", pattern(minPart)
	id := s.begin(t, key)
	p1, p2, p3 := s.part(t, key, id, 1, data), s.part(t, key, id, 2, []byte("small")), s.part(t, key, id, 3, []byte("last"))
	other := types.CompletedPart{PartNumber: aws.Int32(1), ETag: aws.String(etag(nil))}
	absent := types.CompletedPart{PartNumber: aws.Int32(7), ETag: aws.String(etag(nil))}
	for _, c := range []struct {
		code  string
		parts []types.CompletedPart
	}{
		{"InvalidPartOrder", []types.CompletedPart{p1, p3, p1}},
		{"InvalidPart", []types.CompletedPart{other}},
		{"InvalidPart", []types.CompletedPart{p1, absent}},
		{"EntityTooSmall", []types.CompletedPart{p1, p2, p3}},
		{"MalformedXML", nil}, // MinIO: InvalidRequest, as S3 for no body at all
	} {
		_, err := s.complete(t, key, id, c.parts...)
		if c.parts == nil {
			refused(t, err, http.StatusBadRequest, c.code, "InvalidRequest")
		} else {
			refused(t, err, http.StatusBadRequest, c.code)
		}
	}
	resp := s.do(t, http.MethodPost, "/"+s.Bucket+"/k?uploadId="+*id, nil, []byte("no xml"))
	equal(t, http.StatusBadRequest, resp.StatusCode)
	_, err := s.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: &s.Bucket, Key: &key, UploadId: id, PartNumber: aws.Int32(10_001), Body: bytes.NewReader(data[:1]),
	})
	refused(t, err, http.StatusBadRequest, "InvalidArgument")
	must(s.complete(t, key, id, p1, p3))(t) // the small part left out
	got, _ := s.get(t, &s3.GetObjectInput{Key: &key})
	same(t, append(bytes.Clone(data), "last"...), got)
}

// An aborted upload is gone, parts and all, and leaves the object that was there before.
func testAbort(t *testing.T, s *suite) {
	key := "k"
	s.put(t, key, []byte("before"))
	id := s.begin(t, key)
	part := s.part(t, key, id, 1, []byte("never seen"))
	must(s.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: &s.Bucket, Key: &key, UploadId: id}))(t)
	equal(t, 0, len(s.uploads(t, key)))
	_, err := s.complete(t, key, id, part)
	refused(t, err, http.StatusNotFound, "NoSuchUpload")
	_, err = s.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: &s.Bucket, Key: &key, UploadId: id, PartNumber: aws.Int32(1), Body: bytes.NewReader([]byte("late")),
	})
	refused(t, err, http.StatusNotFound, "NoSuchUpload")
	_, err = s.ListParts(t.Context(), &s3.ListPartsInput{Bucket: &s.Bucket, Key: &key, UploadId: id})
	refused(t, err, http.StatusNotFound, "NoSuchUpload")
	got, _ := s.get(t, &s3.GetObjectInput{Key: &key})
	same(t, []byte("before"), got)
	// Aborting again is not asserted: S3 answers NoSuchUpload, and so does MinIO unless it has already swept up.
}

// Parts can be ranges of objects, and can be got one by one. (Of parts numbered with gaps MinIO goes by the numbers of the
// upload; S3's documentation does not say, so nothing is asked of them.)
func testCopiedParts(t *testing.T, s *suite) {
	data := pattern(minPart + 3000)
	tag := s.put(t, "from", data)
	id := s.begin(t, "to")
	var parts []types.CompletedPart
	for n, span := range []string{fmt.Sprintf("bytes=%d-%d", 1000, minPart+999), "bytes=5-9"} {
		out := must(s.UploadPartCopy(t.Context(), &s3.UploadPartCopyInput{
			Bucket: &s.Bucket, Key: aws.String("to"), UploadId: id, PartNumber: aws.Int32(int32(n + 1)),
			CopySource: source(s.Bucket, "from"), CopySourceRange: &span, CopySourceIfMatch: &tag,
		}))(t)
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(int32(n + 1)), ETag: out.CopyPartResult.ETag})
	}
	_, err := s.UploadPartCopy(t.Context(), &s3.UploadPartCopyInput{
		Bucket: &s.Bucket, Key: aws.String("to"), UploadId: id, PartNumber: aws.Int32(3),
		CopySource: source(s.Bucket, "from"), CopySourceIfMatch: aws.String(etag(nil)),
	})
	refused(t, err, http.StatusPreconditionFailed, "PreconditionFailed")
	_, err = s.UploadPartCopy(t.Context(), &s3.UploadPartCopyInput{
		Bucket: &s.Bucket, Key: aws.String("to"), UploadId: id, PartNumber: aws.Int32(3),
		CopySource: source(s.Bucket, "from"), CopySourceRange: aws.String(fmt.Sprintf("bytes=0-%d", len(data))),
	})
	refused(t, err, http.StatusBadRequest, "InvalidArgument", "InvalidRange")
	must(s.complete(t, "to", id, parts...))(t)
	got, _ := s.get(t, &s3.GetObjectInput{Key: aws.String("to")})
	same(t, append(bytes.Clone(data[1000:minPart+1000]), data[5:10]...), got)
	for i, part := range [][]byte{data[1000 : minPart+1000], data[5:10]} {
		got, answer := s.get(t, &s3.GetObjectInput{Key: aws.String("to"), PartNumber: aws.Int32(int32(i + 1))})
		same(t, part, got)
		equal(t, int32(2), aws.ToInt32(answer.PartsCount))
	}
	_, err = s.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: aws.String("to"), PartNumber: aws.Int32(3)})
	refused(t, err, http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber")
}
