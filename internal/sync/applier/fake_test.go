// SPDX-License-Identifier: Apache-2.0

package applier

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testChain   chain.ChainID       = 4711
	gateway     chain.InstitutionNo = 2
	gatewayKey  chain.KeyNo         = 2
	house       chain.AccountNo     = 2
	syncChannel                     = 200
)

var (
	aliasKey   = &keys.AliasKey{Secret: [keys.AliasKeyBytes]byte{1, 2, 3}, Named: keys.Named{"alice": chain.SlotsMax, "named": chain.SlotsMax + 1}}
	testSource = envelope.Source{Ledger: envelope.V10Ledger("test"), Origin: envelope.V10, Life: 1, Incarnation: envelope.Incarnation{7}}
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func signer(t testing.TB, n byte) keys.Signer {
	t.Helper()
	s, err := keys.FromSeed(keys.Ed25519, [keys.SeedBytes]byte{n})
	must(t, err)
	return s
}

// world is the real ledger behind the rules of the way in: each submission is a block of its own. Its mishaps come from trouble.
type world struct {
	t testing.TB

	mu      sync.Mutex // guards all below
	l       *ledger.Ledger
	trouble func() mishap
	late    []func() // submissions of which nobody waits for the fate any more
	names   map[chain.AccountNo]string
	batches int // executed with their sequence used up
	carried []int
	opens   int
}

// mishap is what happens to one submission.
type mishap int

const (
	none       mishap = iota
	lostBefore        // Timeout, and nothing was taken
	lostAfter         // executed, and Timeout
	late              // Timeout, and executed some submissions later
	refused           // TryLater
)

// newWorld has V10 as the home of all slots, treasury as the issuer of AUR, and the inbox open for key 2 of institution 2.
func newWorld(t testing.TB) *world {
	account := func(name string) chain.GenesisAccount {
		tag, address := aliasKey.Tag(name), keys.AliasAddress(name)
		return chain.GenesisAccount{Institution: gateway, AliasTag: tag[:], Address: address[:], Slot: aliasKey.Slot(name)}
	}
	public := func(n byte) []chain.HexBytes { return []chain.HexBytes{signer(t, n).Public().Bytes()} }
	g := &chain.Genesis{
		Chain: testChain, Name: "test", TimeUs: 5,
		Validators:   []chain.GenesisValidator{{Name: "v0", Ed25519: make(chain.HexBytes, 32), MLDSA65: make(chain.HexBytes, 1952)}},
		Institutions: []chain.GenesisInstitution{{Name: "governance", Keys: public(1)}, {Name: "gateway", Keys: public(2)}},
		Accounts:     []chain.GenesisAccount{account("treasury"), account("alice"), account("bob")},
		Assets:       []chain.GenesisAsset{{Code: "AUR", Name: "Aurigraph", Scale: 8, Flags: chain.AssetPortable, Issuer: 3}},
		Holdings:     []chain.GenesisHolding{{Account: 4, Asset: 1, Amount: "1000"}, {Account: 5, Asset: 1, Amount: "1000"}},
		V10Slots:     []chain.SlotRange{{From: 0, To: aliasKey.Named.Last()}}, AccountsMax: 4000,
	}
	w := &world{t: t, trouble: func() mishap { return none }, names: map[chain.AccountNo]string{}}
	w.l = ledger.New(pages.NewSpace(), func(public []byte) (chain.Address, bool) {
		p, err := keys.ParsePublic(public)
		if err != nil {
			return chain.Address{}, false
		}
		return p.Address(), true
	})
	must(t, w.l.InitGenesis(g))
	w.govern(&chain.OpenInbox{Ledger: chain.Hash(testSource.Ledger), Incarnation: testSource.Incarnation, Life: 1, Institution: gateway, Key: gatewayKey})
	return w
}

// block runs what a block executes.
func (w *world) block(run func()) {
	w.l.BeginBlock(w.l.Height()+1, w.l.TimeUs()+1000)
	run()
	w.l.EndBlock() // asserts that no money came or went
}

func (w *world) govern(body chain.Body) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	tx := chain.Tx{Chain: testChain, Sender: 1, Key: 1, Nonce: uint64(w.l.Height()) + 1, ValidUntil: w.l.Height() + 10, Body: body}
	w.block(func() {
		if code, _, _ := w.l.RunTx(&tx, codec.TxID(&tx)); code != chain.OK {
			w.t.Errorf("%T of governance: %v", body, code)
		}
	})
}

