// This file owns the lean data plane: building, signing and sending the requests that carry parts. Everything else goes through
// the SDK's client. It refuses to know loans and retries.
//
// Why not the SDK's client here: a small ranged GET costs 285 µs of CPU through its middleware and 120-136 µs as a plain request
// signed with its own signer. Credentials, endpoint rules (incl. access points and S3 Express sessions) and the signature are the
// SDK's all the same.

package engine

import (
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyauth "github.com/aws/smithy-go/auth"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

type objectRef struct{ bucket, key string }

// endpoint is where and how requests to one bucket go.
type endpoint struct {
	url         url.URL
	header      http.Header
	signingName string
	region      string
	express     bool // session credentials of S3 Express
}

// endpointOf resolves a bucket once per client.
func (c *Client) endpointOf(ctx context.Context, bucket string) (*endpoint, error) {
	if e, ok := c.endpoints.Load(bucket); ok {
		return e.(*endpoint), nil
	}
	params := s3.EndpointParameters{
		Bucket:                         aws.String(bucket),
		Region:                         aws.String(c.region),
		ForcePathStyle:                 aws.Bool(c.cfg.ForcePathStyle),
		Endpoint:                       c.options.BaseEndpoint,
		UseFIPS:                        aws.Bool(c.options.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack:                   aws.Bool(c.options.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
		Accelerate:                     aws.Bool(false),
		UseGlobalEndpoint:              aws.Bool(false),
		UseObjectLambdaEndpoint:        aws.Bool(false),
		DisableMultiRegionAccessPoints: aws.Bool(c.options.DisableMultiRegionAccessPoints),
		UseArnRegion:                   aws.Bool(c.options.UseARNRegion),
	}
	resolved, err := c.options.EndpointResolverV2.ResolveEndpoint(ctx, params)
	if err != nil {
		return nil, endpointError(err)
	}
	e := &endpoint{url: resolved.URI, header: resolved.Headers, signingName: "s3", region: c.region}
	if err := e.readAuth(resolved); err != nil {
		return nil, err
	}
	c.endpoints.Store(bucket, e)
	return e, nil
}

// endpointError is upstream's frame around whatever the endpoint rules say of a bucket (contract §2, bad ARN).
func endpointError(err error) *Error {
	text := rootText(err)
	if head, rest, ok := strings.Cut(text, "Custom endpoint `"); ok {
		end := max(strings.LastIndex(rest, "`"), 0)
		text = head + "Custom endpoint `" + withoutPassword(rest[:end]) + rest[end:]
	}
	e := newError(Invalid, "Client error: Failed to construct request: Invalid S3 endpoint: endpoint could not be resolved: %s", text)
	e.cause = err
	return e
}

// readAuth takes the signing scheme that the endpoint rules chose.
func (e *endpoint) readAuth(resolved smithyendpoints.Endpoint) error {
	options, _ := smithyauth.GetAuthOptions(&resolved.Properties)
	for _, option := range options {
		switch option.SchemeID {
		case "sigv4", "aws.auth#sigv4":
		case "sigv4-s3express", "com.amazonaws.s3#sigv4express":
			e.express = true
		default:
			continue
		}
		if name, ok := smithyhttp.GetSigV4SigningName(&option.SignerProperties); ok {
			e.signingName = name
		}
		if region, ok := smithyhttp.GetSigV4SigningRegion(&option.SignerProperties); ok && region != "" {
			e.region = region
		}
		return nil
	}
	if len(options) > 0 {
		return newError(Invalid, "Client error: Failed to construct request: this bucket needs SigV4A (a multi-region access point), which is not supported; use the ARN of one of its regional access points")
	}
	return nil
}

// newRequest builds an unsigned request. query is encoded already.
func (c *Client) newRequest(ctx context.Context, method string, o objectRef, query string, e *endpoint) *http.Request {
	// Path and RawPath agree by construction, so net/http sends RawPath byte for byte: "//" and ".." in keys stay as they are.
	u := e.url
	base := u.EscapedPath()
	if !strings.HasSuffix(base, "/") {
		base, u.Path = base+"/", u.Path+"/"
	}
	u.Path, u.RawPath, u.RawQuery = u.Path+o.key, base+escapePath(o.key), query
	r := (&http.Request{
		Method: method, URL: &u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, 10),
	}).WithContext(ctx)
	for name, values := range e.header {
		r.Header[name] = values
	}
	if c.cfg.RequesterPays {
		r.Header["X-Amz-Request-Payer"] = []string{"requester"}
	}
	return r
}

// sign signs r as the endpoint asks, with credentials that are fresh: the SDK's cache renews them before they expire.
func (c *Client) sign(ctx context.Context, r *http.Request, bucket string, e *endpoint) error {
	if c.cfg.Unsigned || c.options.Credentials == nil {
		return nil
	}
	var credentials aws.Credentials
	var err error
	if e.express {
		credentials, err = c.options.ExpressCredentials.Retrieve(ctx, bucket)
	} else {
		credentials, err = c.options.Credentials.Retrieve(ctx)
	}
	if err != nil {
		return credentialsError(ctx, err)
	}
	r.Header["X-Amz-Content-Sha256"] = []string{unsignedPayload}
	if e.express && credentials.SessionToken != "" {
		r.Header["X-Amz-S3session-Token"] = []string{credentials.SessionToken}
	}
	return c.signer.SignHTTP(ctx, credentials, r, unsignedPayload, e.signingName, e.region, time.Now(), func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = true
		o.DisableSessionToken = e.express
	})
}

const unsignedPayload = "UNSIGNED-PAYLOAD" // contract §3: the body is not hashed, over http neither

// credentialsError is the contract's text for a chain that found nothing, and names what the chain said.
func credentialsError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if asAnswer(err) != nil {
		return err // STS or S3 Express answered, and said why not
	}
	e := newError(Denied, "Client error: No signing credentials available, see CRT debug logs: %s", rootText(err))
	e.cause = err
	return e
}

