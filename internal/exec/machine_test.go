// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

const testChain chain.ChainID = 9

// genesis has governance (institution 1, house account 1, key 1), a bank (institution 2, house account 2, key 2), account 3
// with its own key 3, and account 4 of the bank. GOLD (asset 1) is dense, BOND (asset 2) keeps its holdings by height.
func genesis() *chain.Genesis {
	key := func(n byte) chain.HexBytes { k := make(chain.HexBytes, 33); k[0], k[1] = 1, n; return k }
	return &chain.Genesis{
		Chain: testChain, Name: "test", TimeUs: 1000,
		Validators:   []chain.GenesisValidator{{Name: "v0", Ed25519: make(chain.HexBytes, 32), MLDSA65: make(chain.HexBytes, 1952)}},
		Institutions: []chain.GenesisInstitution{{Name: "governance", Keys: []chain.HexBytes{key(1)}}, {Name: "bank", Keys: []chain.HexBytes{key(2)}}},
		Accounts:     []chain.GenesisAccount{{PublicKey: key(3), Slot: chain.SlotNone}, {Institution: 2, Slot: chain.SlotNone}},
		Assets: []chain.GenesisAsset{
			{Code: "GOLD", Name: "Gold", Flags: chain.AssetDense, Issuer: 2},
			{Code: "BOND", Name: "Bond", Flags: chain.AssetVersioned, Issuer: 2},
		},
		Holdings:    []chain.GenesisHolding{{Account: 2, Asset: 1, Amount: "1000000"}, {Account: 3, Asset: 1, Amount: "500"}, {Account: 2, Asset: 2, Amount: "1000"}},
		AccountsMax: 100,
	}
}

// world is a machine with the lane that feeds it.
type world struct {
	t       *testing.T
	ledger  *ledger.Ledger
	machine *Machine
	space   *pages.Space
	tree    *pages.Tree

	laneSequence uint64
	laneTip      chain.Hash
	sequence     uint64
	nonce        uint64
	timeUs       uint64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldFrom(t, genesis())
}

func newWorldFrom(t *testing.T, g *chain.Genesis) *world {
	t.Helper()
	w := &world{t: t, space: pages.NewSpace(), tree: pages.NewTree(), timeUs: 1000}
	w.ledger = ledger.New(w.space, func(public []byte) (a chain.Address, ok bool) {
		sum := codec.Sum(public)
		copy(a[:], sum[:])
		return a, true
	})
	if err := w.ledger.InitGenesis(g); err != nil {
		t.Fatal(err)
	}
	w.machine = New(w.ledger, Tip{Hash: codec.GenesisHash(g), TimeUs: g.TimeUs, LastUs: g.TimeUs})
	return w
}

// payload puts bytes on the lane.
func (w *world) payload(kind chain.PayloadKind, raw []byte) Payload {
	w.laneSequence++
	e := chain.LaneEntry{JoinEpoch: 1, Sequence: w.laneSequence, Parent: w.laneTip, Kind: kind, Payload: codec.Sum(raw), Bytes: uint32(len(raw))}
	w.laneTip = codec.EntryDigest(e)
	return Payload{Entry: e, Digest: w.laneTip, Bytes: raw}
}

func (w *world) batch(flags chain.BatchFlags, legs ...chain.Leg) Payload {
	w.t.Helper()
	w.sequence++
	b, err := chain.NewBatch(chain.BatchHeader{Flags: flags, Chain: testChain, Institution: 2, Key: 2, Sequence: w.sequence, ValidUntil: 1000}, legs)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.payload(chain.PayloadBatch, b.Bytes())
}

// signed makes a transaction of account 3, whose signature nobody here checks.
func (w *world) signed(body chain.Body) ([]byte, chain.Hash) {
	w.nonce++
	tx := &chain.SignedTx{Tx: chain.Tx{Chain: testChain, Sender: 3, Key: 3, Nonce: w.nonce, ValidUntil: 1000, Body: body}, Signature: []byte("any")}
	return codec.AppendSignedTx(nil, tx), codec.TxID(&tx.Tx)
}

func (w *world) txs(signed ...[]byte) Payload {
	return w.payload(chain.PayloadTxs, codec.AppendTxBatch(nil, signed))
}

func leg(from, to chain.AccountNo, amount uint64) chain.Leg {
	return chain.Leg{From: from, To: to, Asset: 1, Amount: chain.Units(amount)}
}

