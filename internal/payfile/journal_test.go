// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// finished gives a disk with the journal of a finished import.
func finished(t testing.TB, p *Plan) *memDisk {
	t.Helper()
	d := newDisk()
	if _, err := importOnce(t.Context(), p, d, newLink(t, newWorld()), Options{}); err != nil {
		t.Fatal(err)
	}
	return d
}

func withJournal(raw []byte) *memDisk {
	d := newDisk()
	d.files["f.csv.journal"] = &memFile{disk: d, durable: raw, cached: append([]byte(nil), raw...)}
	return d
}

func TestJournalRefuses(t *testing.T) {
	p := planOf(t, manyLines(10, mixed))
	raw := finished(t, p).files["f.csv.journal"].cached
	f := *p.file
	open := func(raw []byte, f *File, id chain.ChainID) error {
		j, err := OpenJournal(withJournal(raw), "f.csv", f, id, 1)
		if err == nil && j.Channel() != 7 {
			t.Error("the channel is chosen once")
		}
		return err
	}
	if err := open(raw, &f, testChain); err != nil {
		t.Fatal(err)
	}
	if err := open(raw, &f, 5); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "chain 77") {
		t.Error(err)
	}
	if err := open([]byte("from,to\n"), &f, testChain); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "not a payment journal") {
		t.Error(err)
	}
	newer := appendEntry(nil, entryHeader, 0, 0, []byte{2, 0, 9})
	if err := open(newer, &f, testChain); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "version 2") {
		t.Error(err)
	}
	changed := f
	changed.Hash[3]++
	if err := open(raw, &changed, testChain); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "was changed") {
		t.Error(err)
	}
	fewer := f
	fewer.Lines = f.Lines[1:]
	if err := open(raw, &fewer, testChain); !fault.Is(err, fault.Corrupt) {
		t.Error(err)
	}
}

// TestJournalDamage flips each byte: whatever was durable before the last sync is Corrupt, never forgotten.
func TestJournalDamage(t *testing.T) {
	p := planOf(t, "2,4,1\n1000,4,1\n3,4,1\n")
	raw := finished(t, p).files["f.csv.journal"].cached
	entries, _, err := scan(raw)
	if err != nil {
		t.Fatal(err)
	}
	durable := int(entries[len(entries)-1].durable)
	if durable == 0 || durable >= len(raw) {
		t.Fatal(durable)
	}
	for at := range raw {
		bad := append([]byte(nil), raw...)
		bad[at] ^= 1
		j, err := OpenJournal(withJournal(bad), "f.csv", p.file, testChain, 1)
		switch {
		case at < len(entryMagic):
			if !fault.Is(err, fault.Conflict) {
				t.Fatalf("byte %d: %v", at, err)
			}
		case at < durable:
			if !fault.Is(err, fault.Corrupt) {
				t.Fatalf("byte %d: %v", at, err)
			}
		case err != nil || j.Complete():
			t.Fatalf("byte %d in the tail: %v", at, err)
		}
	}
}

// TestJournalCut cuts everywhere: what remains is read.
func TestJournalCut(t *testing.T) {
	p := planOf(t, "2,4,1\n1000,4,1\n3,4,1\n")
	raw := finished(t, p).files["f.csv.journal"].cached
	for n := range raw {
		for _, tail := range [][]byte{nil, make([]byte, 50)} {
			j, err := OpenJournal(withJournal(append(append([]byte(nil), raw[:n]...), tail...)), "f.csv", p.file, testChain, 1)
			if err != nil || j.Complete() {
				t.Fatalf("cut at %d: %v", n, err)
			}
		}
	}
}

