// This file owns retries: which errors deserve another attempt, how many, and after how long. It refuses to know requests.
// One policy serves both planes: the SDK calls it through aws.Retryer, the data plane through retrier.again.

package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Full jitter over an exponential base of 500 ms is upstream's (contract §3). The cap is the SDKs' common one: beyond it a longer
// wait no longer helps a throttled service, it only hides from the user that the service is down.
const (
	backoffBase = 500 * time.Millisecond
	backoffCap  = 20 * time.Second
)

type retrier struct {
	attempts int
	random   func() float64                             // [0, 1)
	sleep    func(context.Context, time.Duration) error // returns early, with the context's cause, when it ends
	expired  func()                                     // the service said that the credentials have expired
}

func newRetrier(attempts int) *retrier {
	return &retrier{attempts: attempts, random: rand.Float64, sleep: sleepContext}
}

func sleepContext(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retryable tells whether another attempt may end differently.
func retryable(err error) bool {
	if a := asAnswer(err); a != nil && (a.status >= 300 || a.code != "") { // else the SDK's frame around an answer that was cut off
		switch {
		case a.status >= 500 && a.status != 501, a.status == 429, throttleCode(a.code):
			return true
		case a.code == "RequestTimeout", a.code == "ExpiredToken", a.code == "RequestTimeTooSkewed":
			return true // the credentials cache renews expired ones, so the next attempt carries new ones
		case a.status == 200 && a.code == "InternalError":
			return true // 200 with an <Error> body: CompleteMultipartUpload and CopyObject
		}
		return false
	}
	var own *Error
	if errors.As(err, &own) || noCredentials(err) { // the chain has retried by itself
		return false
	}
	var certificate *tls.CertificateVerificationError
	var unknownCA x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	var xmlCut *xml.SyntaxError
	switch {
	case errors.Is(err, errStalled), errors.Is(err, errShort):
		return true
	case errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &certificate), errors.As(err, &unknownCA), errors.As(err, &record):
		return false // the same certificate will come again
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return true
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNREFUSED):
		return true
	case errors.As(err, &xmlCut) && xmlCut.Msg == "unexpected EOF":
		return true // an answer cut off in the middle of its XML
	case errors.As(err, new(net.Error)), errors.As(err, new(*net.OpError)):
		return true // timeouts, resets, and names that do not resolve just now
	}
	return isTransportClosed(err)
}

// isTransportClosed: net/http has no types for these; all mean that the connection, and not the request, was at fault.
func isTransportClosed(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		for _, text := range []string{"http: server closed idle connection", "net/http: HTTP/1.x transport connection broken", "malformed HTTP"} {
			if strings.HasPrefix(err.Error(), text) {
				return true
			}
		}
	}
	return false
}

func (r *retrier) delay(attempt int) time.Duration {
	ceiling := backoffCap
	if attempt < 6 { // 500 ms << 6 is past the cap
		ceiling = min(backoffCap, backoffBase<<attempt)
	}
	return time.Duration(r.random() * float64(ceiling))
}

// again decides after the failed attempt number `attempt` (from 1): nil means try again, now that the backoff is over.
// A transfer that made progress since the last failure starts over without waiting: its connection died, not the service.
func (r *retrier) again(ctx context.Context, attempt int, progress bool, err error) error {
	if attempt >= r.attempts || !retryable(err) || ctx.Err() != nil {
		return err
	}
	r.renew(err)
	if progress {
		return nil
	}
	d := r.delay(attempt - 1)
	if d > time.Second {
		logf(levelWarn, targetClient, "attempt %d of %d failed, the next one in %s: %v", attempt, r.attempts, d.Round(time.Millisecond), err)
	}
	if r.sleep(ctx, d) != nil {
		return context.Cause(ctx)
	}
	return nil
}

// renew has new credentials fetched where err says that these have expired.
func (r *retrier) renew(err error) {
	if a := asAnswer(err); a != nil && a.code == "ExpiredToken" && r.expired != nil {
		r.expired()
	}
}

// The SDK's view of the same policy.

var _ aws.RetryerV2 = (*retrier)(nil)

func (r *retrier) IsErrorRetryable(err error) bool { return retryable(err) }
func (r *retrier) MaxAttempts() int                { return r.attempts }
func (r *retrier) RetryDelay(attempt int, _ error) (time.Duration, error) {
	return r.delay(attempt - 1), nil
}
func (r *retrier) GetRetryToken(_ context.Context, err error) (func(error) error, error) {
	r.renew(err)
	return keepToken, nil
}
func (r *retrier) GetInitialToken() func(error) error { return keepToken }
func (r *retrier) GetAttemptToken(context.Context) (func(error) error, error) {
	return keepToken, nil
}

func keepToken(error) error { return nil }
