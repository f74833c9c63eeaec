// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy"
	"github.com/aurigraph/aurigraph/legacy/ledger"
	"github.com/aurigraph/aurigraph/legacy/store"
)

func (w *world) refuses(t *testing.T, reason string) {
	t.Helper()
	_, err := Run(t.Context(), w.cfg)
	if fault.ReasonOf(err) != reason {
		t.Fatalf("%v; the reason must be %s", err, reason)
	}
	s, readErr := ReadStatus(w.cfg.Dir)
	if readErr != nil || s.State != StateFailed || s.Error == "" {
		t.Errorf("%+v, %v", s, readErr)
	}
}

// TestCopyRefuses: what cannot be copied is not begun, and what cannot be gone on with says so.
func TestCopyRefuses(t *testing.T) {
	w := newWorld(t)
	w.old.some(t, rand.New(rand.NewPCG(1, 2)), 500)
	w.refuses(t, ReasonNotOpen)
	w.new.opens(w.client, w.old, chain.CopyBegin())
	if _, err := ReadStatus(t.TempDir()); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	held, err := lock(w.cfg.Dir)
	must(t, err)
	if _, err := Run(t.Context(), w.cfg); fault.ReasonOf(err) != ReasonRunning {
		t.Error(err)
	}
	must(t, held.Close())

	// A copy whose checkpoint is lost before anything was sent begins again; afterwards it cannot.
	w.cfg.batchMax = 10
	if _, err := w.runKilled(t, 1); err == nil {
		t.Fatal("it was not killed")
	}
	first, err := readState(w.cfg.Dir)
	must(t, err)
	must(t, os.RemoveAll(filepath.Join(w.cfg.Dir, checkpointName)))
	w.killedWithin(t)
	second, err := readState(w.cfg.Dir)
	must(t, err)
	if first.Sequence >= second.Sequence {
		t.Error("another checkpoint is of", first.Sequence, second.Sequence)
	}
	must(t, os.Rename(filepath.Join(w.cfg.Dir, checkpointName), filepath.Join(w.cfg.Dir, "gone")))
	w.refuses(t, ReasonLost)
	dir := w.cfg.Dir
	w.cfg.Dir = t.TempDir()
	w.refuses(t, ReasonLost)
	w.cfg.Dir = dir
	must(t, os.Rename(filepath.Join(w.cfg.Dir, "gone"), filepath.Join(w.cfg.Dir, checkpointName)))
	report, err := Run(t.Context(), w.cfg)
	must(t, err)
	if _, err := os.Stat(filepath.Join(w.cfg.Dir, checkpointName)); !os.IsNotExist(err) {
		t.Error("the checkpoint is still there:", err)
	}
	w.cfg.Dir = t.TempDir()
	again, err := Run(t.Context(), w.cfg)
	if err != nil || !again.Already || again.Sequence != report.Sequence {
		t.Errorf("%+v, %v", again, err)
	}
}

// TestCopyOtherLife: the inbox was opened for another life of V10 than the one that runs.
func TestCopyOtherLife(t *testing.T) {
	w := newWorld(t)
	w.new.opens(w.client, newOld(t), chain.CopyBegin())
	w.refuses(t, ReasonOther)
}

// TestCopyWithoutOpening: an inbox that was opened without a copy takes none.
func TestCopyWithoutOpening(t *testing.T) {
	w := newWorld(t)
	w.new.opens(w.client, w.old, chain.SyncPosition{})
	w.refuses(t, ReasonNotOpen)
}

// killedWithin runs the copy until it is killed when something is in the ledger, and not all.
func (w *world) killedWithin(t *testing.T) {
	t.Helper()
	for rows := int64(1000); ; rows += 50 {
		if _, err := w.runKilled(t, rows); err == nil {
			t.Fatal("it came to its end")
		}
		in, err := w.client.Inbox(t.Context())
		must(t, err)
		if in.Position != chain.CopyBegin() {
			return
		}
	}
}

// TestCopyOtherAsset: V11 has an asset of V10's code that is another.
func TestCopyOtherAsset(t *testing.T) {
	w := newWorld(t)
	w.new.opens(w.client, w.old, chain.CopyBegin())
	w.bankTx(t, &client.CreateAsset{Code: v10.DefaultAsset, Name: "Other", Scale: 8})
	w.refuses(t, ReasonAssetDiffers)
}

