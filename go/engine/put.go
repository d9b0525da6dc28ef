// This file owns one upload: creating it, storing its parts, completing it, and aborting it whenever it is not completed.
// It refuses to know HTTP (send.go) and who lends.
//
//	CreateMultipartUpload ──► Opened ──► each loan is a part, sent at once ──► Returned, in the order stored
//	                                 ──► Finish: once all are stored, CompleteMultipartUpload ──► Done
//	                                 ──► Close before Done: what is in flight ends, then AbortMultipartUpload ──► drained

package engine

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// PutRequest begins an upload. The bytes come as loans, one a part, their number unknown until Finish.
type PutRequest struct {
	Bucket       string  `json:"bucket"`
	Key          string  `json:"key"`
	StorageClass *string `json:"storage_class"`
}

type put struct {
	op
	object objectRef

	// Below: guarded by mu.
	uploadID  string
	parts     []types.CompletedPart // in part order; ETag nil while not stored
	unstored  int
	finishing bool
	completed bool
}

func (c *Client) startPut(r PutRequest) (Op, *Error) {
	p := &put{object: objectRef{r.Bucket, r.Key}}
	p.init(c, "put")
	p.onDrain = p.abortLocked
	return p, c.begin(&p.op, func(ctx context.Context) error { return p.create(ctx, r) })
}

func (p *put) create(ctx context.Context, r PutRequest) error {
	logf(levelDebug, targetOperation("put_object"), "new request bucket=%q key=%q", r.Bucket, r.Key)
	in := &s3.CreateMultipartUploadInput{Bucket: &r.Bucket, Key: &r.Key}
	if r.StorageClass != nil {
		in.StorageClass = types.StorageClass(*r.StorageClass)
	}
	id, err := p.client.createUpload(ctx, in)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.uploadID = id
	p.emitLocked(Event{Kind: Opened})
	return nil
}

// createUpload waits for the upload's id a while longer than ctx lives: an upload whose id is lost cannot be aborted.
func (c *Client) createUpload(ctx context.Context, in *s3.CreateMultipartUploadInput) (id string, _ error) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(createGrace, cancel) })()
	var out *s3.CreateMultipartUploadOutput
	for attempt := 1; ; attempt++ { // our own loop: an attempt outlasts ctx, the wait for the next one does not
		var err error
		if out, err = c.s3.CreateMultipartUpload(lasting, in, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} }); err == nil {
			break
		}
		if err := c.retrier.again(ctx, attempt, false, err); err != nil {
			return "", err
		}
	}
	if aws.ToString(out.UploadId) == "" {
		return "", newError(Integrity, "Client error: Internal S3 client error: the answer to CreateMultipartUpload has no upload id")
	}
	return *out.UploadId, nil
}

// Lend takes the next part.
func (p *put) Lend(token uint64, data []byte) *Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed || p.err != nil: // lendLocked says which
	case p.uploadID == "":
		return newError(Invalid, "lend after OPENED: before it, there is no upload to send parts to")
	case p.finishing:
		return newError(Invalid, "lend after finish: the upload is being completed")
	case len(p.parts) == maxParts:
		return newError(Invalid, "Client error: An upload has at most %d parts, and these are used up; make the parts bigger (part_size)", maxParts)
	case int64(len(data)) > maxPart:
		return newError(Invalid, "a part has at most %d bytes, this one has %d", int64(maxPart), len(data))
	}
	if err := p.lendLocked(token, len(data)); err != nil {
		return err
	}
	p.storeLocked(data, &token)
	return nil
}

