// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
)

// RecordName is the usual name of a sealer's record in a node's data folder.
const RecordName = "seal"

const recordBytesMax = 256 << 10

// record is what a sealer must not forget: that its validator signs no header of an epoch any more, and the handover that
// it signed.
type record struct {
	chain     chain.ChainID
	epoch     chain.Epoch
	validator chain.ValidatorNo
	handover  *chain.Handover // nil: none is signed
	signature []byte          // of handover
}

func appendRecord(dst []byte, x *record) []byte {
	w := writer{dst}
	w.text(magicRecord)
	w.u64(uint64(x.chain))
	w.u64(uint64(x.epoch))
	w.u16(uint16(x.validator))
	w.flag(x.handover != nil)
	if x.handover != nil {
		w.bytes(codec.AppendHandover(nil, x.handover), recordBytesMax)
		w.signature(x.signature)
	}
	w.hash(codec.Sum(w.b[len(dst):]))
	return w.b
}

func decodeRecord(b []byte) (*record, error) {
	r := reader{b: b, what: "record"}
	r.magic(magicRecord)
	x := &record{chain: chain.ChainID(r.u64()), epoch: chain.Epoch(r.u64()), validator: chain.ValidatorNo(r.u16())}
	if r.flag() {
		h, err := codec.DecodeHandover(r.bytes(recordBytesMax))
		if err != nil {
			r.fail("%v", err)
		}
		x.handover, x.signature = h, r.signature()
	}
	covered := len(b) - len(r.b)
	if sum := r.hash(); r.err == nil && sum != codec.Sum(b[:covered]) {
		r.fail("its bytes are not those that were written")
	}
	return x, r.done()
}

// recordFile keeps a record on disk, whole or not at all.
type recordFile struct {
	fs   disk.FS
	path string
}

// load reads the record, nil if there is none.
func (f *recordFile) load() (*record, error) {
	file, err := f.fs.OpenFile(f.path, disk.ReadOnly, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open the record of the seal")
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the record of the seal")
	}
	if size > recordBytesMax {
		return nil, f.damaged(fault.New(fault.Corrupt, "it has %d bytes", size))
	}
	b := make([]byte, size)
	if _, err := file.ReadAt(b, 0); err != nil && size > 0 {
		return nil, fault.Wrap(fault.Unavailable, err, "read the record of the seal")
	}
	x, err := decodeRecord(b)
	if err != nil {
		return nil, f.damaged(err)
	}
	return x, nil
}

// damaged is the end of a validator's word in an epoch: nobody knows what it signed. The file is replaced whole, so a power
// cut does not do that.
func (f *recordFile) damaged(err error) error {
	return fault.Wrap(fault.Corrupt, err, "%s is damaged, and so is what this validator signed to end an epoch: it must not sign again in that epoch; see docs/runbooks/seal.md", f.path)
}

// save makes a record durable in place of the one before.
func (f *recordFile) save(x *record) error {
	temporary := f.path + ".tmp"
	if err := f.write(temporary, appendRecord(nil, x)); err != nil {
		return fault.Wrap(fault.Unavailable, err, "write the record of the seal")
	}
	if err := f.fs.Rename(temporary, f.path); err != nil {
		return fault.Wrap(fault.Unavailable, err, "write the record of the seal")
	}
	return fault.Wrap(fault.Unavailable, f.fs.SyncDir(filepath.Dir(f.path)), "write the record of the seal")
}

func (f *recordFile) write(path string, b []byte) (err error) {
	file, err := f.fs.OpenFile(path, disk.Create, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := file.Truncate(0); err != nil {
		return err
	}
	if err := file.WriteVec([][]byte{b}, 0); err != nil {
		return err
	}
	return file.Datasync()
}
