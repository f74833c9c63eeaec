// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"

	"github.com/zeebo/blake3"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// inboxPosition finds the position in V10's row of its inbox.
var inboxPosition = regexp.MustCompile(`"position":"([0-9]{1,20})\.[0-9]{1,10}"`)

// progressFile holds how far a run is: everything but the tables of numbers, which lie beside it.
const progressFile = "progress"

// progressVersion is of what is kept, and of how it is hashed.
const progressVersion = 2

// savedBytesMax bounds the JSON in it.
const savedBytesMax = 64 << 20

// Resumed is how far an earlier process was.
type Resumed struct {
	saved savedRun
	sums  *sums
}

// savedRun is the part of a run's progress that is not sums.
type savedRun struct {
	Version  int       `json:"version"`
	Secret   Secret    `json:"secret"`
	Cursor   txCursor  `json:"cursor"`
	Bounds   bounds    `json:"bounds"`
	Pairs    Pairs     `json:"pairs"`
	Counts   v10Counts `json:"counts"`
	Accounts uint64    `json:"accounts"`
	Assets   uint64    `json:"assets"`
	Rows     uint64    `json:"rows"`
	Notes    []string  `json:"notes,omitempty"`
	Meta     RowsMeta  `json:"meta"`
	Found    []Finding `json:"found,omitempty"`
}

// Secret is the one that the run hashes with.
func (s *Resumed) Secret() Secret { return s.saved.Secret }

// Meta is what V11's tables said of themselves as the run began.
func (s *Resumed) Meta() RowsMeta { return s.saved.Meta }

// save writes progress, durably and at once.
func (p *pass) save(at *txCursor) error {
	p.mu.Lock()
	read := p.out.Rows
	p.mu.Unlock()
	s := savedRun{
		Version: progressVersion, Secret: p.cfg.Secret, Cursor: *at, Bounds: p.out.Bounds, Pairs: p.out.Pairs, Counts: p.counts, Accounts: p.who.v10Accounts,
		Assets: p.who.v10Assets, Rows: read, Notes: p.out.Notes, Meta: p.cut.Meta, Found: p.out.Findings.Kept(),
	}
	text, err := json.Marshal(s)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode the run's progress")
	}
	for _, n := range []*numbers{p.who.accounts, p.who.assets} {
		if err := n.file.Sync(); err != nil {
			return fault.Wrap(fault.Unavailable, err, "write a table of the run")
		}
	}
	return writeProgress(filepath.Join(p.cfg.Dir, progressFile), text, p.sums)
}

// writeProgress writes sums, text and a checksum into a new file, which then takes the old one's place.
func writeProgress(path string, text []byte, all *sums) (err error) {
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "write the run's progress")
	}
	sum := blake3.New()
	put := func(b []byte) {
		sum.Write(b)
		_, e := file.Write(b)
		err = errors.Join(err, e)
	}
	buf := make([]byte, 0, sketchBytes)
	for _, s := range all.all() {
		buf = s.append(buf[:0])
		put(buf)
	}
	put(binary.LittleEndian.AppendUint64(nil, uint64(len(text))))
	put(text)
	_, e := file.Write(sum.Sum(nil))
	err = errors.Join(err, e, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	return fault.Wrap(fault.Unavailable, err, "write the run's progress")
}

// ReadProgress reads how far a run in a folder is. NotFound: there is none. Corrupt: begin anew.
func ReadProgress(dir string) (*Resumed, error) {
	raw, err := os.ReadFile(filepath.Join(dir, progressFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "no run was interrupted in %s", dir)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the run's progress")
	}
	s := &Resumed{sums: &sums{}}
	fixed := 2*sketchBytes + 5*marksBytes + 8
	if len(raw) < fixed+32 || len(raw) > fixed+32+savedBytesMax {
		return nil, fault.New(fault.Corrupt, "the run's progress has %d bytes: begin anew, without --resume", len(raw))
	}
	end := len(raw) - 32
	if blake3.Sum256(raw[:end]) != [32]byte(raw[end:]) {
		return nil, fault.New(fault.Corrupt, "the run's progress is damaged: begin anew, without --resume")
	}
	rest := raw[:end]
	for _, sketch := range s.sums.all() {
		if rest, err = sketch.read(rest); err != nil {
			return nil, err
		}
	}
	if n := binary.LittleEndian.Uint64(rest); n != uint64(len(rest)-8) {
		return nil, fault.New(fault.Corrupt, "the run's progress has %d bytes of text, not %d: begin anew, without --resume", len(rest)-8, n)
	}
	if err := json.Unmarshal(rest[8:], &s.saved); err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the run's progress: begin anew, without --resume")
	}
	if s.saved.Version != progressVersion {
		return nil, fault.New(fault.Corrupt, "the run's progress is of another version of this program: begin anew, without --resume")
	}
	return s, nil
}

// RemoveProgress forgets an interrupted run.
func RemoveProgress(dir string) error {
	err := os.Remove(filepath.Join(dir, progressFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return fault.Wrap(fault.Unavailable, err, "remove the run's progress")
}

// restore goes on where an earlier process stopped.
func (p *pass) restore(from *Resumed) (err error) {
	s := &from.saved
	p.sums, p.cursor, p.counts = from.sums, s.Cursor, s.Counts
	p.out.Bounds, p.out.Pairs, p.out.Rows, p.out.Notes = s.Bounds, s.Pairs, s.Rows, s.Notes
	p.cut.Meta = s.Meta
	p.who.v10Accounts, p.who.v10Assets = s.Accounts, s.Assets
	for _, f := range s.Found {
		p.out.Findings.Add(f)
	}
	if p.who.accounts, err = openNumbers(filepath.Join(p.cfg.Dir, accountsFile)); err != nil {
		return err
	}
	p.who.assets, err = openNumbers(filepath.Join(p.cfg.Dir, assetsFile))
	return err
}
