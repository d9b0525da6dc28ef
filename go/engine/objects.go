// This file owns the requests that move no parts: head, one list page, delete. They go through the SDK's client.
// It refuses to know JSON's readers; the reply's shape is docs/design/0004-json.md.

package engine

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// HeadRequest asks for an object's metadata.
type HeadRequest struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

// DeleteRequest deletes one object; a missing one is success.
type DeleteRequest struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

// ListRequest asks for one page.
type ListRequest struct {
	Bucket            string  `json:"bucket"`
	Prefix            string  `json:"prefix"`
	Delimiter         string  `json:"delimiter"`
	MaxKeys           uint64  `json:"max_keys"`
	ContinuationToken *string `json:"continuation_token"`
}

type headReply struct {
	ETag          string  `json:"etag"`
	Size          uint64  `json:"size"`
	LastModified  int64   `json:"last_modified"`
	StorageClass  *string `json:"storage_class"`
	RestoreStatus []any   `json:"restore_status"` // [in progress, expiry in ms since the epoch or null]
}

func (c *Client) startHead(r HeadRequest) (Op, *Error) {
	return c.simple("head", "head_object", r.Bucket, r.Key, func(ctx context.Context) (any, error) {
		out, err := c.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &r.Bucket, Key: &r.Key})
		if err != nil {
			return nil, err
		}
		if out.ETag == nil || out.LastModified == nil || out.ContentLength == nil {
			return nil, newError(Integrity, "Client error: Internal S3 client error: the answer to a HEAD lacks ETag, Last-Modified or Content-Length")
		}
		return headReply{
			ETag: *out.ETag, Size: uint64(*out.ContentLength), LastModified: out.LastModified.Unix(),
			StorageClass: storageClass(string(out.StorageClass)), RestoreStatus: parseRestore(aws.ToString(out.Restore)),
		}, nil
	})
}

func (c *Client) startDelete(r DeleteRequest) (Op, *Error) {
	return c.simple("delete", "delete_object", r.Bucket, r.Key, func(ctx context.Context) (any, error) {
		_, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &r.Bucket, Key: &r.Key})
		return struct{}{}, err
	})
}

type listReply struct {
	Objects           [][6]any `json:"objects"` // key, etag, size, last_modified, storage_class, restore_status
	CommonPrefixes    []string `json:"common_prefixes"`
	ContinuationToken *string  `json:"continuation_token"`
}

func (c *Client) startList(r ListRequest) (Op, *Error) {
	if r.MaxKeys > 1<<31-1 {
		r.MaxKeys = 1<<31 - 1 // S3 gives at most 1,000 whatever is asked; its field is an int
	}
	return c.simple("list", "list_objects", r.Bucket, r.Prefix, func(ctx context.Context) (any, error) {
		out, err := c.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
			Bucket: &r.Bucket, Prefix: &r.Prefix, Delimiter: &r.Delimiter, MaxKeys: aws.Int32(int32(r.MaxKeys)),
			ContinuationToken:        r.ContinuationToken,
			OptionalObjectAttributes: []types.OptionalObjectAttributes{types.OptionalObjectAttributesRestoreStatus},
		})
		if err != nil {
			return nil, err
		}
		p, err := page(out)
		if c.cfg.MockRules {
			mockPage(&p)
		}
		return p, err
	})
}