// happen runs a submission under a mishap, and returns what its sender is told; told reports whether it learns the fate.
func (w *world) happen(run func()) (told bool, err error) {
	m := w.trouble()
	if len(w.late) > 0 && w.trouble() != none {
		due := w.late
		w.late = nil
		for _, f := range due {
			f()
		}
	}
	unknown := fault.New(fault.Timeout, "no answer")
	switch m {
	case refused:
		return false, fault.Reasoned(fault.TryLater, "full", "later")
	case lostBefore:
		return false, unknown
	case late:
		w.late = append(w.late, run)
		return false, unknown
	}
	run()
	if m == lostAfter {
		return false, unknown
	}
	return true, nil
}

func (w *world) Height(context.Context) (chain.Height, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.l.Height(), nil
}

func (w *world) Inbox(context.Context) (*Inbox, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.l.Inbox()
	_, closed := w.l.Closed()
	return &Inbox{
		Life: v.Life, Ledger: v.Ledger, Incarnation: v.Incarnation, Institution: v.Institution, Key: v.Key, Position: v.Position, Tag: v.Tag,
		Applied: v.Applied, Skipped: v.Skipped, HomeVersion: w.l.HomeVersion(), Closed: closed,
	}, nil
}

func (w *world) Channel(_ context.Context, no chain.InstitutionNo, channel uint8) (uint64, chain.AccountNo, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, _ := w.l.Institution(no)
	return w.l.Channel(no, channel), v.House, nil
}

func (w *world) Accounts(_ context.Context, tags []chain.Hash) (out []Account, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, tag := range tags {
		no, _ := w.l.AccountByAlias(tag)
		v, _ := w.l.Account(no)
		out = append(out, Account{Number: no, Address: v.Address})
	}
	return out, nil
}

func (w *world) Nonce(_ context.Context, no chain.AccountNo) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, _ := w.l.Account(no)
	return v.Nonce, nil
}

func (w *world) Assets(_ context.Context, codes []string) (out []Asset, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, code := range codes {
		no, _ := w.l.AssetByCode(code)
		out = append(out, Asset{no})
	}
	return out, nil
}

func (w *world) SubmitTxs(_ context.Context, signed [][]byte) []TxAnswer {
	w.mu.Lock()
	defer w.mu.Unlock()
	fates := make([]TxAnswer, len(signed))
	told, err := w.happen(func() {
		w.block(func() {
			for i, raw := range signed {
				tx, id, err := codec.DecodeSignedTx(raw)
				if err != nil {
					w.t.Error(err)
					return
				}
				fates[i].Outcome, fates[i].Result, _ = w.l.RunTx(&tx.Tx, id)
				if _, opens := tx.Body.(*chain.OpenAccount); opens && fates[i].Outcome == chain.OK {
					w.opens++
				}
			}
		})
	})
	if told {
		return fates
	}
	lost := make([]TxAnswer, len(signed)) // the fates may come later
	for i := range lost {
		lost[i].Err = err
	}
	return lost
}

func (w *world) SubmitBatch(_ context.Context, raw, signature []byte) (func(context.Context) ([]chain.Outcome, error), error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, err := chain.ParseBatch(slices.Clone(raw))
	must(w.t, err)
	if !verifies(w.t, signer(w.t, 2).Public(), keys.BatchMessage(testChain, codec.Sum(raw)), signature) {
		w.t.Error("a batch that is not signed by the inbox's signer")
	}
	codes := make([]chain.Outcome, b.Len())
	told, err := w.happen(func() {
		w.block(func() {
			if _, final := w.l.RunBatch(b, codec.Sum(raw), 0, codes); final {
				w.batches++
				w.carried = append(w.carried, b.Len()/chain.SyncRecordLegs)
			}
		})
	})
	if fault.Is(err, fault.TryLater) {
		return nil, err
	}
	return func(context.Context) ([]chain.Outcome, error) {
		if !told {
			return nil, err
		}
		return codes, nil
	}, nil
}

