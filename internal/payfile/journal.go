// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"bytes"
	"errors"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Journal is the memory of one file's import. One goroutine uses it.
type Journal struct {
	disk    Disk
	name    string // of the payment file
	file    JournalFile
	header  header
	size    uint64
	durable uint64
	broken  error    // the first failed write: nothing is written after it
	chunks  []*chunk // by number, the newest version
	dones   []*done  // by number, nil until it is known
	taken   []bool   // by line: it is in a chunk
	resumed bool
}

// OpenJournal opens name.journal of a payment file, or begins it with channel, on which the institution's batches will go:
// choose it at random from 1 to 255, so that imports at the same time rarely meet. Close it.
func OpenJournal(disk Disk, name string, f *File, id chain.ChainID, channel uint8) (*Journal, error) {
	file, err := disk.OpenJournal(name + ".journal")
	if err != nil {
		return nil, err
	}
	j := &Journal{
		disk: disk, name: name, file: file, taken: make([]bool, len(f.Lines)),
		header: header{file: f.Hash, chain: id, channel: channel, lines: uint32(len(f.Lines))},
	}
	if err := j.load(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return j, nil
}

// Channel is the channel that the journal was begun with.
func (j *Journal) Channel() uint8 { return j.header.channel }

// Resumed reports whether an earlier call began the import.
func (j *Journal) Resumed() bool { return j.resumed }

// Complete reports whether every line has its outcome, so that Run will send nothing.
func (j *Journal) Complete() bool {
	return !slices.Contains(j.taken, false) && !slices.Contains(j.dones, nil)
}

// Close lets other processes have the journal.
func (j *Journal) Close() error { return j.file.Close() }

func (j *Journal) load() error {
	data, err := j.file.ReadAll()
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read %s.journal", j.name)
	}
	if foreign(data) {
		return fault.Reasoned(fault.Conflict, "journal_foreign", "%s.journal is not a payment journal: move it away", j.name)
	}
	entries, end, err := scan(data)
	if err == nil && len(entries) > 0 {
		err = j.replay(entries)
	}
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "%s.journal", j.name)
	}
	if end < len(data) {
		if err := j.file.Truncate(int64(end)); err != nil {
			return fault.Wrap(fault.Unavailable, err, "cut the torn end of %s.journal", j.name)
		}
	}
	j.size = uint64(end)
	if len(entries) == 0 {
		if err := j.write(entryHeader, j.header.append(nil)); err != nil {
			return err
		}
	}
	// What an earlier process wrote may have reached the disk or not. It is sent again only after this.
	return j.sync()
}

// foreign tells another program's file from a journal, whose first entry may be torn: some of the magic, then zeros.
func foreign(data []byte) bool {
	data = bytes.TrimRight(data, "\x00")
	n := min(len(data), len(entryMagic))
	return !bytes.Equal(data[:n], entryMagic[:n])
}

func (j *Journal) replay(entries []entry) error {
	if err := j.matches(entries[0]); err != nil {
		return err
	}
	for _, e := range entries[1:] {
		var err error
		switch e.kind {
		case entryChunk:
			err = j.replayChunk(e.body)
		case entryDone:
			err = j.replayDone(e.body)
		default:
			err = fault.New(fault.Corrupt, "an entry of kind %d", e.kind)
		}
		if err != nil {
			return err
		}
	}
	j.resumed = true
	return nil
}

func (j *Journal) matches(e entry) error {
	h, version, err := readJournalHeader(e.body)
	switch {
	case e.kind != entryHeader:
		return fault.New(fault.Corrupt, "it does not begin with a header")
	case err != nil:
		return err
	case version != journalVersion:
		return fault.Reasoned(fault.Conflict, "journal_version", "it is of version %d, this program knows %d", version, journalVersion)
	case h.file != j.header.file:
		return fault.Reasoned(fault.Conflict, "file_changed", "the payment file was changed since its import began. Restore it and run again to finish; put new payments in a new file. "+
			"Only if nothing of the old file shall be remembered, move the journal away: lines that were paid would be paid again")
	case h.chain != j.header.chain:
		return fault.Reasoned(fault.Conflict, "journal_chain", "its import began on chain %d, this is chain %d: use that network, or a copy of the file under another name", h.chain, j.header.chain)
	case h.lines != j.header.lines:
		return fault.New(fault.Corrupt, "it counts %d payments, the file has %d", h.lines, j.header.lines)
	}
	j.header.channel = h.channel
	return nil
}

