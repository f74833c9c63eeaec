// SPDX-License-Identifier: Apache-2.0

package node

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// A node starts in an empty folder, and goes on where it stopped.
func TestStartPayRestart(t *testing.T) {
	f := newFolder(t)
	r := f.start()
	if r.paid() != 0 || r.loop.Height() != 0 {
		t.Errorf("a new chain is at height %d, the payee holds %d", r.loop.Height(), r.paid())
	}
	first := r.pay(3)
	height := r.loop.Height()
	r.halt()

	r = f.start()
	if r.paid() != 3 || r.loop.Height() < height {
		t.Errorf("after the restart: height %d, before %d; the payee holds %d", r.loop.Height(), height, r.paid())
	}
	for _, ticket := range first {
		if _, _, err := r.history.TxReceipt(ticket.ID()); err != nil {
			t.Error(err)
		}
	}
	again := r.intake.SubmitTxs(t.Context(), [][]byte{f.repeat(1)})[0]
	must(t, again.Refused())
	<-again.Done()
	if _, firstTime, err := again.Receipt(); err != nil || firstTime {
		t.Errorf("a payment of the first run was taken as new: %v", err)
	}
	r.pay(2)
	if r.paid() != 5 {
		t.Errorf("the payee holds %d", r.paid())
	}
	r.halt()
	if s := r.log.String(); !strings.Contains(s, "state loaded") || !strings.Contains(s, "state is up to date") {
		t.Errorf("the log does not tell of the start: %s", s)
	}
}

// repeat signs the payment with a nonce of before again, which gives the same bytes.
func (f *folder) repeat(nonce uint64) []byte {
	now := f.nonce
	f.nonce = nonce - 1
	defer func() { f.nonce = now }()
	return f.transfer()
}

