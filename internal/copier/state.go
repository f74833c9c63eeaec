// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Names of what lies in a copy's folder.
const (
	stateFile      = "copy.json"
	statusFile     = "status.json"
	lockFile       = "LOCK"
	checkpointName = "checkpoint"
	stateVersion   = 1
	fileBytesMax   = 64 << 20
)

// state is what a copy must know after a crash and cannot ask anybody. It is durable before anything that rests on it is sent.
type state struct {
	Version     int           `json:"version"`
	Chain       chain.ChainID `json:"chain"`
	Genesis     string        `json:"genesis"`     // V11's
	Incarnation string        `json:"incarnation"` // of V10
	Sequence    uint64        `json:"sequence"`    // of V10, that the checkpoint is of
	Checkpoint  string        `json:"checkpoint"`  // folder
	Runs        runs          `json:"runs"`
	Done        bool          `json:"done"`
	Report      Report        `json:"report"`
}

// readState reads a copy's state; nil: there is none.
func readState(dir string) (*state, error) {
	s := &state{}
	found, err := readFile(filepath.Join(dir, stateFile), s)
	if err != nil || !found {
		return nil, err
	}
	if s.Version != stateVersion || len(s.Runs) > 0 && !s.Runs.valid() {
		return nil, fault.New(fault.Invalid, "%s has version %d or contradicts itself, this program knows version %d: upgrade it, or take the folder of this copy", filepath.Join(dir, stateFile), s.Version, stateVersion)
	}
	return s, nil
}

func (s *state) save(dir string) error { return writeFile(filepath.Join(dir, stateFile), s, true) }

func readFile(path string, into any) (found bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	var text []byte
	if err == nil {
		if info.Size() > fileBytesMax {
			return false, fault.New(fault.Corrupt, "%s has %d bytes: it is no file of a copy", path, info.Size())
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return false, fault.Wrap(fault.Unavailable, err, "read %s", path)
	}
	return true, fault.Wrap(fault.Corrupt, json.Unmarshal(text, into), "read %s", path)
}

// writeFile replaces a file whole or not at all; durably, if asked for.
func writeFile(path string, value any, durable bool) error {
	text, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode %s", path)
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "write %s", path)
	}
	_, err = f.Write(append(text, '\n'))
	if durable {
		err = errors.Join(err, f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil && durable {
		err = syncFolder(filepath.Dir(path))
	}
	return fault.Wrap(fault.Unavailable, err, "write %s", path)
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lock makes sure that one process copies into a folder, which it makes.
func lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the copy's folder")
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open the lock of the copy's folder: is the disk writable?")
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fault.Reasoned(fault.Conflict, ReasonRunning, "another process copies into %s: wait for it, or stop it", dir), f.Close())
	}
	return f, nil
}
