// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// incarnationFile lies beside the engine's files and in no checkpoint, so that a restored copy draws another.
const incarnationFile = "INCARNATION"

// OpenIncarnation returns the incarnation of the store in dir, which it makes, durably, if it is missing.
func OpenIncarnation(dir string) (Incarnation, error) {
	var id Incarnation
	path := filepath.Join(dir, incarnationFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return newIncarnation(dir, path)
	}
	if err != nil {
		return id, fault.Wrap(fault.Unavailable, err, "read which life of the ledger this is")
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != len(id) {
		return id, fault.New(fault.Corrupt, "%s does not hold 32 hex digits: remove it, and the ledger begins a new life", path)
	}
	copy(id[:], raw)
	return id, nil
}

func newIncarnation(dir, path string) (Incarnation, error) {
	var id Incarnation
	if _, err := rand.Read(id[:]); err != nil {
		return id, fault.Wrap(fault.Unavailable, err, "draw an incarnation")
	}
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return id, fault.Wrap(fault.Unavailable, err, "write %s", next)
	}
	_, err = f.WriteString(id.String() + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = errors.Join(os.Rename(next, path), syncFolder(dir))
	}
	return id, fault.Wrap(fault.Unavailable, err, "write %s", path)
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