// page checks a list answer and gives it the reply's shape. A page that contradicts itself must not end a listing early.
func page(out *s3.ListObjectsV2Output) (listReply, error) {
	p := listReply{Objects: make([][6]any, 0, len(out.Contents)), CommonPrefixes: make([]string, 0, len(out.CommonPrefixes))}
	if out.IsTruncated == nil { // an empty or foreign body, which the SDK reads as an empty page
		return p, newError(Integrity, "Client error: Internal S3 client error: the list page does not say whether it is the last")
	}
	if *out.IsTruncated != (out.NextContinuationToken != nil) {
		return p, newError(Integrity, "Client error: Internal S3 client error: the list page's IsTruncated and NextContinuationToken contradict each other")
	}
	p.ContinuationToken = out.NextContinuationToken
	for _, o := range out.Contents {
		if o.Key == nil || o.Size == nil || o.LastModified == nil || o.ETag == nil {
			return p, newError(Integrity, "Client error: Internal S3 client error: an entry of the list page lacks Key, Size, LastModified or ETag")
		}
		var restore []any
		if s := o.RestoreStatus; s != nil {
			var expiry any
			if s.RestoreExpiryDate != nil {
				expiry = s.RestoreExpiryDate.UnixMilli()
			}
			restore = []any{aws.ToBool(s.IsRestoreInProgress), expiry}
		}
		p.Objects = append(p.Objects, [6]any{*o.Key, *o.ETag, uint64(*o.Size), o.LastModified.Unix(), storageClass(string(o.StorageClass)), restore})
	}
	for _, prefix := range out.CommonPrefixes {
		p.CommonPrefixes = append(p.CommonPrefixes, aws.ToString(prefix.Prefix))
	}
	return p, nil
}

// nameless tells which name of a request is empty, "" if none. On the wire an empty bucket would make the key's first word the
// bucket, and an empty key would make a get a listing, whose XML would pass for the object.
func nameless(r any) string {
	var bucket, key string
	switch r := r.(type) {
	case *GetRequest:
		bucket, key = r.Bucket, r.Key
	case *PutRequest:
		bucket, key = r.Bucket, r.Key
	case *HeadRequest:
		bucket, key = r.Bucket, r.Key
	case *DeleteRequest:
		bucket, key = r.Bucket, r.Key
	case *ListRequest:
		bucket, key = r.Bucket, "any"
	case *CopyRequest:
		bucket, key = min(r.SrcBucket, r.DstBucket), min(r.SrcKey, r.DstKey) // "" is the least string
	default:
		return ""
	}
	switch "" {
	case bucket:
		return "bucket's name"
	case key:
		return "key"
	}
	return ""
}

// simple is an op of one goroutine that ends with a reply.
func (c *Client) simple(verb, name, bucket, key string, f func(context.Context) (any, error)) (Op, *Error) {
	o := &op{}
	o.init(c, verb)
	return o, c.begin(o, func(ctx context.Context) error {
		logf(levelDebug, targetOperation(name), "new request bucket=%q key=%q", bucket, key)
		result, err := f(ctx)
		if err != nil {
			return err
		}
		return o.report(Done, result)
	})
}

func storageClass(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// parseRestore reads x-amz-restore: `ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`.
func parseRestore(header string) []any {
	_, rest, ok := strings.Cut(header, `ongoing-request="`)
	if !ok {
		return nil
	}
	ongoing, rest, _ := strings.Cut(rest, `"`)
	if ongoing == "true" {
		return []any{true, nil}
	}
	_, rest, ok = strings.Cut(rest, `expiry-date="`)
	if !ok {
		return nil
	}
	date, _, _ := strings.Cut(rest, `"`)
	t, err := time.Parse(time.RFC1123, date)
	if err != nil {
		return nil
	}
	return []any{false, t.UnixMilli()}
}

// multipartETag is what S3 calls an object completed from these parts: the MD5 of the parts' MD5s, and their number. Not known
// where a part's ETag is no MD5 (SSE-KMS).
func multipartETag(parts []types.CompletedPart) (string, bool) {
	sums := make([]byte, 0, len(parts)*md5.Size)
	for _, p := range parts {
		sum, err := hex.DecodeString(strings.Trim(aws.ToString(p.ETag), `"`))
		if err != nil || len(sum) != md5.Size {
			return "", false
		}
		sums = append(sums, sum...)
	}
	whole := md5.Sum(sums)
	return `"` + hex.EncodeToString(whole[:]) + "-" + strconv.Itoa(len(parts)) + `"`, true
}
