// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/pebblestore"
)

// recycled makes the folder of a node that was stopped cleanly after it let segments go, and returns the report on it. A
// stop that took so long that it could not let go of all is tried again.
func recycled(t testing.TB) (*network, *Report) {
	t.Helper()
	for {
		n, report := tryRecycled(t)
		if !strings.Contains(strings.Join(report.Notes, ""), "has not let go") {
			return n, report
		}
	}
}

func tryRecycled(t testing.TB) (*network, *Report) {
	t.Helper()
	n := newNetwork(t)
	r := n.run(tight)
	n.life(r)
	n.fill(r)
	n.life(r)
	r.close()
	report := verify(t, n.dir)
	wantOK(t, report)
	if report.FromHeight == 0 || report.Legs == 0 {
		t.Fatalf("nothing was recycled: %+v", report)
	}
	return n, report
}

// copied is a folder to damage.
func copied(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "node")
	must(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

func wantProblem(t testing.TB, dir, file, text string) {
	t.Helper()
	r := verify(t, dir)
	if r.OK {
		t.Errorf("damage to %s was not found", file)
		return
	}
	for _, p := range r.Problems {
		if strings.Contains(p.File+" "+p.What, file) && strings.Contains(p.What, text) {
			return
		}
	}
	t.Errorf("no problem names %s and %q: %+v", file, text, r.Problems[:min(len(r.Problems), 5)])
}

// TestEveryFile damages the files that a report lists, the first and the last of each kind, in each way.
func TestEveryFile(t *testing.T) {
	n, report := recycled(t)
	for _, f := range ofEachKind(report.Files) {
		name := filepath.Base(f.Path)
		for _, at := range []int64{f.Used / 4, f.Used - 1} {
			dir := copied(t, n.dir)
			flip(t, filepath.Join(dir, f.Path), at)
			wantProblem(t, dir, name, "")
		}
		if name == "genesis.json" {
			continue // its last byte is a line's end, which says nothing
		}
		dir := copied(t, n.dir)
		must(t, os.Truncate(filepath.Join(dir, f.Path), f.Used-1))
		wantProblem(t, dir, name, "")
	}
}

// ofEachKind picks the first and the last file with content of each kind: those whose names differ in digits only.
func ofEachKind(files []File) []File {
	kind := func(path string) string {
		return strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return -1
			}
			return r
		}, path)
	}
	var picked []File
	first, last := map[string]int{}, map[string]int{}
	for i, f := range files {
		if k := kind(f.Path); f.Used > 0 {
			if _, seen := first[k]; !seen {
				first[k] = i
			}
			last[k] = i
		}
	}
	for i, f := range files {
		if k := kind(f.Path); f.Used > 0 && (first[k] == i || last[k] == i) {
			picked = append(picked, f)
		}
	}
	return picked
}

func flip(t testing.TB, path string, at int64) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	data[at] ^= 0x55
	must(t, os.WriteFile(path, data, 0o644))
}

// TestMissingFiles removes files, the first and the last of each kind. What is no loss is let pass: a seal (then the folder
// is checked as after a crash), the second buffer while the first is there, a later anchor, a segment that has a header and
// no record yet.
func TestMissingFiles(t *testing.T) {
	n, report := recycled(t)
	anchors := 0
	for _, f := range ofEachKind(report.Files) {
		name := filepath.Base(f.Path)
		if strings.HasPrefix(name, "anchor-") {
			anchors++
		}
		if name == "SEAL" || name == bufferB || anchors > 1 && strings.HasPrefix(name, "anchor-") || strings.HasPrefix(name, "seg-") && f.Used <= seglog.PageBytes {
			continue
		}
		dir := copied(t, n.dir)
		must(t, os.Remove(filepath.Join(dir, f.Path)))
		if verify(t, dir).OK {
			t.Errorf("%s (%d bytes used) is missing, and nothing was found", f.Path, f.Used)
		}
	}
}

