// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/intake"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testChain chain.ChainID   = 4711
	payer     chain.AccountNo = 3 // after the house accounts of the two institutions
	payee     chain.AccountNo = 4
	payerKey  chain.KeyNo     = 3
	funds                     = 1_000_000
)

// folder is a node's folder with all that is in it before the first start.
type folder struct {
	t       testing.TB
	cfg     config.Node
	genesis *chain.Genesis
	payer   keys.Signer
	nonce   uint64
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func signer(t testing.TB, s keys.Scheme, n byte) keys.Signer {
	t.Helper()
	k, err := keys.FromSeed(s, [keys.SeedBytes]byte{n})
	must(t, err)
	return k
}

// newFolder makes a folder whose settings are small, so that segments, checkpoints and retention are seen in a test.
func newFolder(t testing.TB) *folder {
	t.Helper()
	cfg := config.Default()
	cfg.Dir, cfg.GRPC, cfg.Metrics = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0"
	cfg.Commit.SegmentBytes, cfg.Commit.RetainBytes = 4<<20, 8<<20
	cfg.Commit.CheckpointInterval = 100 * time.Millisecond
	f := &folder{t: t, cfg: cfg, payer: signer(t, keys.Ed25519, 5)}
	header, root := signer(t, keys.Ed25519, 1), signer(t, keys.MLDSA65, 2)
	f.genesis = testGenesis(t, header, root, f.payer)
	must(t, os.MkdirAll(cfg.Path("keys"), 0o700))
	must(t, keys.WriteFile(cfg.Path(cfg.Keys.Validator), header, nil))
	must(t, keys.WriteFile(cfg.Path(cfg.Keys.Root), root, nil))
	_, _, err := server.DevTLS(cfg.Path("tls"), []string{"127.0.0.1"})
	must(t, err)
	f.writeGenesis()
	return f
}

func testGenesis(t testing.TB, header, root, person keys.Signer) *chain.Genesis {
	governance, bank := signer(t, keys.Ed25519, 3), signer(t, keys.Ed25519, 4)
	return &chain.Genesis{
		Chain: testChain, Name: "node", TimeUs: 1_000_000,
		Validators:   []chain.GenesisValidator{{Name: "v0", Ed25519: header.Public().Bytes()[1:], MLDSA65: root.Public().Bytes()[1:]}},
		Institutions: []chain.GenesisInstitution{{Name: "governance", Keys: []chain.HexBytes{governance.Public().Bytes()}}, {Name: "bank", Keys: []chain.HexBytes{bank.Public().Bytes()}}},
		Accounts:     []chain.GenesisAccount{{PublicKey: person.Public().Bytes(), Slot: chain.SlotNone}, {Institution: 2, Slot: chain.SlotNone}},
		Assets:       []chain.GenesisAsset{{Code: "GOLD", Name: "Gold", Scale: 2, Flags: chain.AssetDense, Issuer: 2}},
		Holdings:     []chain.GenesisHolding{{Account: payer, Asset: 1, Amount: "1000000"}},
		AccountsMax:  1 << 12,
	}
}

func (f *folder) writeGenesis() {
	f.t.Helper()
	text, err := json.MarshalIndent(f.genesis, "", " ")
	must(f.t, err)
	must(f.t, os.WriteFile(f.cfg.Path(f.cfg.Genesis), text, 0o644))
}

// logBook is a log that a test can read while it is written.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends a record.
func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newLogger(to *logBook) *slog.Logger { return slog.New(slog.NewJSONHandler(to, nil)) }

// running is a node that serves.
type running struct {
	*Node
	folder *folder
	log    *logBook
	stop   context.CancelFunc
	ended  chan error
}

// start opens the folder's node, runs it and waits until it serves.
func (f *folder) start() *running {
	f.t.Helper()
	r := f.open()
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() {
		defer close(r.ended)
		r.ended <- r.Run(ctx)
	}()
	f.t.Cleanup(func() { // for a test that failed in between
		r.stop()
		<-r.ended
		_ = r.Close()
	})
	select {
	case <-r.Ready():
	case err := <-r.ended:
		f.t.Fatalf("the node ended before it served: %v\n%s", err, r.log)
	}
	return r
}

func (f *folder) open() *running {
	f.t.Helper()
	r := &running{folder: f, log: &logBook{}, ended: make(chan error, 1)}
	var err error
	r.Node, err = Open(context.Background(), f.cfg, newLogger(r.log))
	must(f.t, err)
	return r
}

// refuses opens the node, which must fail.
func (f *folder) refuses(kind fault.Kind, says string) {
	f.t.Helper()
	n, err := Open(context.Background(), f.cfg, slog.New(slog.DiscardHandler))
	if err == nil {
		must(f.t, n.Close())
	}
	if !fault.Is(err, kind) || !bytes.Contains([]byte(err.Error()), []byte(says)) {
		f.t.Errorf("open: %v; it must be %v and say %q", err, kind, says)
	}
}

// halt stops the node cleanly.
func (r *running) halt() {
	r.folder.t.Helper()
	r.stop()
	must(r.folder.t, <-r.ended)
	must(r.folder.t, r.Close())
}

// transfer signs a payment of one unit.
func (f *folder) transfer() []byte {
	f.nonce++
	tx := chain.Tx{Chain: testChain, Sender: payer, Key: payerKey, Nonce: f.nonce, ValidUntil: 90_000,
		Body: &chain.Transfer{To: payee, Asset: 1, Amount: chain.Units(1)}}
	sig, err := f.payer.Sign(keys.TxMessage(testChain, codec.TxID(&tx)))
	must(f.t, err)
	return codec.AppendSignedTx(nil, &chain.SignedTx{Tx: tx, Signature: sig})
}

// pay submits n payments at once and waits for their receipts.
func (r *running) pay(n int) []*intake.TxTicket {
	r.folder.t.Helper()
	tickets := r.submit(n)
	for _, t := range tickets {
		must(r.folder.t, t.Refused())
		<-t.Done()
		if _, _, err := t.Receipt(); err != nil {
			r.folder.t.Fatal(err)
		}
	}
	return tickets
}

func (r *running) submit(n int) []*intake.TxTicket {
	signed := make([][]byte, n)
	for i := range signed {
		signed[i] = r.folder.transfer()
	}
	return r.intake.SubmitTxs(context.Background(), signed)
}

// paidAtLast is paid once so much is, or after a while: a node that was away catches up while the others answer.
func (r *running) paidAtLast(want uint64) (got uint64) {
	r.folder.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(20 * time.Millisecond) {
		if got = r.paid(); got >= want || time.Now().After(deadline) {
			return got
		}
	}
}

// paid is what the payee holds, in certified state.
func (r *running) paid() uint64 {
	r.folder.t.Helper()
	var got, rest chain.Amount
	_, err := r.loop.View(context.Background(), func(l *ledger.Ledger) { got, rest = l.Balance(payee, 1), l.Balance(payer, 1) })
	must(r.folder.t, err)
	if got.Lo+rest.Lo != funds {
		r.folder.t.Errorf("%d and %d are not %d together", got.Lo, rest.Lo, funds)
	}
	return got.Lo
}

// files lists what lies in a folder of the node.
func (f *folder) files(pattern string) []string {
	f.t.Helper()
	list, err := filepath.Glob(filepath.Join(f.cfg.Dir, pattern))
	must(f.t, err)
	return list
}
