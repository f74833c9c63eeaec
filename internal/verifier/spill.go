// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"cmp"
	"encoding/binary"
	"errors"
	"os"
	"slices"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// A spill joins two sets by a key in bounded memory: entries go to parts by their key, to a file in chunks; then part after part is
// sorted and walked.
const (
	spillParts      = 256
	spillEntryBytes = 8 * 6
	spillChunk      = 64 // entries
)

// spilled is one entry. Key is what both sides have in common, and the rest is the side's own.
type spilled struct {
	Key   [2]uint64
	Value [4]uint64
}

type spill struct {
	file   *os.File
	parts  [spillParts][]byte   // the chunk in the making
	chunks [spillParts][]uint32 // places of full chunks
	next   uint32
}

// newSpill makes a file without a name in a folder: it is gone when it is closed.
func newSpill(dir string) (*spill, error) {
	file, err := os.CreateTemp(dir, "spill")
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make a file of the run")
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, fault.Wrap(fault.Unavailable, errors.Join(err, file.Close()), "make a file of the run")
	}
	return &spill{file: file}, nil
}

func (s *spill) add(e spilled) error {
	part := e.Key[0] >> 56
	for _, v := range [6]uint64{e.Key[0], e.Key[1], e.Value[0], e.Value[1], e.Value[2], e.Value[3]} {
		s.parts[part] = binary.LittleEndian.AppendUint64(s.parts[part], v)
	}
	if len(s.parts[part]) < spillChunk*spillEntryBytes {
		return nil
	}
	_, err := s.file.WriteAt(s.parts[part], int64(s.next)*spillChunk*spillEntryBytes)
	s.chunks[part] = append(s.chunks[part], s.next)
	s.next++
	s.parts[part] = s.parts[part][:0]
	return fault.Wrap(fault.Unavailable, err, "write a file of the run")
}

// part reads a part, sorted by key.
func (s *spill) part(i int) ([]spilled, error) {
	all := appendSpilled(make([]spilled, 0, len(s.chunks[i])*spillChunk+len(s.parts[i])/spillEntryBytes), s.parts[i])
	raw := make([]byte, spillChunk*spillEntryBytes)
	for _, at := range s.chunks[i] {
		if _, err := s.file.ReadAt(raw, int64(at)*int64(len(raw))); err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "read a file of the run")
		}
		all = appendSpilled(all, raw)
	}
	slices.SortFunc(all, func(a, b spilled) int { return cmpKey(a.Key, b.Key) })
	return all, nil
}

func appendSpilled(all []spilled, raw []byte) []spilled {
	for ; len(raw) >= spillEntryBytes; raw = raw[spillEntryBytes:] {
		var v [6]uint64
		for i := range v {
			v[i] = binary.LittleEndian.Uint64(raw[8*i:])
		}
		all = append(all, spilled{[2]uint64{v[0], v[1]}, [4]uint64(v[2:])})
	}
	return all
}

func cmpKey(a, b [2]uint64) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) }

// joined calls each for every key that either has, with the entry of either, nil: none. Of several with one key the first ones stand for
// all, and the others come alone.
func joined(left, right *spill, each func(l, r *spilled) error) error {
	for i := range spillParts {
		ls, err := left.part(i)
		if err != nil {
			return err
		}
		rs, err := right.part(i)
		if err != nil {
			return err
		}
		for len(ls)+len(rs) > 0 {
			var l, r *spilled
			switch {
			case len(rs) == 0 || len(ls) > 0 && cmpKey(ls[0].Key, rs[0].Key) < 0:
				l, ls = &ls[0], ls[1:]
			case len(ls) == 0 || cmpKey(ls[0].Key, rs[0].Key) > 0:
				r, rs = &rs[0], rs[1:]
			default:
				l, r, ls, rs = &ls[0], &rs[0], ls[1:], rs[1:]
			}
			if err := each(l, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *spill) close() error { return s.file.Close() }
