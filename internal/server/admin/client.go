// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seal"
)

// Client asks a validator over its socket. It is safe for concurrent use; it connects for each question, so that a restart
// of the node in between is not noticed.
type Client struct {
	path string
	http http.Client
}

var _ seal.Validator = (*Client)(nil)

// Dial makes a client of the socket at path. It does not connect yet.
func Dial(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		short, release, err := shortPath(path)
		if err != nil {
			return nil, err
		}
		defer release()
		return new(net.Dialer).DialContext(ctx, "unix", short)
	}
	return &Client{path: path, http: http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Where asks for the validator's place.
func (c *Client) Where(ctx context.Context) (*seal.Where, error) {
	b, err := c.ask(ctx, http.MethodGet, pathWhere, nil)
	if err != nil {
		return nil, err
	}
	return seal.DecodeWhere(b)
}

// RaiseDrill asks a node to show the alarm of a drill for a while. NotFound: it shows none.
func (c *Client) RaiseDrill(ctx context.Context, drill uint64) error {
	_, err := c.ask(ctx, http.MethodPost, pathAlarm, binary.LittleEndian.AppendUint64(nil, drill))
	return err
}

// Reveal asks a validator to sign no header of an epoch any more, and what it signed.
func (c *Client) Reveal(ctx context.Context, id chain.ChainID, epoch chain.Epoch) (*seal.Reveal, error) {
	body := binary.LittleEndian.AppendUint64(nil, uint64(id))
	b, err := c.ask(ctx, http.MethodPost, pathReveal, binary.LittleEndian.AppendUint64(body, uint64(epoch)))
	if err != nil {
		return nil, err
	}
	return seal.DecodeReveal(b)
}

// Prepare asks a validator to go to the height that a plan chooses.
func (c *Client) Prepare(ctx context.Context, p *seal.Plan) (*seal.Claim, error) {
	b, err := c.ask(ctx, http.MethodPost, pathPrepare, seal.AppendPlan(nil, p))
	if err != nil {
		return nil, err
	}
	return seal.DecodeClaim(b)
}

// Sign asks a validator to sign the handover that claims agree on.
func (c *Client) Sign(ctx context.Context, p *seal.Plan, claims []*seal.Claim) (*chain.Approval, error) {
	b, err := c.ask(ctx, http.MethodPost, pathSign, seal.AppendAsk(nil, p, claims))
	if err != nil {
		return nil, err
	}
	if len(b) != 2+chain.Ed25519SignatureBytes {
		return nil, fault.Reasoned(fault.Invalid, "malformed", "%s: a signature of %d bytes", c.path, len(b))
	}
	return &chain.Approval{Validator: chain.ValidatorNo(binary.LittleEndian.Uint16(b)), Signature: b[2:]}, nil
}

// Finish gives a validator a handover with its proof.
func (c *Client) Finish(ctx context.Context, p *chain.ProvedHandover) error {
	_, err := c.ask(ctx, http.MethodPost, pathFinish, codec.AppendProvedHandover(nil, p))
	return err
}

// ask sends a request and reads its answer. Errors are the node's; Unavailable: it does not answer.
func (c *Client) ask(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://admin"+path, bytes.NewReader(body))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "make a request")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, c.unanswered(ctx, err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, seal.AnswerBytesMax+1))
	switch {
	case err != nil:
		return nil, c.unanswered(ctx, err)
	case len(b) > seal.AnswerBytesMax:
		return nil, fault.Reasoned(fault.Invalid, "malformed", "%s: an answer of more than %d bytes", c.path, seal.AnswerBytesMax)
	case answer.StatusCode != http.StatusOK:
		return nil, refusalOf(answer, b)
	}
	return b, nil
}

func (c *Client) unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.Wrap(fault.Timeout, ctx.Err(), "%s does not answer", c.path)
	}
	return fault.Wrap(fault.Unavailable, err, "%s does not answer: does the node run", c.path)
}

// refusalOf is the error that a node answered.
func refusalOf(answer *http.Response, text []byte) error {
	kind := fault.Internal
	for _, k := range fault.Kinds() {
		if k.String() == answer.Header.Get(kindHeader) {
			kind = k
		}
	}
	reason := answer.Header.Get(reasonHeader)
	if reason == kind.String() {
		reason = ""
	}
	return fault.Reasoned(kind, reason, "%s", strings.TrimSpace(string(text)))
}
