// This file owns what an error is: its kind, its text, and how any error of the SDK, of net/http or of S3 becomes one.
// It refuses to know who retries and who reports.
//
// The texts are upstream's, because its users match on them (contract §2). Where upstream shows the number of an error in its
// C library, ours says what happened, in the same `Client error: …` frame.

package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// Kind says what went wrong by what a caller would do about it. The numbers are those of s3engine.h.
type Kind int32

// The kinds, in the header's order.
const (
	OK Kind = iota
	Invalid
	NotFound
	Denied
	Precondition
	Throttled
	Network
	Integrity
	Service
	Canceled
	BadHandle
	Internal
)

// Error is the only error that leaves the engine.
type Error struct {
	Kind       Kind
	HTTPStatus int
	Code       string
	RequestID  string
	Message    string
	cause      error
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.cause }

func newError(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

var (
	errCanceled = newError(Canceled, "Client error: Request canceled")
	errStalled  = errors.New("the connection stalled")
)

// errShort is a body that ended before its length; like a lost connection it is worth another attempt.
var errShort = fmt.Errorf("the answer ended early: %w", io.ErrUnexpectedEOF)

// answer is an error response of S3, whether the SDK or our own data plane received it.
type answer struct {
	status    int
	code      string
	message   string
	requestID string
	region    string // x-amz-bucket-region
	bodyless  bool   // HEAD: there is no XML to read a code from
}

func (a *answer) Error() string {
	return fmt.Sprintf("HTTP %d %s: %s", a.status, a.code, a.message)
}

// asAnswer finds the service's answer in err, nil if none came.
func asAnswer(err error) *answer {
	var own *answer
	if errors.As(err, &own) {
		return own
	}
	var re *awshttp.ResponseError
	if !errors.As(err, &re) || re.Response == nil || re.HTTPStatusCode() == 0 { // 0: the SDK's frame around no answer
		return nil
	}
	a := &answer{status: re.HTTPStatusCode(), requestID: re.ServiceRequestID(), region: re.Response.Header.Get("X-Amz-Bucket-Region")}
	var api smithy.APIError
	if errors.As(err, &api) {
		a.code, a.message = api.ErrorCode(), api.ErrorMessage()
		switch a.message { // what the SDK puts where the service said nothing
		case http.StatusText(a.status):
			a.code, a.message = "", ""
		case "UnknownError":
			a.message = ""
		}
	}
	a.bodyless = re.Response.Request != nil && re.Response.Request.Method == http.MethodHead
	return a
}

// classify turns the error of a verb into ours. region is the client's own.
func classify(verb, region string, err error) *Error {
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	if a := asAnswer(err); a != nil && a.status >= 300 {
		e := a.classify(verb, region)
		e.HTTPStatus, e.Code, e.RequestID, e.cause = a.status, a.code, a.requestID, err
		return e
	}
	e := classifyLocal(err)
	e.cause = err
	return e
}

func (a *answer) classify(verb, region string) *Error {
	switch {
	case a.status == 404 && (verb == "head" || verb == "copy"):
		return newError(NotFound, "Service error: The object was not found")
	case a.status == 404 && a.code == "NoSuchBucket" && (verb == "get" || verb == "list" || verb == "delete"):
		return newError(NotFound, "Service error: The bucket does not exist")
	case a.status == 404 && a.code == "NoSuchKey" && verb == "get":
		return newError(NotFound, "Service error: The key does not exist")
	case a.status == 412:
		return newError(Precondition, "Service error: At least one of the preconditions specified did not hold")
	case a.status == 403 && a.code == "ObjectNotInActiveTierError" && verb == "copy":
		return newError(Denied, "Service error: The source object of the COPY action is not in the active tier and is only stored in Amazon S3 Glacier.")
	case a.status == 403, a.status == 400 && deniedCode(a.code):
		return newError(Denied, "Client error: Forbidden: %s", a.detail())
	case a.region != "" && (a.status == 301 || a.status == 307 || a.status == 400) && a.region != region:
		return newError(Service, "Client error: Wrong region (expecting %s)", a.region)
	case a.status == 503 || a.status == 429 || throttleCode(a.code):
		return newError(Throttled, "Client error: Request throttled")
	case a.status >= 500 && a.status != 501: // 501 is a no, and is not tried again either
		return newError(Service, "Client error: Internal error of the service: %s", a.line())
	case a.status == 404:
		return newError(NotFound, "Client error: Unknown response error: %s", a.line())
	default:
		return newError(Service, "Client error: Unknown response error: %s", a.line())
	}
}

func (a *answer) detail() string {
	switch {
	case a.message != "" && !a.bodyless:
		return a.message
	case a.code != "" && !a.bodyless:
		return a.code
	default:
		return "<no message>"
	}
}

func (a *answer) line() string {
	s := "HTTP " + strconv.Itoa(a.status)
	for _, part := range []string{a.code, a.message} {
		if part != "" {
			s += ": " + part
		}
	}
	if a.requestID != "" {
		s += " (request " + a.requestID + ")"
	}
	return s
}

func deniedCode(code string) bool {
	switch code {
	case "AccessDenied", "InvalidToken", "ExpiredToken", "SignatureDoesNotMatch":
		return true
	}
	return false
}

func throttleCode(code string) bool {
	switch code {
	case "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestThrottled", "TooManyRequests":
		return true
	}
	return false
}

// classifyLocal names errors that happened before any answer of the service was understood.
func classifyLocal(err error) *Error {
	var dns *net.DNSError
	var timeout net.Error
	var unknownCA x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalidCert x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.Is(err, errStalled):
		return newError(Network, "Client error: Timed out: %s", rootText(err))
	case errors.Is(err, context.Canceled):
		return errCanceledCopy()
	case noCredentials(err): // before its causes: a chain that found nothing mostly ends in a metadata service that is not there
		return newError(Denied, "Client error: No signing credentials available, see CRT debug logs: %s", rootText(err))
	case strings.Contains(err.Error(), endpointFrame):
		_, text, _ := strings.Cut(rootText(err), endpointFrame)
		return endpointError(errors.New(text))
	case errors.As(err, &dns):
		return newError(Network, "Client error: Name resolution failed: %s", dns.Error())
	case errors.Is(err, syscall.ECONNREFUSED):
		return newError(Network, "Client error: Connection refused: %s", rootText(err))
	case errors.As(err, &unknownCA), errors.As(err, &hostname), errors.As(err, &invalidCert), errors.As(err, &record), errors.As(err, &alert):
		return newError(Network, "Client error: TLS negotiation failed: %s (a store with its own certificate authority needs AWS_CA_BUNDLE)", rootText(err))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return newError(Network, "Client error: Connection closed: %s", rootText(err))
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return newError(Network, "Client error: Timed out: %s", rootText(err))
	case errors.As(err, new(*net.OpError)):
		return newError(Network, "Client error: Connection failed: %s", rootText(err))
	case errors.As(err, new(*smithy.DeserializationError)):
		return newError(Integrity, "Client error: Internal S3 client error: %s", rootText(err))
	default:
		return newError(Service, "Client error: Internal S3 client error: %s", rootText(err))
	}
}

func errCanceledCopy() *Error { e := *errCanceled; return &e }

// endpointFrame is what the SDK says before whatever the endpoint rules say of a bucket. It has no type for that.
const endpointFrame = "resolve endpoint: "

// noCredentials tells whether the credential chain, and not the request, failed. The SDK has no type for the chain's failure.
func noCredentials(err error) bool {
	text := err.Error()
	return strings.Contains(text, "get credentials") || strings.Contains(text, "get identity") ||
		strings.Contains(text, "refresh cached credentials") || strings.Contains(text, "static credentials are empty")
}

// rootText is the error without the SDK's outer frames, which name its internals and repeat themselves.
func rootText(err error) string {
	var op *smithy.OperationError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	var last *retry.MaxAttemptsError
	if errors.As(err, &last) && last.Err != nil {
		err = last.Err
	}
	text := err.Error()
	for _, frame := range []string{"https response error StatusCode: 0, RequestID: , HostID: , ", "request send failed, ", "endpoint rule error, "} {
		text = strings.ReplaceAll(text, frame, "")
	}
	return text
}
