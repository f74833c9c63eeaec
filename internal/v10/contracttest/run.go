// SPDX-License-Identifier: Apache-2.0

package contracttest

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// World is a server under test.
type World struct {
	URL      string                 // http://host:port
	Accounts [3]string              // V10 names, each with at least 1,000 AUR
	Without  []v10.Group            // groups that this server does not have at all
	Header   http.Header            // sent with every request, such as an API key
	Client   *http.Client           // nil: one with keep-alive
	Only     func(file string) bool // nil: every file
}

// Bounds of the runner.
const (
	answerBytesMax  = 32 << 20
	exchangeTimeout = 60 * time.Second
	againPause      = 50 * time.Millisecond
)

// Run plays every scenario against w, then what holds for every row alike, and fails for each served row that no exchange
// succeeded on.
func Run(t *testing.T, w World) {
	t.Helper()
	all, err := scenarios()
	if err != nil {
		t.Fatal(err)
	}
	p := newPlayer(w)
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) { p.play(t, s) })
	}
	t.Run("every-path", func(t *testing.T) { tell(t, p.everyPath(t.Context())) })
	t.Run("not-implemented", func(t *testing.T) { tell(t, p.notImplemented(t.Context())) })
	if w.Only == nil {
		t.Run("coverage", func(t *testing.T) { tell(t, p.coverage()) })
	}
	t.Logf("%d rows of the table answered as the contract says", len(p.covered))
}

func tell(t *testing.T, problems []string) {
	for _, problem := range problems {
		t.Error(problem)
	}
}

// player plays against one world.
type player struct {
	world   World
	client  *http.Client
	run     string
	covered map[*v10.Endpoint]bool
}

func newPlayer(w World) *player {
	p := &player{world: w, client: w.Client, run: word(), covered: map[*v10.Endpoint]bool{}}
	p.world.URL = strings.TrimSuffix(w.URL, "/")
	if p.client == nil {
		transport := &http.Transport{MaxIdleConnsPerHost: 4, ExpectContinueTimeout: 10 * time.Second, DisableCompression: true}
		p.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return p
}

// word is eight hex digits that no other run has drawn: part of names, codes, and of what looks like an address.
func word() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // it never fails
	return fmt.Sprintf("%X", b)
}

func (p *player) lacks(s scenario) bool {
	return slices.ContainsFunc(s.needs, func(g v10.Group) bool { return slices.Contains(p.world.Without, g) })
}

// play plays one file. After an exchange that fails the rest makes no sense.
func (p *player) play(t *testing.T, s scenario) {
	if p.lacks(s) || (p.world.Only != nil && !p.world.Only(s.name)) {
		t.Skipf("this server is without one of %v", s.needs)
	}
	vars := map[string]string{"RUN": p.run, "A1": p.world.Accounts[0], "A2": p.world.Accounts[1], "A3": p.world.Accounts[2]}
	for _, x := range s.exchanges {
		after, problem := p.exchange(t.Context(), x, vars)
		if problem != "" {
			t.Fatalf("%s.txt:%d\n%s", s.name, x.line, problem)
		}
		vars = after
	}
}

// exchange plays one, again and again if it may lag. It returns the variables as they are after it.
func (p *player) exchange(ctx context.Context, x exchange, vars map[string]string) (map[string]string, string) {
	until := time.Now().Add(x.until)
	for {
		after, problem := p.once(ctx, x, vars)
		if problem == "" || !time.Now().Before(until) {
			return after, problem
		}
		select {
		case <-ctx.Done():
			return vars, problem
		case <-time.After(againPause):
		}
	}
}

// once plays an exchange and says what differs.
func (p *player) once(ctx context.Context, x exchange, vars map[string]string) (map[string]string, string) {
	target, err := expand(x.target, vars, v10.EscapeSegment)
	if err != nil {
		return vars, err.Error()
	}
	body, err := expand(x.body, vars, asIs)
	if err == nil {
		body, err = expandMacros(body)
	}
	if err != nil {
		return vars, err.Error()
	}
	headers := make([]header, len(x.headers))
	for i, h := range x.headers {
		value, err := expand(h.value, vars, asIs)
		if err == nil {
			value, err = expandMacros(value)
		}
		if err != nil {
			return vars, err.Error()
		}
		headers[i] = header{h.name, value}
	}
	got, err := p.send(ctx, x.method, target, headers, body, x.events)
	if err != nil {
		return vars, fmt.Sprintf("%s %s\nno answer: %v", x.method, target, err)
	}
	c := &comparison{vars: map[string]string{}}
	for name, value := range vars {
		c.vars[name] = value
	}
	p.compare(c, x, got)
	if len(c.found) > 0 {
		return vars, report(x.method, target, body, got, c.found)
	}
	p.cover(x.method, target, got.status)
	if x.method == "GET" && got.status == 200 && x.events == 0 {
		if problem := p.head(ctx, target, headers, got); problem != "" {
			return vars, problem
		}
	}
	return c.vars, ""
}