// TestJournalEntries reads entries that are whole but make no sense.
func TestJournalEntries(t *testing.T) {
	p := planOf(t, "2,4,1\n2,4,1\n1000,4,1\n")
	raw := finished(t, p).files["f.csv.journal"].cached
	entries, _, err := scan(raw)
	if err != nil || len(entries) != 5 {
		t.Fatal(len(entries), err)
	}
	head, batch, txs, batchDone := entries[0].body, entries[1].body, entries[2].body, entries[3].body
	with := func(b []byte, at int, v byte) []byte {
		b = append([]byte(nil), b...)
		b[at] = v
		return b
	}
	type e = struct {
		kind entryKind
		body []byte
	}
	for name, list := range map[string][]e{
		"no header":              {{entryChunk, batch}},
		"short header":           {{entryHeader, head[:20]}},
		"two headers":            {{entryHeader, head}, {entryHeader, head}},
		"unknown kind":           {{entryHeader, head}, {9, nil}},
		"chunk out of turn":      {{entryHeader, head}, {entryChunk, with(batch, 0, 1)}},
		"line of two chunks":     {{entryHeader, head}, {entryChunk, batch}, {entryChunk, with(batch, 0, 1)}},
		"line beyond the file":   {{entryHeader, head}, {entryChunk, with(batch, 8, 3)}},
		"other lines in place":   {{entryHeader, head}, {entryChunk, batch}, {entryChunk, with(batch, 8, 2)}},
		"chunk without lines":    {{entryHeader, head}, {entryChunk, make([]byte, 8)}},
		"chunk cut":              {{entryHeader, head}, {entryChunk, batch[:len(batch)-1]}},
		"chunk of no form":       {{entryHeader, head}, {entryChunk, with(batch, 16, 7)}},
		"fewer legs than lines":  {{entryHeader, head}, {entryChunk, append(append(with(batch[:8], 4, 3), 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0), batch[16:]...)}},
		"batch that is none":     {{entryHeader, head}, {entryChunk, with(batch, 16+1+32+4, 'X')}},
		"transaction of no kind": {{entryHeader, head}, {entryChunk, batch}, {entryChunk, append(append([]byte(nil), txs[:13]...), 1, 0, 0, 0, 9)}},
		"done without chunk":     {{entryHeader, head}, {entryDone, batchDone}},
		"done, no outcomes":      {{entryHeader, head}, {entryChunk, batch}, {entryDone, make([]byte, 12)}},
		"done, cut":              {{entryHeader, head}, {entryChunk, batch}, {entryDone, batchDone[:15]}},
		"replaced after done":    {{entryHeader, head}, {entryChunk, batch}, {entryDone, batchDone}, {entryChunk, batch}},
	} {
		var raw []byte
		for _, e := range list {
			raw = appendEntry(raw, e.kind, uint64(len(raw)), 0, e.body)
		}
		if _, err := OpenJournal(withJournal(raw), "f.csv", p.file, testChain, 1); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFullDisk fails every write for good: nothing is sent that is not durable, and the error says what to do.
func TestFullDisk(t *testing.T) {
	p := planOf(t, manyLines(10, mixed))
	for at := 4; at < 8; at++ { // open, read, header, sync; then chunks
		d, w := newDisk(), newWorld()
		d.crasher.at = at
		_, err := importOnce(t.Context(), p, d, newLink(t, w), Options{})
		if !fault.Is(err, fault.Unavailable) || !errors.Is(err, errCrash) || w.executed != 0 {
			t.Errorf("call %d: %v, %d executed", at, err, w.executed)
		}
	}
}

func TestOSDisk(t *testing.T) {
	dir := testkit.DiskDir(t)
	name := filepath.Join(dir, "f.csv")
	p, w := planOf(t, manyLines(20, mixed)), newWorld()
	j, err := OpenJournal(OSDisk{}, name, p.file, testChain, 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenJournal(OSDisk{}, name, p.file, testChain, 3); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "another process") {
		t.Error(err)
	}
	r, err := Run(t.Context(), p, j, newLink(t, w), Options{})
	if err != nil || r.Resumed {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(name + ".journal")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name+".journal", append(raw, "APJ"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if j, err = OpenJournal(OSDisk{}, name, p.file, testChain, 9); err != nil || !j.Complete() || !j.Resumed() || j.Channel() != 3 {
		t.Fatal(err)
	}
	cut, err := os.ReadFile(name + ".journal")
	if err != nil || !bytes.Equal(cut, raw) {
		t.Error("the torn tail is still there")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	w.paidOnce(t, 20)
	rows, err := os.ReadFile(r.Path)
	if err != nil || bytes.Count(rows, []byte("\n")) != 21 {
		t.Errorf("%s %v", rows, err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
		t.Errorf("%v %v", list, err)
	}
	none := filepath.Join(dir, "none", "f.csv")
	if _, err := OpenJournal(OSDisk{}, none, p.file, testChain, 3); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	if err := (OSDisk{}).WriteFile(none, nil); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	if err := os.Mkdir(name+".outcomes", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := (OSDisk{}).WriteFile(name+".outcomes", nil); !fault.Is(err, fault.Unavailable) {
		t.Error("a folder was replaced by a file")
	}
}

func TestPlanErrors(t *testing.T) {
	f, err := parse("2,4,1,AUR\n8,4,1,AUR\n2,9,1,AUR\n2,4,1,NONE\n2,4,1.234,AUR\n2,2,1,AUR\n")
	if err != nil {
		t.Fatal(err)
	}
	b := book{fail: map[string]error{
		"8": fault.New(fault.NotFound, "no account 8"), "9": fault.New(fault.NotFound, "no account 9"), "NONE": fault.New(fault.NotFound, "no such asset"),
	}}
	_, err = NewPlan(t.Context(), f, b)
	if !fault.Is(err, fault.Invalid) {
		t.Fatal(err)
	}
	for _, want := range []string{
		"has 5 errors", "line 2: from 8: no account 8", "line 3: to 9: no account 9", `line 4: asset "NONE": no such asset`,
		"line 5: amount 1.234 has 3 decimals, the asset has 2", "line 6: account 2 would pay itself",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	for _, name := range []string{"8", "9", "NONE"} {
		b := book{fail: map[string]error{name: fault.New(fault.Unavailable, "down")}}
		if _, err := NewPlan(t.Context(), f, b); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewPlan(ctx, f, book{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestGroups cuts batches at 8,192 legs and messages at 512 transactions, in file order, without the lines taken.
func TestGroups(t *testing.T) {
	p := planOf(t, manyLines(30_000, func(i int) int { return [...]int{2, 4, 3, 1000 + i%3}[i%4] }))
	seen := map[uint32]bool{}
	var batches, messages int
	for _, g := range p.groups(func(line int) bool { return line < 10 }) {
		if g.institution == 0 {
			messages++
		} else {
			batches++
		}
		for i, l := range g.lines {
			if l < 10 || seen[l] || (i > 0 && l <= g.lines[i-1]) || p.payments[l].institution != g.institution {
				t.Fatalf("line %d in %+v", l, g.institution)
			}
			seen[l] = true
		}
	}
	if len(seen) != 29_990 || batches != 3 || messages != 15 {
		t.Errorf("%d lines, %d batches, %d messages", len(seen), batches, messages)
	}
}

func FuzzJournal(f *testing.F) {
	p := planOf(f, "2,4,1\n1000,4,1\n")
	raw := finished(f, p).files["f.csv.journal"].cached
	entries, _, err := scan(raw)
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		f.Add(uint8(e.kind), e.body)
	}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		raw := appendEntry(nil, entryHeader, 0, 0, entries[0].body)
		raw = appendEntry(raw, entryKind(kind), uint64(len(raw)), 0, body)
		raw = append(raw, body...)
		j, err := OpenJournal(withJournal(raw), "f.csv", p.file, testChain, 1)
		if err != nil {
			if !fault.Is(err, fault.Corrupt) {
				t.Fatal(err)
			}
			return
		}
		// What was read must write itself again.
		for _, k := range j.chunks {
			if again, err := readChunk(k.append(nil)); err != nil || !bytes.Equal(again.append(nil), k.append(nil)) {
				t.Fatal(err)
			}
		}
	})
}