func TestServes(t *testing.T) {
	f := newFolder(t)
	r := f.start()
	for path, says := range map[string]string{"/readyz": `"ready":["api","state"]`, "/metrics": "aurigraph_commit_published_height 0"} {
		answer, err := http.Get("http://" + r.MetricsAddress() + path)
		must(t, err)
		text, err := io.ReadAll(answer.Body)
		must(t, err)
		must(t, answer.Body.Close())
		if answer.StatusCode != http.StatusOK || !strings.Contains(string(text), says) {
			t.Errorf("%s: %d %s", path, answer.StatusCode, text)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	c, err := net.Dial("tcp", r.GRPCAddress())
	must(t, err)
	must(t, c.Close())
	r.pay(1)
	status := r.services.status()
	if status.Chain != testChain || status.Network != "node" || status.Height < 1 || status.Legs != 1 || len(status.Validators) != 1 {
		t.Errorf("%+v", status)
	}
	r.halt()
	if _, err := net.Dial("tcp", r.GRPCAddress()); err == nil {
		t.Error("a stopped node listens")
	}
}

func TestWithoutMetricsAndIndex(t *testing.T) {
	f := newFolder(t)
	f.cfg.Metrics, f.cfg.Index.Enabled = "", false
	r := f.start()
	if r.MetricsAddress() != "" || len(f.files("data/index/*")) != 0 {
		t.Errorf("metrics at %q, index %v", r.MetricsAddress(), f.files("data/index/*"))
	}
	r.pay(1)
	r.halt()
}

// A damaged index is reported, and payments do not need it.
func TestDamagedIndex(t *testing.T) {
	f := newFolder(t)
	r := f.start()
	r.pay(1)
	r.halt()
	for _, path := range f.files("data/index/*") {
		must(t, os.WriteFile(path, []byte("not a database, and longer than a page's header"), 0o644))
	}
	r = f.start()
	r.pay(1)
	r.halt()
	if !strings.Contains(r.log.String(), "the query index cannot be used") {
		t.Errorf("the log does not say so: %s", r.log)
	}
}

func TestTwoNodesInOneFolder(t *testing.T) {
	f := newFolder(t)
	r := f.start()
	f.refuses(fault.Conflict, "another process uses")
	r.pay(1) // the first is not disturbed
	r.halt()
	r = f.start()
	r.halt()
}

func TestFolderOfAnotherChain(t *testing.T) {
	f := newFolder(t)
	f.start().halt()
	f.genesis.Name = "other"
	f.writeGenesis()
	f.refuses(fault.Conflict, "use another folder")
}

func TestPortsInUse(t *testing.T) {
	for name, set := range map[string]func(*folder, string){
		"grpc":    func(f *folder, a string) { f.cfg.GRPC = a },
		"metrics": func(f *folder, a string) { f.cfg.Metrics = a },
	} {
		f := newFolder(t)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		set(f, l.Addr().String())
		f.refuses(fault.Unavailable, l.Addr().String())
		must(t, l.Close())
		r := f.start() // nothing of the first try is left behind
		if a := r.GRPCAddress() + r.MetricsAddress(); !strings.Contains(a, l.Addr().String()) {
			t.Errorf("%s: listens on %s", name, a)
		}
		r.halt()
	}
}

func TestKeyFiles(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(*folder)
		kind   fault.Kind
		says   string
	}{
		"validator missing":  {func(f *folder) { f.remove(f.cfg.Keys.Validator) }, fault.NotFound, "validator.key"},
		"root missing":       {func(f *folder) { f.remove(f.cfg.Keys.Root) }, fault.NotFound, "validator-root.key"},
		"open to others":     {func(f *folder) { must(f.t, os.Chmod(f.cfg.Path(f.cfg.Keys.Validator), 0o644)) }, fault.Denied, "chmod 600"},
		"of another":         {func(f *folder) { f.replaceKey(f.cfg.Keys.Validator, keys.Ed25519, nil) }, fault.Conflict, `not those of validator "v0"`},
		"of another scheme":  {func(f *folder) { f.cfg.Keys.Root = f.cfg.Keys.Validator }, fault.Conflict, "not those of validator"},
		"root of another":    {func(f *folder) { f.replaceKey(f.cfg.Keys.Root, keys.MLDSA65, nil) }, fault.Conflict, "not those of validator"},
		"passphrase missing": {func(f *folder) { f.replaceKey(f.cfg.Keys.Validator, keys.Ed25519, []byte("secret")) }, fault.Denied, "passphrase"},
		"passphrase wrong": {func(f *folder) {
			f.replaceKey(f.cfg.Keys.Validator, keys.Ed25519, []byte("secret"))
			f.passphrase("wrong\n")
		}, fault.Denied, "passphrase"},
		"passphrase file missing": {func(f *folder) { f.cfg.Keys.Passphrase = "keys/none" }, fault.Unavailable, "keys/none"},
		"passphrase too long":     {func(f *folder) { f.passphrase(strings.Repeat("x", passphraseBytesMax+1)) }, fault.Invalid, "longer than"},
		"two validators": {func(f *folder) {
			f.genesis.Validators = append(f.genesis.Validators, f.genesis.Validators[0])
			f.writeGenesis()
		}, fault.Invalid, "has a key of another member"},
		"another validator and solo":      {func(f *folder) { f.addValidator() }, fault.Invalid, "use raft"},
		"no address of another validator": {func(f *folder) { f.addValidator(); f.cfg.Order.Engine = config.EngineRaft }, fault.Invalid, "give one for each"},
		"no certificate":                  {func(f *folder) { f.remove(f.cfg.TLS.Cert) }, fault.Invalid, "node.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t)
			c.damage(f)
			f.refuses(c.kind, c.says)
		})
	}
}

// addValidator makes the genesis one of two validators.
func (f *folder) addValidator() {
	other := chain.GenesisValidator{Name: "v1", Ed25519: signer(f.t, keys.Ed25519, 7).Public().Bytes()[1:], MLDSA65: signer(f.t, keys.MLDSA65, 8).Public().Bytes()[1:]}
	f.genesis.Validators = append(f.genesis.Validators, other)
	f.writeGenesis()
}

func (f *folder) remove(path string) {
	f.t.Helper()
	must(f.t, os.Remove(f.cfg.Path(path)))
}

func (f *folder) replaceKey(path string, s keys.Scheme, passphrase []byte) {
	f.t.Helper()
	f.remove(path)
	must(f.t, keys.WriteFile(f.cfg.Path(path), signer(f.t, s, 99), passphrase))
}

func (f *folder) passphrase(text string) {
	f.t.Helper()
	f.cfg.Keys.Passphrase = "keys/passphrase"
	must(f.t, os.WriteFile(f.cfg.Path(f.cfg.Keys.Passphrase), []byte(text), 0o600))
}

// Keys under a passphrase serve, and the line end of its file is not part of it.
func TestEncryptedKeys(t *testing.T) {
	f := newFolder(t)
	for path, k := range map[string]keys.Signer{f.cfg.Keys.Validator: signer(t, keys.Ed25519, 1), f.cfg.Keys.Root: signer(t, keys.MLDSA65, 2)} {
		f.remove(path)
		must(t, keys.WriteFile(f.cfg.Path(path), k, []byte("secret")))
	}
	f.passphrase("secret\r\n")
	r := f.start()
	r.pay(1)
	r.halt()
}