// TestCopySums: units that V11 issued of V10's asset are found before the copy has its end.
func TestCopySums(t *testing.T) {
	w := newWorld(t)
	w.old.some(t, rand.New(rand.NewPCG(1, 2)), 300)
	name := ""
	for i := 0; keys.AliasSlot(name) <= chain.SlotsMax/2; i++ { // V11 is its home
		name = "issuer " + strconv.Itoa(i)
	}
	_, err := w.old.ledger.Submit(t.Context(), []ledger.Order{
		{Kind: ledger.OpenAccount, To: name}, {Kind: ledger.CreateAsset, From: name, Asset: "X", Scale: 2}, {Kind: ledger.Issue, From: name, To: "alice", Asset: "X", Units: chain.Units(5)},
	})
	must(t, err)
	w.new.opens(w.client, w.old, chain.CopyBegin())
	w.opensAlias(t, name)
	account, err := w.client.Account(t.Context(), client.AccountName{AliasTag: w.alias.Tag(name)}, 0, false)
	must(t, err)
	for i, body := range []client.Body{&client.CreateAsset{Code: "X", Name: "X", Scale: 2, Flags: chain.AssetPortable}, nil} {
		if body == nil {
			x, err := w.client.AssetByCode(t.Context(), "X")
			must(t, err)
			body = &client.Issue{To: account.Number, Asset: x.Number, Amount: chain.Units(1)}
		}
		signed, err := client.SignTx(seeded(t, keys.Ed25519, 4), client.Tx{Chain: testChain, Sender: account.Number, Key: 2, Nonce: uint64(i) + 1, ValidUntil: 90_000, Body: body})
		must(t, err)
		got, err := w.client.SubmitTx(t.Context(), signed)
		must(t, err)
		if got.Outcome != chain.OK {
			t.Fatal(got.Outcome)
		}
	}
	w.refuses(t, ReasonSums)
	in, err := w.client.Inbox(t.Context())
	must(t, err)
	if !in.Position.Copying() {
		t.Error("it has its end:", in.Position)
	}
}

// TestSurveyFindsContradictions damages a V10's rows, one at a time.
func TestSurveyFindsContradictions(t *testing.T) {
	for name, c := range map[string]struct {
		family store.Family
		key    func(names []string) []byte
		value  string
		delete bool
		reason string
	}{
		"less than the supply":     {store.Assets, func([]string) []byte { return holding(v10.DefaultAsset, "alice") }, "1", false, ReasonSums},
		"an amount that is none":   {store.Assets, func([]string) []byte { return holding(v10.DefaultAsset, "alice") }, "x", false, ReasonUnreadable},
		"a holder who is nobody":   {store.Assets, func([]string) []byte { return holding(v10.DefaultAsset, "stranger") }, "1", false, ReasonInconsistent},
		"an asset that is none":    {store.Assets, func([]string) []byte { return holding("NONE", "alice") }, "1", false, ReasonInconsistent},
		"a number without account": {store.Accounts, func(n []string) []byte { return binary.BigEndian.AppendUint64([]byte{byNumber}, 1) }, "", true, ReasonInconsistent},
		"a name twice":             {store.Accounts, func(n []string) []byte { return binary.BigEndian.AppendUint64([]byte{byNumber}, 1) }, "alice", false, ReasonInconsistent},
		"an account too many":      {store.Accounts, func(n []string) []byte { return binary.BigEndian.AppendUint64([]byte{byNumber}, uint64(len(n))+1) }, "new", false, ReasonInconsistent},
		"an asset too many":        {store.Assets, func([]string) []byte { return []byte("aNEW") }, `{"number":9,"issuer":"alice","supply":"0"}`, false, ReasonInconsistent},
		"no totals":                {store.Meta, func([]string) []byte { return []byte(totals) }, "", true, ""},
		"a transaction too few":    {store.Transactions, nil, "", true, ReasonInconsistent},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOld(t)
			o.some(t, rand.New(rand.NewPCG(1, 2)), 100)
			all, err := o.ledger.Accounts(0, 1000)
			must(t, err)
			names := make([]string, len(all))
			var b store.Batch
			key := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64([]byte{byPlace}, 1), v10.LegacyPlaceMin)
			if c.key != nil {
				key = c.key(names)
			}
			if c.delete {
				b.Delete(c.family, key)
			} else {
				b.Put(c.family, key, []byte(c.value))
			}
			_, err = o.store.Apply(&b)
			must(t, err)
			err = o.copied(t)
			if err == nil || fault.ReasonOf(err) != c.reason && c.reason != "" {
				t.Errorf("%v; the reason must be %s", err, c.reason)
			}
		})
	}
}

func holding(code, name string) []byte {
	k := binary.BigEndian.AppendUint16([]byte{byHolder}, uint16(len(code)))
	return append(append(k, code...), name...)
}

// copied surveys a V10, and reads its history into memory.
func (o *oldLedger) copied(t *testing.T) error {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	_, err := o.store.Checkpoint(dir)
	must(t, err)
	r, err := legacy.OpenRows(legacy.EnginePebble, dir, nil)
	must(t, err)
	defer r.Close()
	s, err := take(r)
	if err != nil {
		return err
	}
	h := newHistory()
	h.rows, h.survey, h.writer, h.throttle, h.meter, h.pieceRows = r, s, &tape{}, &throttle{g: newGovernor(Pace{})}, &meter{}, 10
	h.runs, h.assets = runs{{Number: 1}}, make([]chain.AssetNo, len(s.assets))
	for i := range h.assets {
		h.assets[i] = chain.AssetNo(i + 1)
	}
	return h.run(t.Context())
}
