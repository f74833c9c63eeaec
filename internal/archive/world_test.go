// SPDX-License-Identifier: Apache-2.0

package archive_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/internal/archive"
	"github.com/aurigraph/aurigraph/internal/archive/archivetest"
	"github.com/aurigraph/aurigraph/internal/archive/folder"
	"github.com/aurigraph/aurigraph/internal/archive/s3"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/testkit/s3server"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy"
	"github.com/aurigraph/aurigraph/legacy/changefeed"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// oldLedger is a V10 that runs.
type oldLedger struct {
	ledger *ledger.Ledger
	url    string
}

func engines() []string {
	if legacy.HasRocksDB {
		return []string{legacy.EnginePebble, legacy.EngineRocksDB}
	}
	return []string{legacy.EnginePebble}
}

func newOld(t testing.TB, engine string) *oldLedger {
	t.Helper()
	s, err := legacy.OpenStore(engine, filepath.Join(t.TempDir(), "v10"), 0, slog.New(slog.DiscardHandler))
	must(t, err)
	l, err := ledger.Open(s, ledger.Config{Genesis: []ledger.Holding{{Account: "alice", Units: chain.Units(5_000_000)}}})
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var all sync.WaitGroup
	ended := make([]error, 2)
	all.Go(func() { ended[0] = l.Run(ctx) })
	all.Go(func() { ended[1] = changefeed.Serve(ctx, listener, changefeed.Config{Store: s, Ledger: l}) })
	t.Cleanup(func() {
		cancel()
		all.Wait()
		must(t, errors.Join(errors.Join(ended...), s.Close()))
	})
	return &oldLedger{l, "http://" + listener.Addr().String()}
}

const accounts = 300

// pay gives each of many accounts something of two assets.
func (o *oldLedger) pay(t testing.TB) {
	t.Helper()
	orders := []ledger.Order{{Kind: ledger.CreateAsset, From: "alice", Asset: "GOLD", Title: "Gold", Scale: 3}}
	for i := range accounts {
		name := fmt.Sprintf("Kunde ü/%d", i)
		orders = append(orders,
			ledger.Order{Kind: ledger.Transfer, From: "alice", To: name, Asset: v10.DefaultAsset, Units: chain.Units(uint64(1 + i))},
			ledger.Order{Kind: ledger.Issue, From: "alice", To: name, Asset: "GOLD", Units: chain.Units(7)})
	}
	results, err := o.ledger.Submit(t.Context(), orders)
	must(t, err)
	for _, r := range results {
		if r.Err != nil || r.Outcome != chain.OK {
			t.Fatalf("%+v", r)
		}
	}
}

// balances is what it says of an account, as its REST does.
func (o *oldLedger) balances(_ context.Context, account string) (map[string]string, error) {
	held, err := o.ledger.Balances(account)
	says := map[string]string{}
	for _, b := range held {
		says[b.Asset] = b.Units.Decimal(map[string]uint8{v10.DefaultAsset: v10.DefaultScale, "GOLD": 3}[b.Asset])
	}
	return says, err
}

// world is a V10 and what is needed to archive it.
type world struct {
	*oldLedger
	cfg archive.Config
}

func newWorld(t testing.TB, engine string, store archive.Store) *world {
	t.Helper()
	w := &world{oldLedger: newOld(t, engine)}
	w.pay(t)
	signer, err := keys.Generate(keys.Ed25519, rand.Reader)
	must(t, err)
	journal := filepath.Join(t.TempDir(), "journal.db")
	must(t, os.WriteFile(journal, []byte("what was decided"), 0o600))
	must(t, os.WriteFile(journal+".empty", nil, 0o600))
	w.cfg = archive.Config{
		Store: store, Changes: w.url, Engine: engine, Ledger: "bank-v10", Dir: filepath.Join(t.TempDir(), "work"), Signer: signer,
		Files:       []archive.Named{{Name: "migration/journal.db", Path: journal}, {Name: "empty", Path: journal + ".empty"}},
		RetainUntil: archivetest.Until(),
	}
	return w
}

func newFolder(t testing.TB) (s archive.Store, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "archive")
	s, err := folder.Open(dir)
	must(t, err)
	return s, dir
}

func newBucket(t testing.TB) (s archive.Store, dir string) {
	t.Helper()
	server := s3server.Start(t)
	bucket := server.Bucket(t, true)
	s, err := s3.Open(s3.Config{Endpoint: server.Endpoint(), Region: "us-east-1", Bucket: bucket, Prefix: "bank", Credentials: server.Credentials()})
	must(t, err)
	return s, filepath.Join(server.Files(bucket), "bank")
}

// stores are the kinds of store, and where the files of a new one lie.
var stores = map[string]func(testing.TB) (archive.Store, string){"folder": newFolder, "s3": newBucket}
