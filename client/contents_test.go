// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"errors"
	"testing"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// otherContents answers with contents that its change makes of the true ones.
type otherContents struct {
	*grpcapitest.Node
	change func(*query.Contents)
}

func (n *otherContents) Contents(ctx context.Context, ask query.ContentsRequest) (*query.Contents, error) {
	c, err := n.Node.Contents(ctx, ask)
	if err == nil {
		n.change(c)
	}
	return c, err
}

// TestFollowContents: payloads and outcomes are those that the headers name, or an error.
func TestFollowContents(t *testing.T) {
	node := &otherContents{Node: grpcapitest.New(4), change: func(*query.Contents) {}}
	c := dial(t, node, client.TrustGenesis(node.Genesis))
	for nonce := range uint64(3) {
		if _, err := c.SubmitTx(t.Context(), sampleTx(t, nonce+1)); err != nil {
			t.Fatal(err)
		}
	}
	enough := errors.New("enough")
	follow := func() (batches int, err error) {
		err = c.FollowContents(t.Context(), 1, func(b *client.Block, all []client.BatchContents) error {
			for i, k := range all {
				batches++
				if codec.Sum(k.Payload) != b.Header.Batches[i].Batch || k.Outcomes.Hash() != b.Header.Batches[i].Outcomes {
					t.Errorf("block %d: the contents are others", b.Height)
				}
			}
			if batches == 3 {
				return enough
			}
			return nil
		})
		return batches, err
	}
	if batches, err := follow(); batches != 3 || err != enough {
		t.Fatal(batches, err)
	}
	for name, change := range map[string]func(*query.Contents){
		"another payload": func(c *query.Contents) { c.Blocks[0].Batches[0].Payload = []byte("another") },
		"other outcomes": func(c *query.Contents) {
			c.Blocks[0].Batches[0].Outcomes = codec.Outcomes{Codes: []client.Outcome{9}}.AppendPacked(nil)
		},
		"another header":   func(c *query.Contents) { c.Blocks[0].Header = append([]byte(nil), c.Blocks[0].Header[:10]...) },
		"too many batches": func(c *query.Contents) { c.Blocks[0].Batches = append(c.Blocks[0].Batches, c.Blocks[0].Batches...) },
		"no batch":         func(c *query.Contents) { c.Blocks[0].Batches = nil },
	} {
		node.change = change
		if _, err := follow(); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	node.change = func(c *query.Contents) { c.Blocks, c.RetainedFrom = nil, 9 }
	if _, err := follow(); !fault.Is(err, fault.Pruned) {
		t.Error(err)
	}
	node.change = func(c *query.Contents) { c.Blocks = nil }
	if _, err := follow(); !fault.Is(err, fault.TryLater) {
		t.Error(err)
	}
}
