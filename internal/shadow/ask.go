// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/hop"
	"github.com/aurigraph/aurigraph/internal/v10diff"
)

// Why a side has not answered.
const (
	silentUnreached = "unreached"
	silentTimeout   = "timeout"
	silentBusy      = "busy" // it says that it cannot now
	silentOversized = "oversized"
)

// said is an answer to one request.
type said struct {
	answer v10diff.Answer
	status int
	took   time.Duration
}

func newClient(cfg *Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: dialMax}).DialContext, TLSHandshakeTimeout: dialMax, MaxIdleConnsPerHost: cfg.Workers, IdleConnTimeout: idleMax,
			MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask sends a read to one server. Silent says why there is no answer that could be compared.
func (s *Shadow) ask(ctx context.Context, server *url.URL, r *read) (a *said, silent string) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.AskMax)
	defer cancel()
	q := (&http.Request{
		Method: r.method, URL: &url.URL{Scheme: server.Scheme, Host: server.Host, Opaque: r.target}, Host: server.Host, Header: r.header.Clone(),
	}).WithContext(ctx) // the target as it stands: a client may send what the URL library would write differently
	q.Header.Set(hop.Header, "1")
	q.Header.Set("User-Agent", "aurigraph-shadow")
	began := time.Now()
	resp, err := s.client.Do(q)
	if err != nil {
		return nil, silence(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax+1))
	took := time.Since(began)
	switch {
	case err != nil:
		return nil, silence(err)
	case len(body) > answerBytesMax:
		return nil, silentOversized
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return nil, silentBusy
	}
	return &said{v10diff.NewAnswer(r.method, resp.StatusCode, resp.Header, body), resp.StatusCode, took}, ""
}

func silence(err error) string {
	if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
		return silentTimeout
	}
	return silentUnreached
}

// pace lets so many pass a second, at equal distances.
type pace struct {
	every time.Duration
	mu    sync.Mutex
	due   time.Time // when the next one may pass
}

// wait returns when the caller may pass; false: ctx ended before.
func (p *pace) wait(ctx context.Context) bool {
	now := time.Now()
	p.mu.Lock()
	if p.due.Before(now) {
		p.due = now
	}
	at := p.due
	p.due = at.Add(p.every)
	p.mu.Unlock()
	return wait(ctx, at.Sub(now))
}

// wait lets time pass; false: ctx ended before.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