// storeLocked begins to send the next part; token is nil for the one empty part of an empty object. mu must be held.
func (p *put) storeLocked(data []byte, token *uint64) {
	number := len(p.parts) + 1
	p.parts = append(p.parts, types.CompletedPart{PartNumber: aws.Int32(int32(number))})
	p.unstored++
	id := p.uploadID
	p.runLocked(func(ctx context.Context) error {
		etag, err := p.client.sendPart(ctx, p.object, id, number, data)
		if err != nil {
			return err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.parts[number-1].ETag = aws.String(strings.Trim(etag, `"`)) // contract §6: completed without quotes
		p.unstored--
		if token != nil {
			p.emitLocked(Event{Kind: Returned, Token: *token, Length: uint64(len(data))})
		}
		p.completeLocked()
		return nil
	})
}

// Finish says that no part follows.
func (p *put) Finish() *Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return newError(BadHandle, "the op is closed")
	case p.err != nil:
		return p.err
	case p.finishing:
		return newError(Invalid, "finish was called before")
	case p.uploadID == "":
		return newError(Invalid, "finish after OPENED: before it, there is no upload to complete")
	}
	p.finishing = true
	if len(p.parts) == 0 {
		p.storeLocked(nil, nil)
	}
	p.completeLocked()
	return nil
}

// completeLocked completes the upload once Finish was called and every part is stored: mu must be held.
func (p *put) completeLocked() {
	if !p.finishing || p.unstored > 0 || p.err != nil || p.closed || p.completed {
		return
	}
	p.completed = true // from here on it may exist; onDrain's abort is harmless to an object that does
	p.runLocked(p.complete)
}

func (p *put) complete(ctx context.Context) error {
	etag, err := p.client.completeUpload(slow(ctx), p.object, p.uploadID, p.parts)
	if err != nil {
		p.mu.Lock()
		p.completed = false
		p.mu.Unlock()
		return err
	}
	p.mu.Lock()
	p.onDrain = nil
	p.mu.Unlock()
	return p.report(Done, map[string]string{"etag": etag})
}

// completeUpload is shared by puts and multipart copies.
//
// The answer to a Complete that succeeded can be lost: the next attempt then says NoSuchUpload, or a proxy between makes of the
// lost answer a 200 without the result, which the SDK takes for one. Either is success exactly if the key now holds the object
// whose ETag these parts make, so we look instead of guessing.
func (c *Client) completeUpload(ctx context.Context, o objectRef, id string, parts []types.CompletedPart) (string, error) {
	for attempt := 1; ; attempt++ {
		out, err := c.s3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &o.bucket, Key: &o.key, UploadId: &id,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
		if err == nil && aws.ToString(out.ETag) != "" {
			return *out.ETag, nil
		}
		a := asAnswer(err)
		if page := new(*xml.SyntaxError); a != nil && a.status < 300 && errors.As(err, page) {
			err = nil // a 200 that is not even XML says as little as an empty one
		}
		if err != nil && (a == nil || a.code != "NoSuchUpload") {
			return "", err
		}
		expected, known := multipartETag(parts)
		head, headErr := c.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &o.bucket, Key: &o.key})
		if headErr == nil && known && aws.ToString(head.ETag) == expected {
			return expected, nil
		}
		if err == nil {
			err = fmt.Errorf("CompleteMultipartUpload was answered without an ETag: %w", errShort)
		}
		if err := c.retrier.again(ctx, attempt, false, err); err != nil {
			return "", err
		}
	}
}

// abortLocked is the put's onDrain: mu must be held. Nothing of ours is in flight any more, so no part can arrive after it.
func (p *put) abortLocked() {
	if p.uploadID == "" {
		return
	}
	p.runLocked(func(ctx context.Context) error {
		p.client.abortUpload(context.WithoutCancel(ctx), p.object, p.uploadID)
		return nil
	})
}

// abortUpload frees an upload's parts. Its failure is logged and not raised: nobody is left to raise it to.
func (c *Client) abortUpload(ctx context.Context, o objectRef, id string) {
	ctx, cancel := context.WithTimeout(ctx, abortAfter)
	defer cancel()
	_, err := c.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &o.bucket, Key: &o.key, UploadId: &id})
	var gone *types.NoSuchUpload
	if err != nil && !errors.As(err, &gone) {
		logf(levelWarn, targetClient, "upload %s of %q in %q was not aborted and keeps its parts: %v", id, o.key, o.bucket, err)
	}
}