// TestFolder changes what lies in the folder.
func TestFolder(t *testing.T) {
	n, _ := recycled(t)
	for _, d := range []string{"", "lane", "order", "blocks", "checkpoints", "index"} {
		dir := copied(t, n.dir)
		must(t, os.MkdirAll(filepath.Join(dir, "data", d), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "data", d, "stranger"), []byte("x"), 0o644))
		t.Log("a stranger in data/" + d)
		wantProblem(t, dir, "stranger", "")
	}
	dir := copied(t, n.dir)
	segments, err := filepath.Glob(filepath.Join(dir, "data/lane/seg-*"))
	must(t, err)
	must(t, os.Rename(segments[0], segments[0]+".old"))
	must(t, os.Rename(segments[1], segments[0]))
	must(t, os.Rename(segments[0]+".old", segments[1]))
	wantProblem(t, dir, filepath.Base(segments[0]), "")
}

// TestEditedRows changes the block store through its own engine and seals it again, so that only its meaning is wrong.
func TestEditedRows(t *testing.T) {
	n, report := recycled(t)
	old, h := report.FromHeight-1, report.FromHeight+2 // before and after the start of re-execution
	for _, c := range []struct {
		name, text string
		edit       func(e *editor)
	}{
		{"headers swapped", "the header is that of height", func(e *editor) { e.swap(heightKey(tableHeader, h), heightKey(tableHeader, h+1)) }},
		{"old headers swapped", "the header is that of height", func(e *editor) { e.swap(heightKey(tableHeader, old), heightKey(tableHeader, old-1)) }},
		{"header missing", "there is no header", func(e *editor) { e.remove(heightKey(tableHeader, h)) }},
		{"last header missing", "belongs to no height", func(e *editor) { e.remove(heightKey(tableHeader, report.Height)) }},
		{"header added", "there is no certificate", func(e *editor) { e.Put(heightKey(tableHeader, report.Height+1), e.get(heightKey(tableHeader, h))) }},
		{"header bit", "certificate is for header", func(e *editor) { e.flip(heightKey(tableHeader, h), 100) }},
		{"header garbage", "executed header", func(e *editor) { e.Put(heightKey(tableHeader, h), []byte("x")) }},
		{"certificates swapped", "the certificate is for header", func(e *editor) { e.swap(heightKey(tableCertificate, h), heightKey(tableCertificate, h+1)) }},
		{"certificate missing", "there is no certificate", func(e *editor) { e.remove(heightKey(tableCertificate, h)) }},
		{"old certificate forged", "a signature of the certificate is not valid", func(e *editor) { e.flip(heightKey(tableCertificate, old), 80) }},
		{"certificate garbage", "certificate", func(e *editor) { e.Put(heightKey(tableCertificate, h), []byte("x")) }},
		{"no signature", "a quorum is 1", func(e *editor) { e.certificate(h, func(c *chain.Certificate) { c.Signatures = nil }) }},
		{"signed twice", "who cannot sign", func(e *editor) {
			e.certificate(h, func(c *chain.Certificate) { c.Signatures = append(c.Signatures, c.Signatures[0]) })
		}},
		{"root signature forged", "state root of height", func(e *editor) { e.rootSignature(func(s []byte) []byte { s[7] ^= 1; return s }) }},
		{"root signature missing", "state root of height", func(e *editor) { e.rootSignature(func(s []byte) []byte { return nil }) }},
		{"root signature added", "carries none", func(e *editor) {
			e.certificate(e.rootless(), func(c *chain.Certificate) { c.Signatures[0].Root = []byte{1} })
		}},
		{"proposal bit", "the proposal has hash", func(e *editor) { e.flip(heightKey(tableProposal, h), 15) }},
		{"proposal missing", "there is no proposal", func(e *editor) { e.remove(heightKey(tableProposal, old)) }},
		{"outcome changed", "outcomes of batch 0 have hash", func(e *editor) { e.outcome(h) }},
		{"old outcome changed", "outcomes of batch 0 have hash", func(e *editor) { e.outcome(old) }},
		{"outcome missing", "there are no outcomes", func(e *editor) { e.remove(e.first(tableOutcome, h)) }},
		{"outcome added", "belongs to no height", func(e *editor) { e.Put(placeKey(tableOutcome, h, 99), []byte("x")) }},
		{"outcome garbage", "outcomes of batch", func(e *editor) { e.Put(e.first(tableOutcome, h), []byte("x")) }},
		{"place missing", "there is no place", func(e *editor) { e.remove(e.first(tablePlace, h)) }},
		{"place garbage", "place of batch", func(e *editor) { e.Put(e.first(tablePlace, h), []byte("x")) }},
		{"place moved", "places: a row is not", func(e *editor) { e.location(e.first(tablePlace, h), func(l *chain.Location) { l.Offset += 4096 }) }},
		{"place of another", "the place of batch", func(e *editor) { e.location(e.first(tablePlace, old), func(l *chain.Location) { l.Legs++ }) }},
		{"batch missing", "batch index", func(e *editor) { e.remove(e.batchOf(h)) }},
		{"old batch missing", "batch index", func(e *editor) { e.remove(e.batchOf(old)) }},
		{"batch moved", "batch index: a row is not", func(e *editor) { e.location(e.batchOf(h), func(l *chain.Location) { l.Index++ }) }},
		{"batch added", "batch index", func(e *editor) { e.Put(batchKey(chain.Hash{1}), e.get(e.first(tablePlace, h))) }},
		{"old batch added", "batch index", func(e *editor) { e.Put(batchKey(chain.Hash{1}), e.get(e.first(tablePlace, old))) }},
		{"batch garbage", "malformed", func(e *editor) { e.Put(e.batchOf(h), []byte("x")) }},
		{"transaction missing", "transaction index", func(e *editor) { e.remove(e.row(tableTx, report.FromHeight)) }},
		{"transaction moved", "transaction index: a row is not", func(e *editor) { e.flip(e.row(tableTx, report.FromHeight), 12) }},
		{"transaction added", "transaction index", func(e *editor) { store.WriteTx(&e.Changes, chain.Hash{1}, store.TxPlace{Height: h}) }},
		{"transaction of the future", "the chain ends at", func(e *editor) { store.WriteTx(&e.Changes, chain.Hash{1}, store.TxPlace{Height: report.Height + 9}) }},
		{"holding missing", "versioned holdings", func(e *editor) { e.remove(e.row(tableHolding, report.FromHeight)) }},
		{"holding changed", "versioned holdings: a row is not", func(e *editor) { e.flip(e.row(tableHolding, report.FromHeight), 0) }},
		{"holding added", "versioned holdings", func(e *editor) { store.WriteHolding(&e.Changes, 1, 1, h, make([]byte, 16)) }},
		{"count changed", "it counts", func(e *editor) { e.flip([]byte("mlegs_ok"), 14) }},
		{"count of another height", "the chain ends at", func(e *editor) { e.flip([]byte("mlegs_ok"), 0) }},
		{"count missing", "the record is missing", func(e *editor) { e.remove([]byte("mlegs_ok")) }},
		{"count garbage", "has 1 bytes", func(e *editor) { e.Put([]byte("mlegs_ok"), []byte("x")) }},
		{"format", "the format is", func(e *editor) { e.Put([]byte("mformat"), []byte("x")) }},
		{"seal refused", "no epoch of this chain", func(e *editor) { e.Put([]byte("mseal_refused"), []byte("2")) }},
		{"seal missed", "no epoch that was sealed", func(e *editor) { e.Put([]byte("mseal_missed"), []byte("1")) }},
		{"record added", "no part of the node knows", func(e *editor) { e.Put([]byte("mx"), nil) }},
		{"table added", "the key is of no table", func(e *editor) { e.Put([]byte("zz"), nil) }},
		{"bound to another", "the block store was made for", func(e *editor) { e.flip([]byte("mgenesis"), 0) }},
		{"bound to none", "bound to no genesis", func(e *editor) { e.remove([]byte("mgenesis")) }},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			dir := copied(t, n.dir)
			edit(t, dir, c.edit)
			wantProblem(t, dir, "", c.text)
		})
	}
}