func (p *player) compare(c *comparison, x exchange, got answer) {
	if got.status != x.status {
		c.differ("status", "%d, want %d", got.status, x.status)
	}
	for _, h := range x.wantHeaders {
		want, err := expand(h.value, c.vars, asIs)
		if err != nil {
			c.differ(h.name, "%v", err)
			continue
		}
		values := got.header.Values(h.name)
		switch {
		case want == "<none>":
			if len(values) > 0 {
				c.differ(h.name, "%q, want none", values)
			}
		case len(values) == 0:
			c.differ(h.name, "is missing")
		default:
			c.compare(h.name, want, values[0])
		}
	}
	want, err := expand(x.want, c.vars, asIs)
	if err != nil {
		c.differ("body", "%v", err)
		return
	}
	c.compareBody(want, got.body)
}

// cover notes a row on which an exchange succeeded.
func (p *player) cover(method, target string, status int) {
	if status != 200 && status != 101 {
		return
	}
	path, _, _ := strings.Cut(target, "?")
	if e, _, err := v10.Match(method, path); err == nil {
		p.covered[e] = true
	}
}

// head asks for the same with HEAD: the same headers and no body.
func (p *player) head(ctx context.Context, target string, headers []header, get answer) string {
	got, err := p.send(ctx, "HEAD", target, headers, "", 0)
	switch {
	case err != nil:
		return fmt.Sprintf("HEAD %s\nno answer: %v", target, err)
	case got.status != get.status || got.body != "" || got.header.Get("Content-Type") != get.header.Get("Content-Type"):
		return fmt.Sprintf("HEAD %s\nstatus %d, %q, %d bytes; GET has %d, %q", target, got.status, got.header.Get("Content-Type"), len(got.body),
			get.status, get.header.Get("Content-Type"))
	}
	return ""
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (p *player) send(ctx context.Context, method, target string, headers []header, body string, events int) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.world.URL, reader)
	if err != nil {
		return answer{}, err
	}
	req.URL.Opaque = target // as it stands: a client may send what url.Parse refuses
	for name, values := range p.world.Header {
		req.Header[name] = values
	}
	for _, h := range headers {
		req.Header.Set(h.name, h.value)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }() // nothing is written to it
	got := answer{status: resp.StatusCode, header: resp.Header}
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols:
	case events > 0 && resp.StatusCode == http.StatusOK:
		got.body, err = readEvents(resp.Body, events)
	default:
		var raw []byte
		raw, err = io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
		got.body = string(raw)
	}
	return got, err
}

// readEvents reads n server-sent events and returns the data of the last.
func readEvents(r io.Reader, n int) (data string, err error) {
	lines := bufio.NewScanner(io.LimitReader(r, answerBytesMax))
	next := ""
	for lines.Scan() {
		line := lines.Text()
		if value, ok := strings.CutPrefix(line, "data:"); ok {
			next += strings.TrimPrefix(value, " ")
		}
		if line != "" || next == "" {
			continue
		}
		if n--; n == 0 {
			return next, nil
		}
		next = ""
	}
	return "", fmt.Errorf("the stream ended before its event: %w", io.ErrUnexpectedEOF)
}

func report(method, target, body string, got answer, found []string) string {
	const shown = 10
	if len(found) > shown {
		found = append(found[:shown:shown], fmt.Sprintf("… and %d more", len(found)-shown))
	}
	return fmt.Sprintf("%s %s\n%s\nanswered %d:\n%s\ndiffers:\n  %s", method, short(target), short(body), got.status, short(got.body), strings.Join(found, "\n  "))
}

func short(s string) string {
	const most = 2000
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