func (w *world) proposal(payloads ...Payload) *chain.Proposal {
	w.timeUs += 2000
	p := &chain.Proposal{Height: w.machine.Height() + 1, Term: 1, TimeUs: w.timeUs}
	for _, x := range payloads {
		p.Entries = append(p.Entries, x.Digest)
	}
	return p
}

// run executes a block, and hashes the state if its root is due.
func (w *world) run(payloads ...Payload) *Executed {
	w.t.Helper()
	ex, err := w.machine.Run(w.proposal(payloads...), payloads)
	if err != nil {
		w.t.Fatal(err)
	}
	if ex.RootDue {
		w.machine.SetRoot(ex.Header.Height, w.root())
	}
	return ex
}

func (w *world) root() chain.Hash {
	sn := w.space.Snapshot()
	defer sn.Release()
	return w.tree.Update(sn)
}

func names(codes []chain.Outcome) string {
	var s []string
	for _, c := range codes {
		s = append(s, c.String())
	}
	return strings.Join(s, " ")
}

// history runs a small chain that has a bit of everything, and tells it line by line.
func history(t *testing.T) (text string, w *world) {
	w = newWorld(t)
	var out strings.Builder
	tell := func(ex *Executed) {
		h := ex.Header
		fmt.Fprintf(&out, "height %d at %d µs: %s\n", h.Height, h.TimeUs, ex.Hash)
		for i, b := range ex.Batches {
			fmt.Fprintf(&out, "  batch %s: %s; results %v; %d moved; indexed %v\n", h.Batches[i].Batch, names(b.Outcomes.Codes), b.Outcomes.Results, b.LegsOK, b.Indexed)
		}
		if h.RootAt != 0 {
			fmt.Fprintf(&out, "  state root of height %d: %s\n", h.RootAt, h.StateRoot)
		}
		for _, k := range ex.Keys {
			fmt.Fprintf(&out, "  key %d is active: %v\n", k.No, k.Active)
		}
		for _, v := range ex.Versioned {
			fmt.Fprintf(&out, "  account %d has %v of asset %d\n", v.Account, v.Amount, v.Asset)
		}
		if ex.RootDue {
			fmt.Fprintf(&out, "  its root is due\n")
		}
	}
	tell(w.run())
	tell(w.run(w.batch(0, leg(2, 3, 100), leg(2, 4, 7), leg(3, 2, 1)), w.batch(chain.FlagAtomic, leg(2, 4, 1), leg(2, 99, 1))))
	open, _ := w.signed(&chain.OpenAccount{PublicKey: append([]byte{1}, make([]byte, 32)...), Slot: chain.SlotNone})
	pay, _ := w.signed(&chain.Transfer{To: 2, Asset: 1, Amount: chain.Units(50)})
	tell(w.run(w.txs(open, pay, pay)))
	bond := leg(2, 4, 5)
	bond.Asset = 2
	tell(w.run(w.batch(0, bond)))
	w.timeUs += chain.RootMicros
	for range 12 {
		tell(w.run())
	}
	fmt.Fprintf(&out, "the state at the end: %s\n", w.root())
	return out.String(), w
}

func TestGoldenChain(t *testing.T) {
	first, _ := history(t)
	second, _ := history(t)
	if first != second {
		t.Error("two machines disagree")
	}
	testkit.Golden(t, "chain.txt", []byte(first))
}

func TestHeaderSaysWhatHappened(t *testing.T) {
	w := newWorld(t)
	empty := w.run()
	p := w.batch(0, leg(2, 3, 100), leg(2, 99, 1))
	ex := w.run(p)
	h := ex.Header
	if h.Chain != testChain || h.Epoch != 1 || h.Height != 2 || h.Previous != empty.Hash || empty.Header.Previous != codec.GenesisHash(genesis()) || h.TimeUs != w.timeUs {
		t.Errorf("%+v", h)
	}
	if ex.Hash != codec.HeaderHash(h) || ex.Hash != codec.Sum(ex.HeaderBytes) {
		t.Error("the hash is not the header's")
	}
	want := chain.BatchResult{Entry: p.Digest, Batch: p.Entry.Payload, Legs: 2, Outcomes: ex.Batches[0].Outcomes.Hash()}
	if len(h.Batches) != 1 || h.Batches[0] != want {
		t.Errorf("%+v", h.Batches)
	}
	if ex.LegsOK != 1 || ex.Batches[0].LegsOK != 1 || names(ex.Batches[0].Outcomes.Codes) != "ok unknown_account" {
		t.Errorf("%+v", ex)
	}
	if w.machine.Height() != 2 {
		t.Error(w.machine.Height())
	}
	if _, sequence, tip := w.ledger.Lane(0); sequence != 1 || tip != p.Digest {
		t.Errorf("the lane stands at %d, %s", sequence, tip)
	}
}

