// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
)

// Outlook is what Write would do.
type Outlook struct {
	Store       string    `json:"store"`
	Mode        string    `json:"mode"`
	Ledger      string    `json:"ledger"`
	Head        uint64    `json:"head"`    // of V10's log
	Whole       bool      `json:"whole"`   // this run's archive is there already
	GoesOn      bool      `json:"goes_on"` // with the checkpoint at Sequence
	Sequence    uint64    `json:"sequence,omitempty"`
	RetainUntil time.Time `json:"retain_until"`
	Files       int       `json:"files"` // that are known: without the checkpoint, if there is none yet
	Bytes       int64     `json:"bytes"`
}

// Look says what Write would do, or why it would not. It changes nothing.
func Look(ctx context.Context, cfg Config) (*Outlook, error) {
	s, old, err := cfg.stand(ctx)
	if err != nil {
		return nil, err
	}
	o := &Outlook{Store: cfg.Store.String(), Mode: cfg.Store.Mode(), Ledger: cfg.Ledger, Whole: old != nil, RetainUntil: cfg.RetainUntil}
	checkpoint := ""
	if s != nil {
		o.GoesOn, o.Sequence, o.RetainUntil, checkpoint = old == nil, s.Sequence, s.RetainUntil, s.Checkpoint
	}
	if o.Whole {
		o.Files, o.Bytes = len(old.Files), old.Bytes
		return o, nil
	}
	v10 := v10port.NewClient(cfg.Changes, nil)
	defer v10.Close()
	if _, o.Head, err = v10.Head(ctx); err != nil && !o.GoesOn { // a run that has its checkpoint does not need V10
		return nil, err
	}
	all, err := cfg.sources(checkpoint)
	for i := range all {
		o.Bytes += all[i].bytes
	}
	o.Files = len(all)
	return o, err
}

// stand is where a run stands: what it is of, nil if it has to begin; and its archive, if that is whole.
func (c *Config) stand(ctx context.Context) (*state, *Manifest, error) {
	if err := c.check(); err != nil {
		return nil, nil, err
	}
	if err := c.Store.Ready(ctx); err != nil {
		return nil, nil, err
	}
	s, err := c.state()
	if err != nil {
		return nil, nil, err
	}
	old, err := ReadManifest(ctx, c.Store, "")
	switch {
	case err == nil && s.isOf(old):
		return s, old, nil
	case err == nil:
		return nil, nil, fault.Reasoned(fault.Conflict, "other_archive", "%s has an archive of %s at %d already, of another run: name another place", c.Store, old.Ledger, old.Sequence)
	case !fault.Is(err, fault.NotFound):
		return nil, nil, err
	}
	if s != nil && !s.there() { // it was of an archive in another place, which is whole, or is lost
		s = nil
	}
	return s, nil, nil
}