// editor collects changes to a block store.
type editor struct {
	store.Changes
	t testing.TB
	s store.Store
}

func edit(t testing.TB, dir string, do func(*editor)) {
	t.Helper()
	s, err := pebblestore.Open(filepath.Join(dir, "data/blocks"), pebblestore.Options{})
	must(t, err)
	e := &editor{t: t, s: s}
	do(e)
	must(t, s.Apply(&e.Changes, true))
	must(t, s.Close())
}

func (e *editor) get(key []byte) []byte {
	e.t.Helper()
	v, err := e.s.Get(key)
	must(e.t, err)
	return v
}

func (e *editor) remove(key []byte) {
	e.t.Helper()
	e.get(key)
	e.Delete(key)
}

func (e *editor) swap(a, b []byte) {
	va, vb := e.get(a), e.get(b)
	e.Put(a, vb)
	e.Put(b, va)
}

func (e *editor) flip(key []byte, at int) {
	v := e.get(key)
	v[at] ^= 1
	e.Put(key, v)
}

func (e *editor) certificate(h chain.Height, change func(*chain.Certificate)) {
	c, err := codec.DecodeCertificate(e.get(heightKey(tableCertificate, h)))
	must(e.t, err)
	change(c)
	e.Put(heightKey(tableCertificate, h), codec.AppendCertificate(nil, c))
}

