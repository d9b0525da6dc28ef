// This file owns a client: its configuration made real (credentials, endpoint, transport, budget) and the ops under way on it.
// It refuses to know the C boundary.

package engine

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Client moves objects for one configuration. Many threads may use it at once.
type Client struct {
	cfg       Config
	region    string
	partSize  int64
	stall     time.Duration
	s3        *s3.Client
	options   s3.Options
	signer    *v4.Signer
	transport http.RoundTripper
	retrier   *retrier
	budget    budget
	endpoints sync.Map // bucket → *endpoint
	badURL    *Error   // a custom endpoint that is none: told on the first operation (contract §2)

	ctx       context.Context // ends at Close
	cancel    context.CancelCauseFunc
	lentBytes *atomic.Int64

	mu      sync.Mutex
	ops     map[*op]struct{}
	closed  bool
	drained chan struct{} // closed when the client is, and its last op has drained
}

// lentBytes counts what is lent to all clients of this library.
var lentBytes atomic.Int64

// LentBytes is how much memory is on loan just now, over all clients.
func LentBytes() int64 { return lentBytes.Load() }

// Open makes a client. It reads configuration files and touches no network.
func Open(cfg Config) (*Client, *Error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	tuneRuntime()
	cfg.UserAgent = headerText(cfg.UserAgent)
	c := &Client{
		cfg: cfg, region: cfg.Region, partSize: cfg.PartSize, stall: cfg.Stall,
		signer: v4.NewSigner(), retrier: newRetrier(cfg.MaxAttempts), budget: newBudget(cfg.connections()),
		lentBytes: &lentBytes, ops: make(map[*op]struct{}), drained: make(chan struct{}),
	}
	if c.stall == 0 {
		c.stall = stallAfter
	}
	if n, err := strconv.Atoi(cfg.Env["AWS_MAX_ATTEMPTS"]); err == nil && n > 0 {
		c.retrier.attempts = n // contract §3: overrides the argument
	}
	base, endpointURL, err := c.resolve()
	if err != nil {
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.s3 = s3.NewFromConfig(base, func(o *s3.Options) {
		o.Region = c.region
		o.UsePathStyle = cfg.ForcePathStyle
		o.UseARNRegion = true
		o.HTTPClient = controlTransport{c}
		o.Retryer = c.retrier
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		if endpointURL != "" {
			o.BaseEndpoint = &endpointURL
		}
		if cfg.Unsigned {
			o.Credentials = aws.AnonymousCredentials{}
		}
		o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware, plainHeaders)
		if cfg.RequesterPays {
			o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("X-Amz-Request-Payer", "requester"))
		}
	})
	c.options = c.s3.Options()
	c.retrier.expired = c.renewCredentials
	if c.options.EndpointResolverV2 == nil {
		c.options.EndpointResolverV2 = s3.NewDefaultEndpointResolverV2()
	}
	logf(levelDebug, targetClient, "region=%q endpoint=%q connections=%d part_size=%d attempts=%d", c.region, safeText(aws.ToString(c.options.BaseEndpoint)), cfg.connections(), cfg.PartSize, c.retrier.attempts)
	logf(levelInfo, targetClient, "client opened for region %q", c.region)
	return c, nil
}

// plainHeaders takes away what the SDK adds, and would sign, beside S3's own headers; upstream sends none of it (contract §3).
// Gateways and other stores' front ends rewrite Accept-Encoding, and then the signature is wrong.
func plainHeaders(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("PlainHeaders", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if r, ok := in.Request.(*smithyhttp.Request); ok {
			for _, name := range []string{"Accept-Encoding", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request"} {
				r.Header.Del(name)
			}
			r.Header.Set("Accept", "application/xml")
		}
		return next.HandleFinalize(ctx, in)
	}), "Signing", middleware.Before)
}

// Start begins an op. r is one of the Request types.
func (c *Client) Start(r any) (Op, *Error) {
	if c.cfg.MockRules {
		r = mockRequest(r)
	} else if what := nameless(r); what != "" {
		return nil, newError(Invalid, "Client error: Failed to construct request: the %s is empty", what)
	}
	switch r := r.(type) {
	case *GetRequest:
		return c.startGet(*r)
	case *PutRequest:
		return c.startPut(*r)
	case *HeadRequest:
		return c.startHead(*r)
	case *ListRequest:
		return c.startList(*r)
	case *DeleteRequest:
		return c.startDelete(*r)
	case *CopyRequest:
		return c.startCopy(*r)
	}
	return nil, newError(Internal, "no op takes a %T", r)
}

// begin registers an op and runs its first goroutine.
func (c *Client) begin(o *op, f func(context.Context) error) *Error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return newError(BadHandle, "the client is closed")
	}
	c.ops[o] = struct{}{}
	c.mu.Unlock()
	if c.badURL != nil {
		o.fail(c.badURL)
		return nil
	}
	o.run(f)
	return nil
}

// Run begins an op that is no request to S3: f's result is its reply. opened, called at most once, reports Opened with a reply of
// its own. f ends when its context does.
func (c *Client) Run(name string, f func(ctx context.Context, opened func(reply any) error) (any, error)) (Op, *Error) {
	o := &op{}
	o.init(c, name)
	return o, c.begin(o, func(ctx context.Context) error {
		result, err := f(ctx, func(reply any) error { return o.report(Opened, reply) })
		if err != nil {
			return err
		}
		return o.report(Done, result)
	})
}

func (c *Client) classify(verb string, err error) *Error {
	if a := asAnswer(err); a != nil && c.cfg.MockRules {
		if e := mockClassify(verb, a); e != nil {
			return e
		}
	}
	return classify(verb, c.region, err)
}

// forget is called by an op that has drained, with the op's lock held; c.mu nests inside it.
func (c *Client) forget(o *op) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ops, o)
	c.drainLocked()
}

// drainLocked: mu must be held.
func (c *Client) drainLocked() {
	if !c.closed || len(c.ops) > 0 {
		return
	}
	select {
	case <-c.drained:
	default:
		close(c.drained)
		c.cancel(nil)
		if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
			t.CloseIdleConnections()
		}
	}
}

// Close closes all ops and returns at once; Drained tells when the last one has let go.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	ops := make([]*op, 0, len(c.ops))
	for o := range c.ops {
		ops = append(ops, o)
	}
	c.mu.Unlock()
	for _, o := range ops { // not under c.mu: an op's lock comes first
		o.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drainLocked()
}

// Drained is closed when the client is closed and idle. Aborts of its uploads are over by then.
func (c *Client) Drained() <-chan struct{} { return c.drained }
