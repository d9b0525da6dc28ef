// This file owns connections: how they are dialled, pooled, watched for stalls. It refuses to know S3.

package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"golang.org/x/net/http/httpproxy"
)

// newHTTPClient is handed to the SDK, which adds a profile's or AWS_CA_BUNDLE's certificate authorities to it.
func newHTTPClient(cfg *Config) *awshttp.BuildableClient {
	proxy := proxyFunc(cfg.Env)
	dialer := &net.Dialer{Timeout: connectAfter, KeepAlive: 30 * time.Second}
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.Proxy = func(r *http.Request) (*url.URL, error) { return proxy(r.URL) }
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			logf(levelTrace, targetSocket, "connecting to %s", address)
			conn, err := dialer.DialContext(ctx, network, address)
			if err == nil {
				logf(levelTrace, targetEventLoop, "connection %s -> %s is up", conn.LocalAddr(), conn.RemoteAddr())
			}
			return conn, err
		}
		t.TLSHandshakeTimeout = connectAfter
		t.IdleConnTimeout = idleAfter
		t.MaxIdleConns = 0
		t.MaxIdleConnsPerHost = cfg.connections() + minConnections // control requests beside the parts
		t.MaxConnsPerHost = 0                                      // the budget is the limit; a second one could deadlock with it
		t.ResponseHeaderTimeout = 0                                // the watch below covers it, per request
		t.ExpectContinueTimeout = 0
		t.DisableCompression = true
		t.ForceAttemptHTTP2 = false
		t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{} // S3 speaks HTTP/1.1; parts want connections of their own
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{}
		}
		t.TLSClientConfig.MinVersion = tls.VersionTLS12
		t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(64)
	})
}

func proxyFunc(env map[string]string) func(*url.URL) (*url.URL, error) {
	first := func(names ...string) string {
		for _, name := range names {
			if v := env[name]; v != "" {
				return v
			}
		}
		return ""
	}
	c := httpproxy.Config{
		HTTPProxy:  first("http_proxy", "HTTP_PROXY"),
		HTTPSProxy: first("https_proxy", "HTTPS_PROXY"),
		NoProxy:    first("no_proxy", "NO_PROXY"),
	}
	return c.ProxyFunc()
}

// watch cancels a request that makes no progress. It runs while the request waits for its answer and while a body is read, not
// while an opened body waits for a loan.
type watch struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Duration
}

func newWatch(ctx context.Context, limit time.Duration) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{cancel: cancel, limit: limit}
	w.timer = time.AfterFunc(limit, func() { cancel(errStalled) })
	return ctx, w
}

func (w *watch) progress() { w.timer.Reset(w.limit) }
func (w *watch) pause()    { w.timer.Stop() }

// end releases the watch; the request must be over.
func (w *watch) end() {
	w.timer.Stop()
	w.cancel(nil)
}

// watchedBody is an answer's body under watch. Its errors are the watch's where that ended it.
type watchedBody struct {
	io.ReadCloser
	ctx   context.Context
	watch *watch
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.watch.progress()
	n, err := b.ReadCloser.Read(p)
	b.watch.pause()
	if err != nil && !errors.Is(err, io.EOF) && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

// Close ends the request. A body not read to its end takes its connection with it.
func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.watch.end()
	return err
}

// controlTransport is the SDK's way to the wire: our user agent, our watch, our log line.
type controlTransport struct {
	client *Client
}

func (t controlTransport) Do(r *http.Request) (*http.Response, error) {
	limit := t.client.stall
	if slow, ok := r.Context().Value(slowKey{}).(bool); ok && slow {
		limit = max(limit, slowAfter)
	}
	if t.client.cfg.Unsigned {
		r.Header.Del("X-Amz-Content-Sha256") // contract §3; the SDK sends it whether it signs or not
	}
	ctx, w := newWatch(r.Context(), limit)
	resp, err := t.client.roundTrip(r.WithContext(ctx))
	if err != nil {
		w.end()
		return nil, err
	}
	w.pause()
	most := int64(controlLimit)
	if resp.StatusCode >= http.StatusMultipleChoices {
		most = errorLimit
	}
	body := &watchedBody{resp.Body, ctx, w}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(body, most), body} // the SDK reads errors whole, and what it does not need to its end
	return resp, nil
}

type slowKey struct{}

// slow marks requests that the service may think about for minutes.
func slow(ctx context.Context) context.Context { return context.WithValue(ctx, slowKey{}, true) }
