// SPDX-License-Identifier: Apache-2.0

package network

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Retired is what is known of a V10 that is gone: the network goes on without it.
type Retired struct {
	Sync
	Bytes   uint64 `json:"bytes"`             // that only V10 needed
	Cleaned bool   `json:"cleaned,omitempty"` // they are removed, and no settings name it any more
}

// Remain is something in the network's folder that only V10 needed.
type Remain struct {
	Path  string `json:"path"`
	What  string `json:"what"`
	Bytes uint64 `json:"bytes"`
}

// Names of what stands beside a network that is in step with a V10.
const (
	BrokerFolder  = "kafka"         // of a broker of its own
	ArchiveFolder = "archive"       // where a checkpoint is made for the archive
	SyncSocket    = "sync-v10.sock" // of V10's half of the sync
)

// NoteOff notes durably that V10 is to be off. Whoever runs it ends it, and does not start it again.
func (n *Network) NoteOff(at time.Time) error {
	now, err := Open(n.Dir) // a change of the validators may have been written meanwhile
	if err != nil {
		return err
	}
	if now.Sync == nil {
		return fault.New(fault.Conflict, "the network in %s has no V10", n.Dir)
	}
	if now.Sync.OffMs == 0 {
		now.Sync.OffMs = uint64(at.UnixMilli())
		if err := now.Save(); err != nil {
			return err
		}
	}
	n.Sync.OffMs = now.Sync.OffMs
	return nil
}

// Journal is the URL of the database that has the migration's journal; empty: it is a file in Migration.
func (n *Network) Journal() string {
	if s := n.lastSync(); s != nil && s.Move != nil {
		return s.Move.Journal
	}
	return ""
}

// lastSync is how the network is kept in step with a V10, or was; nil: never.
func (n *Network) lastSync() *Sync {
	if n.Sync == nil && n.Retired != nil {
		return &n.Retired.Sync
	}
	return n.Sync
}

// Remains lists what only V10 needed, of what is there. Keys come last: what they open is gone before them.
func (n *Network) Remains() ([]Remain, error) {
	s := n.lastSync()
	if s == nil {
		return nil, nil
	}
	var all []Remain
	add := func(path, what string) { all = append(all, Remain{Path: path, What: what}) }
	add(s.Dir, "V10's ledger, and the logs of what ran beside the network")
	add(BrokerFolder, "the broker's topics")
	add(ArchiveFolder, "the checkpoint that the archive was made of")
	add(SyncSocket, "a socket of V10's half of the sync")
	if m := s.Move; m != nil {
		add(m.Dir, "what V10's guard knew")
		add(m.Routes, "the router's map and logs")
		add(m.Key, "the key of V10's guard")
		add(m.Mover, "the key that moved slots")
	}
	add(s.Signer, "the key of the inbox")
	add(s.Key, "the sync key")
	there := []Remain{}
	for _, r := range all {
		if !filepath.IsLocal(r.Path) { // nobody put it into this folder
			return nil, fault.New(fault.Refused, "%s of %s is not in the network's folder: remove it by hand, and take it out of %s", r.What, r.Path, FileName)
		}
		var err error
		switch r.Bytes, err = bytesOf(n.Path(r.Path)); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fault.Wrap(fault.Unavailable, err, "look at %s", r.Path)
		default:
			there = append(there, r)
		}
	}
	return there, nil
}

// bytesOf are those of a file, or of all in a folder.
func bytesOf(path string) (sum uint64, err error) {
	err = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			sum += uint64(info.Size())
		}
		return err
	})
	return sum, err
}

// Within reports whether a path lies in one of what remains.
func (n *Network) Within(remains []Remain, path string) bool {
	for _, r := range remains {
		if of := n.Path(r.Path); path == of || strings.HasPrefix(path, of+string(filepath.Separator)) {
			return true
		}
	}
	return false
}

// Retire makes the network one without a V10, and removes what only V10 needed. It must not run, and V10 must be off. Interrupted anywhere it is
// called again: the description says first that V10 is gone, then no settings name it, and only then is something removed.
func (n *Network) Retire(remains []Remain) error {
	if n.Retired == nil {
		if n.Sync == nil || n.Sync.OffMs == 0 {
			return fault.New(fault.Refused, "V10 beside the network in %s is not off", n.Dir)
		}
		n.Retired = &Retired{Sync: *n.Sync}
		for _, r := range remains {
			n.Retired.Bytes += r.Bytes
		}
		n.Sync = nil
		if err := n.Save(); err != nil {
			return err
		}
	}
	if err := n.clearSyncSettings(); err != nil {
		return err
	}
	for _, r := range remains {
		if err := os.RemoveAll(n.Path(r.Path)); err != nil {
			return fault.Wrap(fault.Unavailable, err, "remove %s: mend that, and do it again", r.Path)
		}
		if err := syncPath(filepath.Dir(n.Path(r.Path))); err != nil {
			return fault.Wrap(fault.Unavailable, err, "remove %s: do it again", r.Path)
		}
	}
	return n.WriteScrapes()
}

// NoteCleaned notes durably that nothing is left to do.
func (n *Network) NoteCleaned() error {
	n.Retired.Cleaned = true
	return n.Save()
}
