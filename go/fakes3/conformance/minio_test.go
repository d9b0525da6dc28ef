package conformance_test

// minio_test.go owns: running the suite against a MinIO that somebody else has started.
// It refuses to know: fakes3.

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"s3engine/fakes3/conformance"
)

// The suite asks nothing that only fakes3 does.
func TestMinIO(t *testing.T) {
	endpoint := os.Getenv("S3E_TEST_MINIO_ENDPOINT")
	if endpoint == "" {
		t.Skip("no MinIO: S3E_TEST_MINIO_ENDPOINT is not set (build.py test starts one and sets it)")
	}
	target := conformance.Target{
		Endpoint:  strings.TrimSuffix(endpoint, "/"), // A bucket of its own, so that a run that was killed is not in the next one's way.
		Bucket:    fmt.Sprintf("conformance-%d", time.Now().UnixNano()),
		AccessKey: os.Getenv("S3E_TEST_MINIO_ACCESS_KEY"), SecretKey: os.Getenv("S3E_TEST_MINIO_SECRET_KEY"),
	}
	client := s3.New(s3.Options{
		BaseEndpoint: &target.Endpoint, Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(target.AccessKey, target.SecretKey, ""),
	})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(target.Bucket)}); err != nil {
		t.Fatal(err)
	}
	conformance.Run(t, target) // which leaves the bucket empty
	if _, err := client.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: aws.String(target.Bucket)}); err != nil {
		t.Error(err)
	}
}
