// This file owns server-side copies: one request below 1 GiB, a multipart copy from there on. It refuses to know the caller.

package engine

import (
	"context"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// CopyRequest copies an object. SrcKey may be percent-encoded already, as s3torchconnector gives it, or plain (sourceKey).
type CopyRequest struct {
	SrcBucket string `json:"src_bucket"`
	SrcKey    string `json:"src_key"`
	DstBucket string `json:"dst_bucket"`
	DstKey    string `json:"dst_key"`
}

func (c *Client) startCopy(r CopyRequest) (Op, *Error) {
	return c.simple("copy", "copy_object", r.SrcBucket, r.SrcKey, func(ctx context.Context) (any, error) {
		return struct{}{}, c.copy(slow(ctx), r)
	})
}

func (c *Client) copy(ctx context.Context, r CopyRequest) error {
	plain, escaped := sourceKey(r.SrcKey)
	source := r.SrcBucket + "/" + escaped
	if c.cfg.MockRules { // the mock's one store ignores buckets in copies, so a HEAD would miss what the copy finds
		return c.copyWhole(ctx, r, source)
	}
	head, err := c.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &r.SrcBucket, Key: &plain})
	if err != nil {
		return err
	}
	if size := aws.ToInt64(head.ContentLength); size >= copyWhole {
		return c.copyParts(ctx, r, source, size, head)
	}
	return c.copyWhole(ctx, r, source)
}

func (c *Client) copyWhole(ctx context.Context, r CopyRequest, source string) error {
	for attempt := 1; ; attempt++ {
		out, err := c.s3.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &r.DstBucket, Key: &r.DstKey, CopySource: &source})
		if err != nil {
			return err
		}
		if out.CopyObjectResult != nil && aws.ToString(out.CopyObjectResult.ETag) != "" {
			return nil
		}
		// A 200 without the result: the answer was cut off, and a caller who renames would now delete the source.
		err = fmt.Errorf("CopyObject was answered without an ETag: %w", errShort)
		if err := c.retrier.again(ctx, attempt, false, err); err != nil {
			return err
		}
	}
}

// copyParts keeps what a single CopyObject would keep of the metadata; upstream loses it.
func (c *Client) copyParts(ctx context.Context, r CopyRequest, source string, size int64, head *s3.HeadObjectOutput) error {
	id, err := c.createUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &r.DstBucket, Key: &r.DstKey, Metadata: head.Metadata, ContentType: head.ContentType,
		CacheControl: head.CacheControl, ContentDisposition: head.ContentDisposition,
		ContentEncoding: head.ContentEncoding, ContentLanguage: head.ContentLanguage,
	})
	if err != nil {
		return err
	}
	target := objectRef{r.DstBucket, r.DstKey}
	if err := c.copySpansInto(ctx, target, id, source, copySpans(size), head.ETag); err != nil {
		c.abortUpload(context.WithoutCancel(ctx), target, id)
		return err
	}
	return nil
}

func (c *Client) copySpansInto(ctx context.Context, target objectRef, id, source string, spans []span, etag *string) error {
	parts := make([]types.CompletedPart, len(spans))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(c.cfg.connections()) // and no turns: the bytes move inside the store
	for i, s := range spans {
		number := int32(i + 1)
		group.Go(func() error {
			return guarded("copy", func() (err error) {
				parts[i], err = c.copySpan(groupCtx, target, id, source, number, s, etag)
				return err
			})
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	_, err := c.completeUpload(ctx, target, id, parts)
	return err
}

func (c *Client) copySpan(ctx context.Context, target objectRef, id, source string, number int32, s span, etag *string) (types.CompletedPart, error) {
	out, err := c.s3.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
		Bucket: &target.bucket, Key: &target.key, UploadId: &id, PartNumber: &number,
		CopySource: &source, CopySourceRange: aws.String(s.header()), CopySourceIfMatch: etag,
	})
	if err != nil {
		return types.CompletedPart{}, err
	}
	if out.CopyPartResult == nil || out.CopyPartResult.ETag == nil {
		return types.CompletedPart{}, integrity("the answer to a part copy has no ETag")
	}
	return types.CompletedPart{PartNumber: &number, ETag: out.CopyPartResult.ETag}, nil
}

// sourceKey gives a copy's source key plain and percent-encoded. s3torchconnector hands it over encoded (contract §4), people hand
// it over plain. A key of nothing but unreserved characters and well-formed escapes is taken as encoded, any other as plain.
func sourceKey(key string) (plain, escaped string) {
	for i := 0; i < len(key); i++ {
		if c := key[i]; !unreserved(c) && c != '%' {
			return key, escapePath(key)
		}
	}
	decoded, err := url.PathUnescape(key)
	if err != nil {
		return key, escapePath(key)
	}
	return decoded, key
}