// A node that is stopped while payments are under way answers all of them, and none is lost or paid twice.
func TestStopWhileBusy(t *testing.T) {
	f := newFolder(t)
	ok := uint64(0)
	for range 3 {
		r := f.start()
		r.pay(1)
		ok++
		tickets := r.submit(500)
		r.stop()
		must(t, <-r.ended)
		var unknown []chain.Hash
		for _, ticket := range tickets {
			if ticket.Refused() != nil {
				continue
			}
			<-ticket.Done()
			if _, _, err := ticket.Receipt(); err == nil {
				ok++
			} else if fault.Is(err, fault.Timeout) {
				unknown = append(unknown, ticket.ID())
			} else if !fault.Is(err, fault.Unavailable) {
				t.Error(err)
			}
		}
		must(t, r.Close())
		r = f.start()
		for _, id := range unknown {
			if _, _, err := r.history.TxReceipt(id); err == nil {
				ok++
			} else if !fault.Is(err, fault.NotFound) {
				t.Error(err)
			}
		}
		if r.paid() != ok {
			t.Errorf("%d payments were made, %d are known", r.paid(), ok)
		}
		r.halt()
	}
}

// Damage to the newest checkpoint costs time, not state.
func TestDamagedCheckpoint(t *testing.T) {
	f := newFolder(t)
	r := f.start()
	for range 3 {
		r.pay(1)
		must(t, r.loop.Wait(t.Context(), r.loop.Height()+chain.RootDelay))
	}
	r.halt()
	files := f.files("data/checkpoints/*.ckpt")
	if len(files) == 0 {
		t.Fatal("there is no checkpoint")
	}
	for _, path := range files {
		testkit.Flip(t, path, 100, 3)
	}
	r = f.start()
	if r.state.Height != 0 || len(r.state.Skipped) != len(files) || r.paid() != 3 {
		t.Errorf("began at height %d, skipped %v, the payee holds %d", r.state.Height, r.state.Skipped, r.paid())
	}
	r.pay(1)
	r.halt()
	if !strings.Contains(r.log.String(), "a checkpoint was skipped") {
		t.Errorf("the log does not say so: %s", r.log)
	}
}

// An ordering log that lost published heights is a folder that must not go on.
func TestLostOrderingLog(t *testing.T) {
	f := newFolder(t)
	r := f.start()
	r.pay(1)
	r.halt()
	must(t, os.RemoveAll(f.cfg.Data("order")))
	for _, path := range f.files("data/checkpoints/*") {
		must(t, os.Remove(path))
	}
	f.refuses(fault.Corrupt, "restore the data folder from a copy")
}

// A node that finds itself unable to write stops with the cause.
func TestFatalCallbackEndsTheNode(t *testing.T) {
	f := newFolder(t)
	r := f.start()
	r.fail(fault.New(fault.Halted, "the disk is gone"))
	r.fail(fault.New(fault.Halted, "a later one is not heard"))
	if err := <-r.ended; !fault.Is(err, fault.Halted) || !strings.Contains(err.Error(), "the disk is gone") {
		t.Errorf("it ended with %v", err)
	}
	must(t, r.Close())
	if _, err := r.store.Get([]byte("x")); !fault.Is(err, fault.NotFound) {
		t.Error("the store was closed, which writes", err)
	}
	must(t, r.store.Close()) // for the sake of the tests after this one
	r = f.start()
	r.pay(1)
	r.halt()
}

func TestGenesisState(t *testing.T) {
	f := newFolder(t)
	s, err := GenesisState(f.genesis)
	must(t, err)
	if s.Height != 0 || s.Ledger.Balance(payer, 1) != chain.Units(funds) || s.Ledger.Counts().Accounts != 4 || s.Machine.Height() != 0 {
		t.Errorf("%+v", s)
	}
	f.genesis.Accounts[0].PublicKey = append(chain.HexBytes{1}, make([]byte, 32)...)
	f.genesis.Accounts[0].PublicKey[1] = 2 // no point of the curve has this encoding
	if _, err := GenesisState(f.genesis); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "accounts[0]") {
		t.Error(err)
	}
	f.genesis.Accounts[0].PublicKey = append(chain.HexBytes{200}, make([]byte, 32)...)
	if _, err := GenesisState(f.genesis); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func jsonOf(t testing.TB, v any) map[string]any {
	t.Helper()
	text, err := json.Marshal(v)
	must(t, err)
	var m map[string]any
	must(t, json.Unmarshal(text, &m))
	return m
}