// rootSignature changes the newest certificate that signs a state root.
func (e *editor) rootSignature(change func([]byte) []byte) {
	h, _, err := store.LastHeader(e.s)
	must(e.t, err)
	for ; ; h-- {
		c, err := codec.DecodeCertificate(e.get(heightKey(tableCertificate, h)))
		must(e.t, err)
		if s := &c.Signatures[0]; len(s.Root) > 0 {
			s.Root = change(s.Root)
			e.Put(heightKey(tableCertificate, h), codec.AppendCertificate(nil, c))
			return
		}
	}
}

// rootless is a height whose header carries no root.
func (e *editor) rootless() chain.Height {
	for h := chain.Height(1); ; h++ {
		header, err := codec.DecodeHeader(e.get(heightKey(tableHeader, h)))
		must(e.t, err)
		if header.RootAt == 0 {
			return h
		}
	}
}

// first is the first key of a table of places at or after a height, downwards if it is before re-execution.
func (e *editor) first(table byte, h chain.Height) []byte {
	e.t.Helper()
	it, err := e.s.Iter(store.Range{Low: placeKey(table, h, 0), High: []byte{table + 1}})
	must(e.t, err)
	defer it.Close()
	if !it.Next() {
		e.t.Fatalf("no row of table %c from height %d on", table, h)
	}
	return append([]byte(nil), it.Key()...)
}

// batchOf is the key of the first client batch that is found by its id, at or after a height.
func (e *editor) batchOf(h chain.Height) []byte {
	e.t.Helper()
	key := e.first(tablePlace, h)
	at := chain.Height(binary.BigEndian.Uint64(key[1:]))
	header, err := codec.DecodeHeader(e.get(heightKey(tableHeader, at)))
	must(e.t, err)
	return batchKey(header.Batches[0].Batch)
}

// row is the key of a row of a table that a height above after left behind.
func (e *editor) row(table byte, after chain.Height) []byte {
	e.t.Helper()
	it, err := e.s.Iter(store.Prefix([]byte{table}))
	must(e.t, err)
	defer it.Close()
	for it.Next() {
		if h, ok := rowHeight(it.Key(), it.Value()); ok && h > after {
			return append([]byte(nil), it.Key()...)
		}
	}
	e.t.Fatalf("no row of table %c", table)
	return nil
}

func (e *editor) location(key []byte, change func(*chain.Location)) {
	l, err := codec.DecodeLocation(e.get(key))
	must(e.t, err)
	change(&l)
	e.Put(key, codec.AppendLocation(nil, l))
}

func (e *editor) outcome(h chain.Height) {
	key := e.first(tableOutcome, h)
	o, err := codec.UnpackOutcomes(e.get(key))
	must(e.t, err)
	o.Codes[0] ^= 1
	e.Put(key, o.AppendPacked(nil))
}