func TestBatchRefusedWholeIsNotIndexed(t *testing.T) {
	w := newWorld(t)
	good := w.batch(0, leg(2, 3, 1))
	again := w.payload(chain.PayloadBatch, good.Bytes)
	ex := w.run(good, again)
	if !ex.Batches[0].Indexed || ex.Batches[1].Indexed || names(ex.Batches[1].Outcomes.Codes) != "stale" {
		t.Errorf("%+v", ex.Batches)
	}
	w.sequence++
	failed := w.batch(chain.FlagAtomic, leg(2, 99, 1)) // uses its sequence up, though nothing moved
	if ex = w.run(failed); !ex.Batches[0].Indexed || ex.LegsOK != 0 {
		t.Errorf("%+v", ex.Batches)
	}
}

func TestTxIDs(t *testing.T) {
	w := newWorld(t)
	pay, payID := w.signed(&chain.Transfer{To: 2, Asset: 1, Amount: chain.Units(50)})
	poor, poorID := w.signed(&chain.Transfer{To: 2, Asset: 1, Amount: chain.Units(1 << 40)})
	hold, holdID := w.signed(&chain.Hold{To: 2, Asset: 1, Amount: chain.Units(5), Blocks: 10})
	asset, assetID := w.signed(&chain.CreateAsset{Code: "IRON", Name: "Iron"})
	ex := w.run(w.txs(pay, poor, pay, hold, asset))
	b := ex.Batches[0]
	if got := names(b.Outcomes.Codes); got != "ok insufficient_funds nonce_used ok ok" {
		t.Error(got)
	}
	// A transaction that used its nonce up resolves by its id, whatever its outcome; a repeated one must not hide the first.
	for i, want := range []chain.Hash{payID, poorID, {}, holdID, assetID} {
		if b.TxIDs[i] != want {
			t.Errorf("transaction %d has id %s", i, b.TxIDs[i])
		}
	}
	if !b.Indexed || b.LegsOK != 2 || b.Outcomes.Results[4] != 3 || b.Outcomes.Results[0] != 0 {
		t.Errorf("%+v", b)
	}
}

// TestLiesInATxBatch runs transactions that no honest validator would cut: they have an outcome and change nothing, and
// those beside them execute.
// TestSameCutOnTwoLanes: a client that heard nothing sends its transaction again, to another validator. Cut alone there too,
// it is the same payload; only the first execution is found by its id.
func TestSameCutOnTwoLanes(t *testing.T) {
	w := newWorld(t)
	signed, _ := w.signed(&chain.Transfer{To: 2, Asset: 1, Amount: chain.Units(1)})
	first, second := w.run(w.txs(signed)), w.run(w.txs(signed))
	if b := first.Batches[0]; !b.Indexed || b.Outcomes.Codes[0] != chain.OK {
		t.Errorf("the first: %+v", b)
	}
	if b := second.Batches[0]; b.Indexed || b.Outcomes.Codes[0] != chain.NonceUsed || !b.TxIDs[0].IsZero() {
		t.Errorf("the second: %+v", b)
	}
}

func TestLiesInATxBatch(t *testing.T) {
	w := newWorld(t)
	good, goodID := w.signed(&chain.Transfer{To: 2, Asset: 1, Amount: chain.Units(50)})
	zero, _ := w.signed(&chain.OpenAccounts{Count: 0})
	bare := codec.AppendSignedTx(nil, &chain.SignedTx{Tx: chain.Tx{Chain: testChain, Sender: 3, Key: 3, Nonce: 9, ValidUntil: 1000, Body: &chain.Void{}}})
	freeze, _ := w.signed(&chain.Freeze{})
	unknown := append([]byte(nil), good...)
	for i := range unknown {
		unknown[i] = 0xEE
	}
	for name, lie := range map[string][]byte{
		"nonsense": []byte("nonsense"), "cut": good[:len(good)-1], "longer": append(append([]byte(nil), good...), 0),
		"out of range": zero, "unsigned": bare, "names nothing": freeze, "unknown": unknown,
	} {
		w := newWorld(t)
		before := w.root()
		ex := w.run(w.txs(lie))
		b := ex.Batches[0]
		if names(b.Outcomes.Codes) != "bad_field" || b.Outcomes.Results[0] != 0 || !b.TxIDs[0].IsZero() || b.LegsOK != 0 || b.Indexed {
			t.Errorf("%s: %+v", name, b)
		}
		if c := w.ledger.NonceOutcome(3, 1); c != chain.OK {
			t.Errorf("%s used the nonce up: %v", name, c)
		}
		if w.root() == before {
			t.Errorf("%s: the lane did not advance", name)
		}
		ex = w.run(w.txs(lie, good, lie))
		if b := ex.Batches[0]; names(b.Outcomes.Codes) != "bad_field ok bad_field" || b.TxIDs[1] != goodID {
			t.Errorf("%s beside a good one: %+v", name, b)
		}
	}
}

