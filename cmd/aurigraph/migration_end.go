// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/archive"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
)

// What is kept of a migration besides V10 itself.
const (
	archivedHere    = "v10-archive" // in the network's folder, where the plan names no other place
	journalFile     = migration.JournalFile
	programFile     = migration.ProgramFile
	archiveSample   = 1.0 // per cent of the objects that are read back
	archivedHoursIn = 24  // of a day
)

// EndWayBack has governance end the migration, once V11 has applied all that V10 ever did. Done already: nothing is done.
func (w *world) EndWayBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeMax)
	defer cancel()
	port := v10port.NewClient(w.network.Sync.ChangesURL(), nil)
	defer port.Close()
	s := &session{app: w.app, network: w.network, Client: w.client}
	var err error
	if s.trust, err = w.network.Trust(); err != nil {
		return err
	}
	for {
		_, sequence, err := port.Barrier(ctx) // V10 has no slot any more: nothing of weight comes behind it
		if err != nil {
			return err
		}
		last := chain.SyncPosition{Major: sequence}
		in, err := w.appliedUpTo(ctx, last)
		if err != nil {
			return err
		}
		h, err := w.client.Homes(ctx)
		if err != nil || h.Closed {
			return err
		}
		err = s.asGovernance(ctx, "", &chain.CloseMigration{HomeVersion: h.Version, Life: in.Life, Position: last})
		if again := fault.ReasonOf(err); again != chain.HomesMoved.String() && again != chain.SyncBehind.String() && !fault.Is(err, fault.Timeout) {
			return err
		}
	}
}

// closeMax bounds the end of the way back.
const closeMax = time.Minute

// appliedUpTo waits until V11 has applied V10's changes up to a position.
func (w *world) appliedUpTo(ctx context.Context, last chain.SyncPosition) (*client.Inbox, error) {
	for {
		in, err := w.client.Inbox(ctx)
		if err != nil || !in.Position.Before(last) {
			return in, err
		}
		if await(ctx, closePoll); ctx.Err() != nil {
			return nil, fault.New(fault.Timeout, "V11 has not applied what V10 did: `aurigraph sync status`")
		}
	}
}

// closePoll is between two looks at V11's inbox.
const closePoll = 50 * time.Millisecond

// archiveOf is where a plan wants V10 to be archived.
func archiveOf(n *network.Network, how *migration.ArchivePlan) archivePlace {
	return archivePlace{
		url: cmp.Or(how.To, "file://"+n.Path(archivedHere)), endpoint: cmp.Or(how.S3Endpoint, awsEndpoint), region: how.S3Region, credentials: how.S3Credentials,
	}
}

// archiveConfig says what is archived of V10: its rows, this program, which serves them, and what the plan names.
func archiveConfig(n *network.Network, how *migration.ArchivePlan, store archive.Store) (cfg archive.Config, err error) {
	var f archiveCreate
	f.or(n)
	cfg = archive.Config{Store: store, Changes: f.changes, Engine: f.store, Ledger: f.ledger, RetainUntil: time.Now().Truncate(time.Second).Add(time.Duration(how.RetainDays) * archivedHoursIn * time.Hour)}
	if cfg.Dir, err = filepath.Abs(f.dir); err != nil {
		return cfg, fault.Wrap(fault.Invalid, err, "the archive's folder")
	}
	if cfg.Signer, err = keys.ReadFile(f.key, nil); err != nil {
		return cfg, err
	}
	program, err := thisProgram()
	if err != nil {
		return cfg, err
	}
	cfg.Files = []archive.Named{{Name: programFile, Path: program}}
	for _, text := range how.Files {
		name, path, _ := strings.Cut(text, "=")
		cfg.Files = append(cfg.Files, archive.Named{Name: name, Path: path})
	}
	return cfg, nil
}

// PutAway archives V10 and the migration's journal, and reads a sample back.
func (w *world) PutAway(ctx context.Context, how migration.ArchivePlan) (string, error) {
	n := w.network
	place := archiveOf(n, &how)
	if how.To == "" {
		if err := os.MkdirAll(place.path(), 0o755); err != nil {
			return "", fault.Wrap(fault.Unavailable, err, "make the archive's folder")
		}
	}
	store, err := openArchive(&place)
	if err != nil {
		return "", err
	}
	unlock, err := lockFolder(n.Path(network.ArchiveFolder))
	if err != nil {
		return "", err
	}
	defer unlock()
	cfg, err := archiveConfig(n, &how, store)
	if err != nil {
		return "", err
	}
	written, err := w.writeJournal(ctx)
	if err != nil {
		return "", err
	}
	cfg.Files = append(cfg.Files, archive.Named{Name: journalFile, Path: written})
	m, err := archive.Write(ctx, cfg)
	if err != nil {
		return "", err
	}
	r, err := archive.Verify(ctx, archive.VerifyConfig{Store: store, Signer: m.Signer, SamplePercent: archiveSample, Seed: m.Sequence})
	if err != nil {
		return "", err
	}
	if !r.OK {
		err = fault.New(fault.Corrupt, "of what was archived in %s %d objects are not as they were written: `aurigraph archive verify`", store, len(r.Findings))
	}
	return fmt.Sprintf("%s of sequence %d, %d objects, %d read back", store, m.Sequence, len(m.Objects), r.Read), err
}

// writeJournal writes the journal as lines of JSON, which any tool reads in seven years. What an earlier try wrote stays: an archive that goes on
// has the files that it began with.
func (w *world) writeJournal(ctx context.Context) (path string, err error) {
	path = filepath.Join(w.network.Migration(), journalFile)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	j, err := openJournal(ctx, w.network)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	entries, err := j.Read(ctx, 0)
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	for i := range entries {
		if err := lines.Encode(&entries[i]); err != nil {
			return "", fault.Wrap(fault.Internal, err, "write the journal")
		}
	}
	return path, fault.Wrap(fault.Unavailable, os.WriteFile(path, text.Bytes(), 0o644), "write the journal")
}
