// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"context"
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/store"
)

// Sealed is an executed block for which no certificate of its own may be at hand: a seal of its epoch stands for it.
type Sealed struct {
	Proposal *chain.Proposal
	Followed []*lane.Stored // entries that were executed, as the header's lines
	Executed *exec.Executed
}

// RecordSealed stores the blocks of a sealed epoch above the published height, and writes the state that the next epoch begins
// with: of the last block's height, with the next membership. It is called instead of Run.
func (l *Loop) RecordSealed(ctx context.Context, blocks []Sealed, state *pages.Snapshot, height chain.Height, root chain.Hash, at lane.Position) error {
	var changes store.Changes
	legs := l.legsOK.Load()
	for _, b := range blocks {
		if h := b.Executed.Header.Height; h > l.startedAt {
			legs += b.Executed.LegsOK
			Record(&changes, b.Proposal, b.Followed, b.Executed, nil)
			store.WriteMeta(&changes, metaLegsOK, binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(h)), legs))
		}
	}
	if changes.Len() > 0 {
		if err := l.Store.Apply(&changes, true); err != nil {
			return err
		}
	}
	meta := checkpoint.Meta{Chain: l.Chain, Height: height, Root: root, Blob: AppendBlob(nil, at, l.floor())}
	_, err := l.Checkpoints.Write(ctx, state, meta)
	return err
}
