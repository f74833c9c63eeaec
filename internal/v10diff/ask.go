// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Server is one of the two.
type Server struct {
	URL    string      // http://host:port, or https
	Payer  string      // a V10 name that can pay; empty: one is looked for, if the corpus needs it
	Header http.Header // sent with every request, such as an API key
}

// Bounds of one exchange.
const (
	answerBytesMax = 32 << 20
	askTimeout     = 60 * time.Second
	dialTimeout    = 10 * time.Second
	continueWait   = time.Second // for a server's word, where a request expects one before its body
)

// caller asks one server. It is used by one goroutine.
type caller struct {
	server Server
	base   *url.URL
	client *http.Client
	vars   variables
}

func newCaller(s Server) (*caller, error) {
	base, err := url.Parse(strings.TrimSuffix(s.URL, "/"))
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.RawQuery != "" {
		return nil, fault.New(fault.Invalid, "%q is no address of a server: write http://host:port", s.URL)
	}
	transport := &http.Transport{
		DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, DisableCompression: true, ForceAttemptHTTP2: false,
		ResponseHeaderTimeout: askTimeout, ExpectContinueTimeout: continueWait, MaxIdleConnsPerHost: 1,
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &caller{server: s, base: base, client: client, vars: variables{}}, nil
}

// ask sends a request and reads the answer. That there was none is an answer too, unless ctx ended.
func (c *caller) ask(ctx context.Context, r concrete) (*answer, error) {
	within, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	got, err := c.send(within, r)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return &answer{failure: "no answer: " + plainCause(err)}, nil
	}
	return got, nil
}

// plainCause is an error without the address, which differs between two servers that fail alike.
func plainCause(err error) string {
	var u *url.Error
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("not within %s", askTimeout)
	case errors.As(err, &op):
		return op.Op + ": " + op.Err.Error()
	case errors.As(err, &u):
		return u.Err.Error()
	}
	return err.Error()
}

func (c *caller) send(ctx context.Context, r concrete) (*answer, error) {
	request, err := http.NewRequestWithContext(ctx, r.method, c.server.URL, strings.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if r.body == "" {
		request.Body, request.ContentLength = nil, 0
	} else {
		request.Header.Set("Content-Type", "application/json")
	}
	request.URL = &url.URL{Scheme: c.base.Scheme, Host: c.base.Host, Opaque: c.base.EscapedPath() + r.target} // as it stands: a client may send what url.Parse refuses
	for name, values := range c.server.Header {
		request.Header[name] = values
	}
	for name, value := range r.headers {
		if request.Header.Set(name, value); value == "" {
			request.Header.Del(name)
		}
	}
	response, err := c.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // nothing is written to it
	body, err := readBody(response, r.events)
	if err != nil {
		return nil, err
	}
	return newAnswer(r.method, response.StatusCode, response.Header, body), nil
}

var errAnswerOversized = fmt.Errorf("an answer of more than %d bytes", answerBytesMax)

func readBody(response *http.Response, events int) ([]byte, error) {
	limited := io.LimitReader(response.Body, answerBytesMax+1)
	switch {
	case response.StatusCode == http.StatusSwitchingProtocols:
		return nil, nil // what follows is no HTTP
	case events > 0 && response.StatusCode == http.StatusOK:
		return readEvents(bufio.NewReader(limited), events)
	}
	body, err := io.ReadAll(limited)
	if len(body) > answerBytesMax {
		return nil, errAnswerOversized
	}
	return body, err
}

// readEvents reads up to the empty line behind the last event. What carries no data, such as a comment, is none.
func readEvents(in *bufio.Reader, events int) (body []byte, err error) {
	for seen, data := 0, false; seen < events; {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil, fmt.Errorf("after %d of %d events: %w", seen, events, err)
		}
		body = append(body, line...)
		if len(body) > answerBytesMax {
			return nil, errAnswerOversized
		}
		data = data || strings.HasPrefix(string(line), "data:")
		if data && strings.TrimSpace(string(line)) == "" {
			seen, data = seen+1, false
		}
	}
	return body, nil
}
