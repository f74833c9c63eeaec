// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Port asks V10, where it serves its change log, for barriers and checkpoints.
type Port struct {
	base string
	http *http.Client
}

// Bounds of a call.
const (
	portCallMax   = 5 * time.Minute // a checkpoint of a large V10 takes its time
	portBytesMax  = 1 << 20
	portIdleConns = time.Minute
)

// NewPort calls V10 at a URL.
func NewPort(base string) *Port {
	return &Port{strings.TrimSuffix(base, "/"), &http.Client{Transport: &http.Transport{IdleConnTimeout: portIdleConns}}}
}

// Close closes idle connections.
func (p *Port) Close() { p.http.CloseIdleConnections() }

// Barrier has V10 write the next barrier, and returns its number.
func (p *Port) Barrier(ctx context.Context) (uint64, error) {
	a, err := p.call(ctx, "/barrier")
	return a.Generation, err
}

// Checkpoint has V10 write a copy of its rows into a folder of its machine that does not exist, and returns the sequence that it is of.
func (p *Port) Checkpoint(ctx context.Context, dir string) (uint64, error) {
	a, err := p.call(ctx, "/checkpoint?dir="+url.QueryEscape(dir))
	if err != nil {
		return 0, err
	}
	_, text, _ := strings.Cut(a.Position, ":")
	n, err := strconv.ParseUint(text, 10, 64)
	return n, fault.Wrap(fault.Corrupt, err, "V10 does not say of when its checkpoint is")
}

type portAnswer struct {
	Position   string `json:"position"`
	Generation uint64 `json:"generation"`
	Error      *struct {
		Text string `json:"text"`
	} `json:"error"`
}

func (p *Port) call(ctx context.Context, path string) (a portAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, portCallMax)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+path, nil)
	if err != nil {
		return a, fault.Wrap(fault.Invalid, err, "V10's address")
	}
	answer, err := p.http.Do(r)
	if err != nil {
		return a, fault.Wrap(fault.Unavailable, err, "V10 does not answer at %s: start it with --changes", p.base)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, portBytesMax))
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	switch {
	case err != nil:
		return a, fault.Wrap(fault.Unavailable, err, "V10 did not answer to the end")
	case a.Error != nil:
		return a, fault.New(fault.Unavailable, "V10 refused: %s", a.Error.Text)
	case answer.StatusCode != http.StatusOK:
		return a, fault.New(fault.Unavailable, "V10 answered with status %s", answer.Status)
	}
	return a, nil
}
