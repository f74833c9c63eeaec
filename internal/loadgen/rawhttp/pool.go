// SPDX-License-Identifier: Apache-2.0

package rawhttp

import (
	"strconv"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Pool keeps connections to one address. The one that was used last is used next, so that as few are open as the load needs. It is
// safe for concurrent use.
type Pool struct {
	address string
	most    int

	mu   sync.Mutex // guards what follows
	idle []*Conn
	open int
	shut bool
}

// NewPool makes a pool of at most so many connections.
func NewPool(address string, most int) *Pool { return &Pool{address: address, most: most} }

// Do carries a request over a free connection, or a new one, and gives its answer to take.
func (p *Pool) Do(deadline time.Time, request []byte, take func(*Response)) error {
	c, err := p.get()
	if err != nil {
		return err
	}
	r, err := c.Do(deadline, request)
	if err == nil {
		take(&r)
	}
	p.put(c, err == nil && !r.Close)
	return err
}

func (p *Pool) get() (*Conn, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	if p.open >= p.most || p.shut {
		p.mu.Unlock()
		return nil, fault.Reasoned(fault.TryLater, "connections", "%d connections to %s are busy", p.most, p.address)
	}
	p.open++
	p.mu.Unlock()
	c, err := Dial(p.address)
	if err != nil {
		p.mu.Lock()
		p.open--
		p.mu.Unlock()
	}
	return c, err
}

// put gives a connection back, or drops it.
func (p *Pool) put(c *Conn, good bool) {
	p.mu.Lock()
	if good = good && !p.shut; good {
		p.idle = append(p.idle, c)
	} else {
		p.open--
	}
	p.mu.Unlock()
	if !good {
		_ = c.Close() // nothing more is expected of it
	}
}

// Open is how many connections there are.
func (p *Pool) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// Close closes the connections that are idle now, and each other one after its request.
func (p *Pool) Close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.open, p.shut = nil, p.open-len(p.idle), true
	p.mu.Unlock()
	for _, c := range idle {
		_ = c.Close() // nothing more is expected of it
	}
}

// AppendPost appends a POST of a JSON body. Headers are whole lines without their ends.
func AppendPost(dst []byte, host, path string, body []byte, headers ...string) []byte {
	dst = append(dst, "POST "+path+" HTTP/1.1\r\nHost: "+host+"\r\nContent-Type: application/json\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	for _, h := range headers {
		dst = append(append(dst, "\r\n"...), h...)
	}
	return append(append(dst, "\r\n\r\n"...), body...)
}

// AppendGet appends a GET.
func AppendGet(dst []byte, host, path string) []byte {
	return append(dst, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n"...)
}