// exchange signs and sends r under a watch. A status of 300 and above, but 416 when the caller takes it, is an *answer error.
func (c *Client) exchange(ctx context.Context, r *http.Request, bucket string, e *endpoint, w *watch) (*http.Response, error) {
	if err := c.sign(ctx, r, bucket, e); err != nil {
		return nil, err
	}
	resp, err := c.roundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	w.progress()
	defer resp.Body.Close()
	a := readAnswer(resp)
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return resp, a
	}
	return nil, a
}

// renewCredentials makes the next request fetch credentials anew.
func (c *Client) renewCredentials() {
	if cache, ok := c.options.Credentials.(interface{ Invalidate() }); ok {
		cache.Invalidate()
	}
}

// roundTrip is the one way to the wire of both planes.
func (c *Client) roundTrip(r *http.Request) (*http.Response, error) {
	r.Header["User-Agent"] = []string{c.cfg.UserAgent}
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		if r.Context().Err() != nil {
			err = context.Cause(r.Context())
		}
		logf(levelTrace, targetHTTP, "%s %s failed: %v", r.Method, safeURL(r.URL), err)
		return nil, err
	}
	logf(levelTrace, targetHTTP, "%s %s -> %d", r.Method, safeURL(r.URL), resp.StatusCode)
	return resp, nil
}

// headerText is text with spaces for the control characters that no header can carry: a user agent's prefix is anybody's, and a
// line break in it shall not fail every request.
func headerText(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7F {
			return ' '
		}
		return r
	}, text)
}

// safeURL is the URL without its query, which may carry what a log must not.
func safeURL(u *url.URL) string {
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

// safeText is safeURL of a text.
func safeText(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return ""
	}
	return safeURL(u)
}

// errorLimit is what is read of an error's body: S3's are under 2 KiB, a proxy's page may be anything.
const errorLimit = 64 << 10

// controlLimit is what is read of any other answer but a part's: a page of 1,000 keys of 1 KiB, each byte escaped, is 10 MiB.
const controlLimit = 64 << 20

func readAnswer(resp *http.Response) *answer {
	a := &answer{
		status:    resp.StatusCode,
		requestID: resp.Header.Get("X-Amz-Request-Id"),
		region:    resp.Header.Get("X-Amz-Bucket-Region"),
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, errorLimit))
	var parsed struct {
		Code      string
		Message   string
		RequestID string `xml:"RequestId"`
	}
	if xml.Unmarshal(body, &parsed) == nil {
		a.code, a.message = parsed.Code, parsed.Message
		if a.requestID == "" {
			a.requestID = parsed.RequestID
		}
	}
	return a
}

// escapePath percent-encodes everything but A-Za-z0-9-._~/ (contract §3, key encoding).
func escapePath(key string) string {
	const hex = "0123456789ABCDEF"
	plain := 0
	for plain < len(key) && unreserved(key[plain]) {
		plain++
	}
	if plain == len(key) {
		return key
	}
	var b strings.Builder
	b.Grow(len(key) + 16)
	for i := 0; i < len(key); i++ {
		if c := key[i]; unreserved(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~' || c == '/'
}
