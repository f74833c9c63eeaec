// SPDX-License-Identifier: Apache-2.0

package v10port

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Checkpoint has V10 write a copy of its rows into a folder of its machine, which must not exist, and returns which life of V10 it is
// of and the sequence of the last batch in it. It takes as long as ctx lets it.
func (c *Client) Checkpoint(ctx context.Context, dir string) (envelope.Incarnation, uint64, error) {
	fail := func(err error) (envelope.Incarnation, uint64, error) { return envelope.Incarnation{}, 0, err }
	answer, err := c.do(ctx, http.MethodPost, "/checkpoint?dir="+url.QueryEscape(dir), nil)
	if err != nil {
		return fail(err)
	}
	defer answer.Body.Close()
	var l line
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax))
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	switch {
	case err != nil:
		return fail(unreachable(err))
	case l.Error != nil:
		return fail(l.Error.err())
	case answer.StatusCode != http.StatusOK:
		return fail(unreachable(fault.New(fault.Unavailable, "status %s", answer.Status)))
	}
	return parsePlace(l.Position)
}

// SharedName is the name under which V11 knows an idempotency key of V10's: see SharedKeys.
func SharedName(key string, item uint32) string { return sharedName(key, item) }
