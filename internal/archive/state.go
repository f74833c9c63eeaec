// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
)

const (
	stateName      = "archive.json"
	checkpointName = "checkpoint"
	stateVersion   = 1
	checkpointMax  = time.Hour // V10 has to flush, and to link its files
)

// state says of what an archive is that a run began. It is there before the first object is written.
type state struct {
	Version     int       `json:"version"`
	Ledger      string    `json:"ledger"`
	Engine      string    `json:"engine"`
	Incarnation string    `json:"incarnation"`
	Sequence    uint64    `json:"sequence"`
	Taken       time.Time `json:"taken"`
	RetainUntil time.Time `json:"retain_until"`
	Checkpoint  string    `json:"checkpoint"` // folder
}

// begin has V10 write a checkpoint, and remembers of what it is.
func (c *Config) begin(ctx context.Context) (*state, error) {
	if _, err := c.sources(""); err != nil { // before V10 has to work for it
		return nil, err
	}
	dir := filepath.Join(c.Dir, checkpointName)
	err := os.RemoveAll(dir) // of a run that was killed before it knew the sequence
	if err = errors.Join(err, os.MkdirAll(c.Dir, 0o750)); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make room for a checkpoint")
	}
	c.report("checkpoint")(0, 0)
	v10 := v10port.NewClient(c.Changes, nil)
	defer v10.Close()
	ctx, cancel := context.WithTimeout(ctx, checkpointMax)
	defer cancel()
	life, sequence, err := v10.Checkpoint(ctx, dir)
	if err != nil {
		return nil, err
	}
	s := &state{
		Version: stateVersion, Ledger: c.Ledger, Engine: c.Engine, Incarnation: life.String(), Sequence: sequence,
		Taken: time.Now().UTC().Truncate(time.Second), RetainUntil: c.RetainUntil.UTC(), Checkpoint: dir,
	}
	return s, s.save(c.Dir)
}

// save writes the state whole.
func (s *state) save(dir string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode how far the archive is")
	}
	path := filepath.Join(dir, stateName)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err == nil {
		_, err = f.Write(append(text, '\n'))
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	return fault.Wrap(fault.Unavailable, errors.Join(err, SyncFolder(dir)), "write how far the archive is")
}

// state reads how far a run is that began; nil: none did.
func (c *Config) state() (*state, error) {
	path := filepath.Join(c.Dir, stateName)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read how far the archive is")
	}
	s := &state{}
	if err := json.Unmarshal(text, s); err != nil || s.Version != stateVersion {
		return nil, fault.New(fault.Corrupt, "%s says nothing that this program knows: move it away to begin anew", path)
	}
	if s.Ledger != c.Ledger || s.Engine != c.Engine {
		return nil, fault.Reasoned(fault.Conflict, "other_ledger", "%s is of an archive of %s (%s): name another folder", path, s.Ledger, s.Engine)
	}
	return s, nil
}

func (s *state) there() bool {
	info, err := os.Stat(s.Checkpoint)
	return err == nil && info.IsDir()
}

// isOf reports whether a manifest is of what the run began.
func (s *state) isOf(m *Manifest) bool {
	return s != nil && s.Ledger == m.Ledger && s.Incarnation == m.Incarnation && s.Sequence == m.Sequence && s.RetainUntil.Equal(m.RetainUntil)
}

// drop removes the checkpoint of an archive that is whole. The state stays: it says that it is this run's.
func (s *state) drop() error {
	return fault.Wrap(fault.Unavailable, os.RemoveAll(s.Checkpoint), "remove the checkpoint that is archived")
}

// SyncFolder makes the names in a folder durable.
func SyncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
