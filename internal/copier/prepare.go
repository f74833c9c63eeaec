// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// prepare finds out where the copy stands, and has V10 write the checkpoint if it has not begun. over: there is nothing to do.
func (c *copying) prepare(ctx context.Context) (over bool, err error) {
	in, err := c.inbox(ctx)
	if err != nil {
		return false, err
	}
	if c.saved, err = readState(c.Dir); err != nil {
		return false, err
	}
	switch {
	case c.saved == nil && in.Position.Major > 0: // it was copied from elsewhere
		c.saved = &state{Report: Report{Sequence: in.Position.Major}}
		return true, nil
	case c.saved != nil && c.saved.Genesis != c.Trust.GenesisHash.String():
		return false, fault.Reasoned(fault.Conflict, ReasonOther, "%s belongs to the copy into another V11: name another folder", c.Dir)
	case c.saved != nil && c.saved.Incarnation != hex.EncodeToString(in.Incarnation[:]):
		return false, fault.Reasoned(fault.Conflict, ReasonOther, "%s belongs to the copy of another life of V10: name another folder", c.Dir)
	case c.saved != nil && c.saved.Done:
		c.sequence.Store(c.saved.Sequence)
		return true, c.drop()
	}
	if c.saved != nil && in.Position == chain.CopyBegin() && !c.there() { // nothing rests on it yet
		c.saved = nil
	}
	switch {
	case c.saved == nil && in.Position != chain.CopyBegin(), c.saved != nil && !c.there():
		return false, fault.Reasoned(fault.NotFound, ReasonLost,
			"a copy is under way, and the checkpoint that it is of is not in %s: go on with the folder that it began with, or begin anew with a new V11", c.Dir)
	case c.saved == nil:
		err = c.checkpoint(ctx, in)
	}
	if err == nil {
		c.sequence.Store(c.saved.Sequence)
	}
	return false, err
}

// inbox reads the inbox, and says why nothing can be copied through it.
func (c *copying) inbox(ctx context.Context) (*client.Inbox, error) {
	in, err := c.Client.Inbox(ctx)
	switch {
	case err != nil:
		return nil, err
	case in.Life == 0:
		return nil, fault.Reasoned(fault.Refused, ReasonNotOpen, "the inbox was never opened: governance opens it for the initial copy (OpenInbox at position 0.1)")
	case in.Position == chain.SyncPosition{}:
		return nil, fault.Reasoned(fault.Refused, ReasonNotOpen, "the inbox was opened without an initial copy (at position 0.0): a copy needs a V11 whose inbox is opened at 0.1")
	}
	return in, nil
}

func (c *copying) there() bool {
	info, err := os.Stat(c.saved.Checkpoint)
	return err == nil && info.IsDir()
}

// checkpoint has V10 write a checkpoint, behind a barrier, and remembers of what it is.
func (c *copying) checkpoint(ctx context.Context, in *client.Inbox) error {
	dir := filepath.Join(c.Dir, checkpointName)
	if err := os.RemoveAll(dir); err != nil { // of a run that was killed before it knew the sequence
		return fault.Wrap(fault.Unavailable, err, "remove a checkpoint that nothing rests on")
	}
	life, _, err := c.v10.Head(ctx)
	if err != nil {
		return err
	}
	if [16]byte(life) != in.Incarnation {
		return fault.Reasoned(fault.Conflict, ReasonOther, "the V10 at %s is in its life %s, and the inbox was opened for another: governance opens it for this one", c.Changes, life)
	}
	if _, _, err := c.v10.Barrier(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkpointMax)
	defer cancel()
	life, sequence, err := c.v10.Checkpoint(ctx, dir)
	if err != nil {
		return err
	}
	if [16]byte(life) != in.Incarnation || sequence == 0 {
		return fault.Reasoned(fault.Conflict, ReasonOther, "V10 began another life while its checkpoint was made: start the copy again")
	}
	c.saved = &state{
		Version: stateVersion, Chain: c.Trust.ChainID, Genesis: c.Trust.GenesisHash.String(), Incarnation: life.String(), Sequence: sequence, Checkpoint: dir,
	}
	c.Log.Info("V10 wrote a checkpoint", "sequence", sequence)
	return c.saved.save(c.Dir)
}