func (j *Journal) replayChunk(body []byte) error {
	k, err := readChunk(body)
	if err != nil {
		return err
	}
	if int(k.number) < len(j.chunks) {
		if j.dones[k.number] != nil || !slices.Equal(k.lines, j.chunks[k.number].lines) {
			return fault.New(fault.Corrupt, "chunk %d is replaced by another", k.number)
		}
		j.chunks[k.number] = k
		return nil
	}
	if int(k.number) != len(j.chunks) {
		return fault.New(fault.Corrupt, "chunk %d follows %d others", k.number, len(j.chunks))
	}
	for _, l := range k.lines {
		if int(l) >= len(j.taken) || j.taken[l] {
			return fault.New(fault.Corrupt, "chunk %d has payment %d, which is none or another chunk's", k.number, l+1)
		}
		j.taken[l] = true
	}
	j.chunks, j.dones = append(j.chunks, k), append(j.dones, nil)
	return nil
}

func (j *Journal) replayDone(body []byte) error {
	d, err := readDone(body)
	if err != nil {
		return err
	}
	if int(d.number) >= len(j.chunks) || len(d.outcomes) != len(j.chunks[d.number].lines) {
		return fault.New(fault.Corrupt, "outcomes of chunk %d do not fit it", d.number)
	}
	j.dones[d.number] = d
	return nil
}

// put writes a new chunk, whose number it gives, or the replacement of one. It may be sent after sync.
func (j *Journal) put(k *chunk, fresh bool) error {
	if fresh {
		k.number = uint32(len(j.chunks))
	}
	if err := j.write(entryChunk, k.append(nil)); err != nil {
		return err
	}
	if !fresh {
		j.chunks[k.number] = k
		return nil
	}
	j.chunks, j.dones = append(j.chunks, k), append(j.dones, nil)
	for _, l := range k.lines {
		j.taken[l] = true
	}
	return nil
}

// finish records a chunk's outcomes. It need not be durable at once: the ledger would give them again.
func (j *Journal) finish(d *done) error {
	if err := j.write(entryDone, d.append(nil)); err != nil {
		return err
	}
	j.dones[d.number] = d
	return nil
}

func (j *Journal) write(kind entryKind, body []byte) error {
	if j.broken == nil {
		raw := appendEntry(make([]byte, 0, entryHeadBytes+len(body)+entrySumBytes), kind, j.size, j.durable, body)
		j.broken = fault.Wrap(fault.Unavailable, j.file.Append(raw), "write %s.journal: make room or repair the disk, then run again", j.name)
		j.size += uint64(len(raw))
	}
	return j.broken
}

// sync makes all that was written durable. A failed sync leaves unknown what is: nothing is written or sent after it.
func (j *Journal) sync() error {
	if j.broken == nil && j.durable < j.size {
		j.broken = fault.Wrap(fault.Unavailable, j.file.Sync(), "sync %s.journal: repair the disk, then run again", j.name)
		j.durable = j.size
	}
	return j.broken
}

// fates lists what became of each line; the journal is complete.
func (j *Journal) fates() []fate {
	out := make([]fate, len(j.taken))
	for n, k := range j.chunks {
		d := j.dones[n]
		for i, l := range k.lines {
			f := fate{outcome: d.outcomes[i], height: d.heights[0]}
			if len(d.heights) > 1 {
				f.height = d.heights[i]
			}
			if k.batch != nil {
				f.id = chain.Hash(chain.NewLegID(k.batch.ID, uint32(i)))
			} else {
				f.id = txID(k.txs[i])
			}
			out[l] = f
		}
	}
	return out
}

// txID is the id of a transaction that check has passed.
func txID(signed []byte) chain.Hash {
	_, id, err := codec.DecodeSignedTx(signed)
	fault.Invariant(err == nil, "a journalled transaction does not decode")
	return id
}