// TestPassedOver: an entry that does not follow in its lane leaves no trace but the proposal's hash, and the next one that
// does follow executes as if nothing had been.
func TestPassedOver(t *testing.T) {
	other := func(p Payload, change func(*chain.LaneEntry)) Payload {
		change(&p.Entry)
		p.Digest = codec.EntryDigest(p.Entry)
		return p
	}
	for name, odd := range map[string]func(good Payload) []Payload{
		"a gap in the lane":       func(g Payload) []Payload { return []Payload{other(g, func(e *chain.LaneEntry) { e.Sequence++ })} },
		"a fork of the lane":      func(g Payload) []Payload { return []Payload{other(g, func(e *chain.LaneEntry) { e.Parent[0]++ })} },
		"a lane of nobody":        func(g Payload) []Payload { return []Payload{other(g, func(e *chain.LaneEntry) { e.Validator = 1 })} },
		"a lane of another epoch": func(g Payload) []Payload { return []Payload{other(g, func(e *chain.LaneEntry) { e.JoinEpoch = 2 })} },
		"a lane of epoch 0": func(g Payload) []Payload {
			return []Payload{other(g, func(e *chain.LaneEntry) { e.Validator, e.JoinEpoch = 1, 0 })}
		},
		"executed, its payload gone": func(g Payload) []Payload { return []Payload{{Digest: chain.Hash{7}, Executed: true}} },
	} {
		w := newWorld(t)
		good := w.batch(0, leg(2, 3, 1))
		payloads := append(odd(good), good, good) // the second time it does not follow any more
		ex, err := w.machine.Run(w.proposal(payloads...), payloads)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if ex.PassedOver != 2 || len(ex.Batches) != 1 || len(ex.Header.Batches) != 1 || ex.Batches[0].Place != 1 || ex.LegsOK != 1 {
			t.Errorf("%s: passed over %d, executed %+v", name, ex.PassedOver, ex.Header.Batches)
		}
		if _, sequence, tip := w.ledger.Lane(0); sequence != 1 || tip != good.Digest {
			t.Errorf("%s: the lane stands at %d, %s", name, sequence, tip)
		}
	}
}

func TestWhatCannotBe(t *testing.T) {
	for name, c := range map[string]func(w *world) (*chain.Proposal, []Payload){
		"a height left out": func(w *world) (*chain.Proposal, []Payload) {
			p := w.proposal()
			p.Height++
			return p, nil
		},
		"a payload too few": func(w *world) (*chain.Proposal, []Payload) {
			return w.proposal(w.batch(0, leg(2, 3, 1))), nil
		},
		"payloads exchanged": func(w *world) (*chain.Proposal, []Payload) {
			a, b := w.batch(0, leg(2, 3, 1)), w.batch(0, leg(2, 3, 1))
			return w.proposal(a, b), []Payload{b, a}
		},
		"an unknown kind": func(w *world) (*chain.Proposal, []Payload) {
			a := w.payload(9, []byte("x"))
			return w.proposal(a), []Payload{a}
		},
		"no batch": func(w *world) (*chain.Proposal, []Payload) {
			a := w.payload(chain.PayloadBatch, []byte("no batch"))
			return w.proposal(a), []Payload{a}
		},
		"no cut of transactions": func(w *world) (*chain.Proposal, []Payload) {
			a := w.payload(chain.PayloadTxs, []byte("no cut"))
			return w.proposal(a), []Payload{a}
		},
	} {
		w := newWorld(t)
		p, payloads := c(w)
		ex, err := w.machine.Run(p, payloads)
		if ex != nil || !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBrokenInvariantHalts lets the ledger find that the block it is asked to begin does not follow.
func TestBrokenInvariantHalts(t *testing.T) {
	w := newWorld(t)
	w.machine.height = 5
	if ex, err := w.machine.Run(w.proposal(), nil); ex != nil || !fault.Is(err, fault.Halted) {
		t.Errorf("%+v, %v", ex, err)
	}
}
