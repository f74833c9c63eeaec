// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Files of a guard's folder.
const (
	recordFile     = "guard.json"
	lockFile       = "lock"
	recordBytesMax = 4 << 20
	recordHead     = "aurigraph guard 1 " // then the SHA-256 of what follows the line
)

// folder is where a guard keeps its record. One guard at a time has it.
type folder struct {
	dir  string
	lock *os.File
}

// openFolder takes a folder, which it makes. Conflict: another guard has it.
func openFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the guard's folder")
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open the lock of the guard's folder: is the disk writable?")
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fault.Reasoned(fault.Conflict, "running", "another guard runs in %s: end it first", dir), f.Close())
	}
	return &folder{dir, f}, nil
}

func (f *folder) close() error { return f.lock.Close() }

// recordJSON is a record as it is kept.
type recordJSON struct {
	Incarnation string `json:"incarnation"`
	Record
}

// encodeRecord writes a record with its checksum.
func encodeRecord(r *Record) ([]byte, error) {
	text, err := json.MarshalIndent(recordJSON{hex.EncodeToString(r.Incarnation[:]), *r}, "", " ")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "encode the guard's record")
	}
	text = append(text, '\n')
	return append(fmt.Appendf(nil, "%s%x\n", recordHead, sha256.Sum256(text)), text...), nil
}

// decodeRecord reads what encodeRecord wrote; anything else is Corrupt.
func decodeRecord(b []byte) (*Record, error) {
	head, text, _ := bytes.Cut(b, []byte{'\n'})
	if want := fmt.Sprintf("%s%x", recordHead, sha256.Sum256(text)); string(head) != want {
		return nil, fault.New(fault.Corrupt, "the checksum is wrong")
	}
	var j recordJSON
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	err := in.Decode(&j)
	raw, errHex := hex.DecodeString(j.Incarnation)
	if err != nil || errHex != nil || copy(j.Record.Incarnation[:], raw) != len(raw) || len(raw) != len(j.Record.Incarnation) {
		return nil, fault.New(fault.Corrupt, "it is no record: %v", errors.Join(err, errHex))
	}
	return &j.Record, j.Record.check()
}

// check says why a record cannot be one.
func (r *Record) check() error {
	if r.Newborn > 0 && r.Version == 0 && r.Last == nil && len(r.Owned)+len(r.Closed) == 0 {
		return nil
	}
	bad := r.Newborn > 0 || r.Version < FirstVersion || r.Last != nil && (r.Last.Version != r.Version || r.Last.check() != nil)
	for i, o := range r.Owned {
		bad = bad || o.From > o.To || o.To == chain.SlotNone || i > 0 && o.From <= r.Owned[i-1].To
	}
	for i, c := range r.Closed {
		bad = bad || c.From > c.To || c.To == chain.SlotNone || i > 0 && c.From <= r.Closed[i-1].To
	}
	if bad {
		return fault.New(fault.Corrupt, "it contradicts itself")
	}
	return nil
}

// read returns the record, nil if there is none. Corrupt: it is damaged; what was closed is not known then.
func (f *folder) read() (*Record, error) {
	path := filepath.Join(f.dir, recordFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.Size() > recordBytesMax {
		err = fault.New(fault.Corrupt, "it has %d bytes", info.Size())
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	var r *Record
	if err == nil {
		r, err = decodeRecord(text)
	}
	if err == nil {
		return r, nil
	}
	return nil, fault.Wrap(fault.Corrupt, err, "%s cannot be read: move it away and start again; then every slot stays closed until the home table moves on (see the guard's runbook)", path)
}

// write replaces the record, whole or not at all, and durably.
func (f *folder) write(r *Record) error {
	text, err := encodeRecord(r)
	if err != nil {
		return err
	}
	path := filepath.Join(f.dir, recordFile)
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "write the guard's record")
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncFolder(f.dir)
	}
	return fault.Wrap(fault.Unavailable, err, "write the guard's record")
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
