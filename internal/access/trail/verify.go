// SPDX-License-Identifier: Apache-2.0

package trail

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Report is what files of a trail are found to be.
type Report struct {
	Files int    `json:"files"`
	Lines uint64 `json:"lines"`
	First uint64 `json:"first"` // number of the first line
	Last  uint64 `json:"last"`
	Begin string `json:"begin"` // time of the first line
	End   string `json:"end"`
	Prev  Hash   `json:"-"`    // that the first line names; zero: it is the first of all
	Head  Hash   `json:"-"`    // of the last line
	Torn  int    `json:"torn"` // bytes after the last whole line: a write that was under way, or that a crash ended
	Found bool   `json:"-"`    // whether a line has the hash that was asked for
}

// Verify reads files in their order as one chain. Each must end with a whole line but the last. Corrupt: the chain is broken, with
// file and line. Invalid: there is no line. Find is a hash to look for, or nil.
func Verify(find *Hash, files ...string) (*Report, error) {
	v := verifier{find: find}
	for i, file := range files {
		if v.report.Torn > 0 {
			return nil, broken(files[i-1], v.inFile+1, "it ends in the middle of a line")
		}
		if err := v.file(file); err != nil {
			return nil, err
		}
	}
	if v.report.Lines == 0 {
		return nil, fault.New(fault.Invalid, "there is no line to verify")
	}
	return &v.report, nil
}

type verifier struct {
	find   *Hash
	report Report
	inFile int
}

func (v *verifier) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "open the audit trail")
	}
	defer f.Close()
	v.report.Files++
	v.inFile = 0
	r := bufio.NewReaderSize(f, lineBytesMax)
	for {
		text, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			v.report.Torn = len(text)
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			return broken(path, v.inFile+1, "it is longer than a line can be")
		case err != nil:
			return fault.Wrap(fault.Unavailable, err, "read %s", path)
		}
		v.inFile++
		if err := v.line(bytes.TrimSuffix(text, []byte{'\n'})); err != nil {
			return broken(path, v.inFile, "%v", err)
		}
	}
}

func (v *verifier) line(text []byte) error {
	l, err := parseLine(text)
	if err != nil {
		return err
	}
	prev, err := ParseHash(l.Prev)
	if err != nil {
		return err
	}
	r := &v.report
	switch {
	case r.Lines == 0:
		r.First, r.Begin, r.Prev = l.N, l.Time, prev
		if (l.N == 1) != (prev == Hash{}) {
			return fault.New(fault.Corrupt, "line %d names %s as the line before", l.N, prev)
		}
	case l.N != r.Last+1:
		return fault.New(fault.Corrupt, "it is line %d, after line %d", l.N, r.Last)
	case prev != r.Head:
		return fault.New(fault.Corrupt, "it names %s as the line before, which has %s: that one was changed", prev, r.Head)
	}
	r.Lines++
	r.Last, r.End, r.Head = l.N, l.Time, hashOf(text)
	r.Found = r.Found || (v.find != nil && *v.find == r.Head)
	return nil
}

// parseLine reads a line.
func parseLine(text []byte) (*line, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	l := &line{}
	if err := d.Decode(l); err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "it is no line of an audit trail")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || l.N == 0 {
		return nil, fault.New(fault.Corrupt, "it is no line of an audit trail")
	}
	return l, nil
}

func broken(path string, at int, format string, args ...any) error {
	return fault.Wrap(fault.Corrupt, fault.New(fault.Corrupt, format, args...), "%s, line %d", path, at)
}