func verifies(t testing.TB, p keys.Public, message, signature []byte) bool {
	v, err := keys.NewVerifier(p)
	must(t, err)
	return v.Verify(message, signature)
}

// Put is the vault.
func (w *world) Put(_ context.Context, names map[chain.AccountNo]string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for no, name := range names {
		if was, taken := w.names[no]; taken && was != name {
			return fault.New(fault.Conflict, "account %d has another name", no)
		}
	}
	maps.Copy(w.names, names)
	return nil
}

func (w *world) balance(name, code string) chain.Amount {
	w.mu.Lock()
	defer w.mu.Unlock()
	no, _ := w.l.AccountByAlias(aliasKey.Tag(name))
	asset, _ := w.l.AssetByCode(code)
	return w.l.Balance(no, asset)
}

// tape is V10's records, as a bus reader hands them out.
type tape struct {
	mu      sync.Mutex
	records []*envelope.Record
	more    chan struct{} // closed and replaced when there are more
	beat    uint64
	trouble error       // that readers have, while they try again
	breaks  func() bool // whether a reader breaks now
	opened  int         // readers, so far
}

// set changes what its readers meet from now on.
func (p *tape) set(trouble error, breaks func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble, p.breaks = trouble, breaks
	close(p.more)
	p.more = make(chan struct{})
}

func (p *tape) readers() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened
}

func newTape() *tape { return &tape{more: make(chan struct{}), breaks: func() bool { return false }} }

// add seals a change behind the last record, in the same batch of V10's or the next.
func (p *tape) add(t testing.TB, k *envelope.Key, home uint64, same bool, c envelope.Change) *envelope.Record {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &envelope.Record{Source: testSource, HomeVersion: home, Change: c, Position: envelope.Position{Major: 1}}
	if n := len(p.records); n > 0 {
		last := p.records[n-1]
		r.Previous, r.PreviousTag, r.Since = last.Position, last.Tag, last.Since
		r.Position = envelope.Position{Major: last.Position.Major, Minor: last.Position.Minor + 1}
		if !same {
			r.Position, r.Since = envelope.Position{Major: last.Position.Major + 2}, last.Position.Major
		}
	}
	_, err := envelope.Seal(k, r)
	must(t, err)
	p.records = append(p.records, r)
	close(p.more)
	p.more = make(chan struct{})
	return r
}

// open begins to read behind a place, which must be one of the tape's.
func (p *tape) open(_ context.Context, start envelope.Start) (Reader, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opened++
	at := 0
	for at < len(p.records) && !start.Position.Before(p.records[at].Position) {
		at++
	}
	if at > 0 && p.records[at-1].Position == start.Position && p.records[at-1].Tag != start.Tag || start.Source != testSource {
		return nil, fault.Reasoned(fault.Conflict, envelope.ReasonFork, "the ledger stands at another record")
	}
	return &tapeReader{tape: p, at: at}, nil
}

type tapeReader struct {
	tape *tape
	at   int
}

func (r *tapeReader) Next(ctx context.Context, limit int) ([]*envelope.Record, error) {
	for {
		r.tape.mu.Lock()
		broken, more := r.tape.breaks(), r.tape.more
		n := min(limit, len(r.tape.records)-r.at, 1+rand.IntN(20))
		out := r.tape.records[r.at : r.at+n]
		r.at += n
		r.tape.mu.Unlock()
		if broken {
			return nil, fault.Reasoned(fault.Unavailable, "broker", "the broker is gone")
		}
		if n > 0 {
			return out, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, fault.Wrap(fault.Timeout, ctx.Err(), "read")
		}
	}
}

func (r *tapeReader) Beat() (envelope.Position, uint64) {
	r.tape.mu.Lock()
	defer r.tape.mu.Unlock()
	if len(r.tape.records) == 0 {
		return envelope.Position{}, r.tape.beat
	}
	return r.tape.records[len(r.tape.records)-1].Position, r.tape.beat
}

func (r *tapeReader) Trouble() error {
	r.tape.mu.Lock()
	defer r.tape.mu.Unlock()
	return r.tape.trouble
}

func (r *tapeReader) Close() {}
