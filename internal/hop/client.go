// SPDX-License-Identifier: Apache-2.0

package hop

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Header is on every request that was sent on once.
const Header = "X-Aurigraph-Hop"

// Bounds.
const (
	UnderWayDefault    = 512
	ConnectionsDefault = 256
	TimeDefault        = 10 * time.Second
	AnswerBytesMax     = 4 << 20
	LineBytesMax       = 64 << 10
	dialMax            = 3 * time.Second
	idleMax            = 4 * time.Second // below what servers keep an idle connection for
	headerBytesMax     = 64 << 10
)

// Reasons of errors.
const (
	ReasonFull    = "hop_full"    // TryLater: too many are under way
	ReasonUnsent  = "hop_unsent"  // TryLater: the other ledger was not reached
	ReasonUnknown = "hop_unknown" // Timeout: sent, and not answered
	ReasonBroken  = "hop_stream"  // TryLater: the stream had ended before
	ReasonAddress = "hop_address" // Invalid: the settings name no server
	ReasonRequest = "hop_request" // Invalid: it cannot be written as a request
)

// Config says where the other ledger is. A bound that is 0 takes its default.
type Config struct {
	URL            string        // of its REST: http or https, a host, a port
	UnderWayMax    int           // requests and streams under way; more are TryLater. Default 512
	ConnectionsMax int           // open connections; more requests wait for one. Default 256
	TimeMax        time.Duration // of a request, if its caller's end is later. Default 10 s
}

// Client sends requests on. It is safe for concurrent use.
type Client struct {
	cfg       Config
	base      *url.URL
	transport *http.Transport
	underWay  atomic.Int64
}

// New makes a client. Invalid: the address is none, or a bound is out of range.
func New(cfg Config) (*Client, error) {
	base, err := CheckURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	orDefault(&cfg.UnderWayMax, UnderWayDefault)
	orDefault(&cfg.ConnectionsMax, ConnectionsDefault)
	orDefault(&cfg.TimeMax, TimeDefault)
	if cfg.UnderWayMax < 1 || cfg.ConnectionsMax < 1 || cfg.TimeMax < 0 {
		return nil, fault.New(fault.Invalid, "hop: a bound is below 1, or a time negative")
	}
	return &Client{cfg: cfg, base: base, transport: &http.Transport{
		DialContext:            dial,
		TLSHandshakeTimeout:    dialMax,
		MaxConnsPerHost:        cfg.ConnectionsMax,
		MaxIdleConnsPerHost:    cfg.ConnectionsMax,
		IdleConnTimeout:        idleMax,
		MaxResponseHeaderBytes: headerBytesMax,
		DisableCompression:     true,
	}}, nil
}

func orDefault[T int | time.Duration](v *T, otherwise T) {
	if *v == 0 {
		*v = otherwise
	}
}

// CheckURL reads the address of a REST server: http or https, a host, and no path.
func CheckURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/")+u.RawQuery+u.Fragment != "" {
		return nil, fault.Reasoned(fault.Invalid, ReasonAddress, "%q is no address of a server: write http:// or https://, a host and a port, and no path", text)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// URL is where requests are sent.
func (c *Client) URL() string { return c.base.String() }

// Close lets idle connections go.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Request is what is sent on of a client's request. Who the client is stays here: V10 knows no callers.
type Request struct {
	Method      string
	Target      string // path and query, as the client wrote them
	ContentType string
	Key         string      // Idempotency-Key; empty: none
	Others      http.Header // headers that travel as they are
	Body        []byte
}

// Answer is the other ledger's. Its headers lack those that speak of the connection.
type Answer struct {
	Code   int
	Header http.Header
	Body   []byte
}

// Forward sends a request and waits for its whole answer.
func (c *Client) Forward(ctx context.Context, q *Request) (*Answer, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.leave()
	ctx, cancel := context.WithTimeout(ctx, c.cfg.TimeMax)
	defer cancel()
	sent := &sending{}
	r, err := c.request(sent.watch(ctx), q, bytes.NewReader(q.Body))
	if err != nil {
		return nil, err
	}
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		return nil, sent.failed(err)
	}
	return answerOf(resp)
}

func (c *Client) enter() error {
	if c.underWay.Add(1) > int64(c.cfg.UnderWayMax) {
		c.leave()
		return fault.Reasoned(fault.TryLater, ReasonFull, "The ledger that serves the account is busy: nothing was done, send it again in a moment")
	}
	return nil
}

func (c *Client) leave() { c.underWay.Add(-1) }

// request writes a request. Its key stands under a name that the HTTP library does not look for: seeing a key it would send again by
// itself what may have been executed.
func (c *Client) request(ctx context.Context, q *Request, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, q.Method, c.base.String()+q.Target, body)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "write the request for the other ledger")
	}
	for name, values := range q.Others {
		r.Header[name] = values
	}
	r.Header.Set(Header, "1")
	r.Header.Set("User-Agent", "aurigraph-hop")
	if q.ContentType != "" {
		r.Header.Set("Content-Type", q.ContentType)
	}
	if q.Key != "" {
		r.Header["idempotency-key"] = []string{q.Key}
	}
	return r, nil
}

// answerOf reads an answer, which is unknown unless it comes whole.
func answerOf(resp *http.Response) (*Answer, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, AnswerBytesMax+1))
	if err != nil {
		return nil, unknown(err)
	}
	if len(body) > AnswerBytesMax {
		return nil, unknown(fault.New(fault.Corrupt, "the answer is longer than %d bytes", AnswerBytesMax))
	}
	return &Answer{Code: resp.StatusCode, Header: endToEnd(resp.Header), Body: body}, nil
}

// ofConnection are headers that speak of one connection, or that whoever answers makes anew.
var ofConnection = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Content-Length", "Date",
}

func endToEnd(h http.Header) http.Header {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range ofConnection {
		h.Del(name)
	}
	return h
}
