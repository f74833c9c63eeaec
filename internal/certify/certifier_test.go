// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

var _ commit.Certifier = (*Certifier)(nil)

func TestNetworkCertifies(t *testing.T) {
	for _, c := range []struct{ n, up int }{{1, 1}, {4, 4}, {4, 3}, {7, 5}} {
		_, nodes := newNetwork(t, c.n, c.up)
		all(t, nodes, 1, 60)
		for _, n := range nodes {
			if v := counted(t, n.metrics.certified); v != 60 {
				t.Errorf("%d of %d: %v heights certified", c.up, c.n, v)
			}
			if err := n.stop(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestCertifyIsSignAndAwait(t *testing.T) {
	_, nodes := newNetwork(t, 1, 1)
	x, hash := header(1, 0)
	cert, err := nodes[0].Certify(testContext(t), x, hash)
	if err != nil || checkCertificate(nodes[0].cfg.Members, cert, 1) != nil {
		t.Errorf("got %+v, %v", cert, err)
	}
	if again, err := nodes[0].Certify(testContext(t), x, hash); err != nil || again != cert {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestLostFramesAreSentAgain(t *testing.T) {
	w, nodes := newNetwork(t, 4, 4)
	lost := map[chain.ValidatorNo]int{}
	w.setLose(func(from, _ chain.ValidatorNo, _ []byte) bool {
		lost[from]++
		return lost[from]%3 != 0
	})
	all(t, nodes, 1, 20)
	resent := 0.0
	for _, n := range nodes {
		resent += counted(t, n.metrics.resent)
	}
	if resent == 0 {
		t.Error("nothing was sent again")
	}
}

// A node that was away catches up from what its peers stored.
func TestALaggingNodeCatchesUp(t *testing.T) {
	w, nodes := newNetwork(t, 4, 3)
	w.setLose(func(_, to chain.ValidatorNo, _ []byte) bool { return to == 3 })
	all(t, nodes, 1, 200)
	w.setLose(nil)
	late := start(t, w, faultfs.New(), 0, testConfig(t, 3, 4, outlet{w, 3}))
	t.Cleanup(func() { _ = late.stop() })
	all(t, []*node{late}, 1, 195)
	if n := len(late.core.slots); n > 200 {
		t.Errorf("%d heights are kept", n)
	}
	all(t, []*node{late}, 196, 200)
	all(t, append(nodes, late), 201, 220)
	if v := counted(t, nodes[0].metrics.refused.WithLabelValues("not_stored")); v != 0 {
		t.Errorf("%v certificates were not found", v)
	}
}

func TestRestart(t *testing.T) {
	for seed := range uint64(8) {
		fs := faultfs.New()
		sent := map[chain.Height][]byte{}
		w := &wire{lose: func(_, _ chain.ValidatorNo, frame []byte) bool {
			if m, err := ParseFrame(frame); err == nil && m.Vote != nil {
				sent[m.Vote.Height] = bytes.Clone(frame)
			}
			return true
		}}
		cfg := testConfig(t, 0, 4, outlet{w, 0})
		n := start(t, nil, fs, 0, cfg)
		for h := chain.Height(1); h <= 12; h++ {
			if err := n.sign(testContext(t), h); err != nil {
				t.Fatal(err)
			}
		}
		after := fs.Crash(seed)
		_ = n.stop()
		w.mu.Lock()
		before := maps.Clone(sent)
		clear(sent)
		w.mu.Unlock()
		cfg.Header, _ = keys.Hedged(cfg.Header)
		cfg.Root, _ = keys.Hedged(cfg.Root)
		cfg.Metrics = nil
		n = start(t, nil, after, 0, cfg)
		for h := chain.Height(1); h <= 12; h++ {
			if err := n.sign(testContext(t), h); err != nil {
				t.Fatal(err)
			}
		}
		if err := n.stop(); err != nil {
			t.Error(err)
		}
		w.mu.Lock()
		for h, frame := range before {
			if !bytes.Equal(frame, sent[h]) {
				t.Errorf("seed %d: height %d is signed with other bytes after the restart", seed, h)
			}
		}
		w.mu.Unlock()
	}
}

// Wherever the power goes: a vote that was sent is in the log afterwards, and another header of its height is refused.
func TestPowerLossAtEachOperation(t *testing.T) {
	for at := 1; ; at++ {
		fs := faultfs.New()
		sent := map[chain.Height][]byte{}
		w := &wire{lose: func(_, _ chain.ValidatorNo, frame []byte) bool {
			if m, err := ParseFrame(frame); err == nil && m.Vote != nil {
				sent[m.Vote.Height] = bytes.Clone(frame[1:])
			}
			return true
		}}
		cfg := testConfig(t, 0, 4, outlet{w, 0})
		fs.StopAfter(at)
		finished := signUntilThePowerGoes(t, fs, cfg)
		for seed := range uint64(3) {
			checkSent(t, fs.Crash(seed), cfg, sent)
		}
		if finished || t.Failed() {
			t.Logf("%d operations", at)
			return
		}
	}
}

func signUntilThePowerGoes(t *testing.T, fs *faultfs.FS, cfg Config) bool {
	log, err := tryLog(fs)
	if err != nil {
		return false
	}
	defer func() { _ = log.Close() }()
	cfg.Metrics, cfg.TickInterval = nil, time.Hour
	c, err := Open(testContext(t), log, 0, cfg)
	if err != nil {
		return false
	}
	// A segment that cannot be made ready looks like a full disk, for which Sign waits.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for h := chain.Height(1); h <= 20; h++ {
		x, hash := header(h, 0)
		if c.Sign(ctx, x, hash) != nil {
			return false
		}
	}
	return log.Close() == nil && c.failure() == nil
}

func checkSent(t *testing.T, fs *faultfs.FS, cfg Config, sent map[chain.Height][]byte) {
	t.Helper()
	log := openLog(t, fs)
	defer func() { _ = log.Close() }()
	cfg.Metrics = nil
	c, err := Open(testContext(t), log, 0, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for h, vote := range sent {
		own := c.core.Own(h)
		if own == nil || !bytes.Equal(appendVote(nil, own), vote) {
			t.Fatalf("the vote of height %d was sent and is lost", h)
		}
	}
	for h := range sent {
		x, hash := header(h, 1)
		if err := c.Sign(testContext(t), x, hash); !fault.Is(err, fault.Halted) {
			t.Fatalf("another header of height %d: %v", h, err)
		}
	}
}

func TestASecondHeaderHalts(t *testing.T) {
	_, nodes := newNetwork(t, 4, 1)
	n := nodes[0]
	if err := n.sign(testContext(t), 1); err != nil {
		t.Fatal(err)
	}
	x, hash := header(1, 1)
	err := n.Sign(testContext(t), x, hash)
	if !fault.Is(err, fault.Halted) {
		t.Fatal(err)
	}
	<-n.broken
	if _, again := n.Await(testContext(t), 1); !errors.Is(again, err) {
		t.Errorf("await: %v", again)
	}
	if again := n.sign(testContext(t), 2); !errors.Is(again, err) {
		t.Errorf("sign: %v", again)
	}
	vote := realVote(t, 1, 1, 0)
	if again := n.Receive(1, AppendFrame(nil, Message{Vote: &vote})); !errors.Is(again, err) {
		t.Errorf("receive: %v", again)
	}
}

func TestRunTellsWhyItStopped(t *testing.T) {
	_, nodes := newNetwork(t, 4, 1)
	x, hash := header(1, 0)
	x.Chain++
	err := nodes[0].Sign(testContext(t), x, hash)
	if !fault.Is(err, fault.Halted) {
		t.Fatal(err)
	}
	<-nodes[0].broken
	done := make(chan error)
	go func() { done <- nodes[0].Run(context.Background()) }()
	if got := <-done; !errors.Is(got, err) {
		t.Errorf("run: %v", got)
	}
}

func TestBadDisk(t *testing.T) {
	w := &wire{lose: func(chain.ValidatorNo, chain.ValidatorNo, []byte) bool { t.Error("a frame was sent"); return true }}
	fs := faultfs.New()
	n := start(t, nil, fs, 0, testConfig(t, 0, 4, outlet{w, 0}))
	defer func() { _ = n.stop() }()
	fs.Inject(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpSync {
			return errors.New("medium error")
		}
		return nil
	})
	_ = n.sign(testContext(t), 1)
	<-n.broken
	if err := n.failure(); !fault.Is(err, fault.Halted) {
		t.Errorf("got %v", err)
	}
	if err := n.sign(testContext(t), 2); !fault.Is(err, fault.Halted) {
		t.Errorf("sign: %v", err)
	}
}

// On a full disk Sign waits; when its context ends there, the certifier stops, for a vote it took may not be skipped.
func TestFullDisk(t *testing.T) {
	_, nodes := newNetwork(t, 1, 1)
	n := nodes[0]
	n.fs.SetSpace(1)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	var err error
	h := chain.Height(0)
	for h < 500 && err == nil {
		h++
		if err = n.sign(ctx, h); err == nil {
			err = n.await(testContext(t), h)
		}
	}
	if !fault.Is(err, fault.Unavailable) {
		t.Fatalf("height %d: %v", h, err)
	}
	if err := n.sign(testContext(t), h+1); !fault.Is(err, fault.Unavailable) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestReceiveRefuses(t *testing.T) {
	_, nodes := newNetwork(t, 4, 1)
	n := nodes[0]
	for h := chain.Height(1); h <= 4; h++ {
		if err := n.sign(testContext(t), h); err != nil {
			t.Fatal(err)
		}
	}
	good, rooted := realVote(t, 1, 1, 0), realVote(t, 1, 4, 0)
	badRoot := rooted
	badRoot.RootSig = bytes.Repeat([]byte{1}, 3309)
	bad := good
	bad.Signature = bytes.Repeat([]byte{1}, 64)
	forged := &chain.Certificate{Epoch: testEpoch, Height: 1, Header: good.Hash}
	for i := range 3 {
		v := realVote(t, i, 1, 0)
		forged.Signatures = append(forged.Signatures, v.signature())
	}
	forged.Signatures[2].Header = forged.Signatures[1].Header
	rootless := &chain.Certificate{Epoch: testEpoch, Height: 4, Header: rooted.Hash}
	for i := range 3 {
		v := realVote(t, i, 4, 0)
		v.RootSig = nil
		rootless.Signatures = append(rootless.Signatures, v.signature())
	}
	for _, c := range []struct {
		name, want string
		from       chain.ValidatorNo
		frame      []byte
	}{
		{"no frame", "malformed", 1, []byte{9}},
		{"a forged vote", "wrong_signature", 1, AppendFrame(nil, Message{Vote: &bad})},
		{"a forged root", "wrong_signature", 1, AppendFrame(nil, Message{Vote: &badRoot})},
		{"a vote of somebody else", "wrong_sender", 2, AppendFrame(nil, Message{Vote: &good})},
		{"a stranger", "unknown_sender", 9, AppendFrame(nil, Message{Vote: &good})},
		{"a forged certificate", "wrong_signature", 1, AppendFrame(nil, Message{Certificate: forged})},
		{"a certificate without root signatures", "wrong_signature", 1, AppendFrame(nil, Message{Certificate: rootless})},
		{"a certificate too early", "not_executed", 1, AppendFrame(nil, Message{Certificate: &chain.Certificate{Epoch: testEpoch, Height: 9}})},
	} {
		t.Run(c.name, func(t *testing.T) {
			counter := n.metrics.refused.WithLabelValues(c.want)
			before := counted(t, counter)
			if err := n.Receive(c.from, c.frame); fault.ReasonOf(err) != c.want {
				t.Errorf("got %v", err)
			}
			if counted(t, counter) != before+1 {
				t.Error("not counted")
			}
		})
	}
	if n.core.slots[1].votes[1] != nil || n.core.slots[4].votes[1] != nil {
		t.Error("a forged vote counts")
	}
}

func TestLiarsAreTold(t *testing.T) {
	var told []Evidence
	var stuck []chain.Height
	cfg := testConfig(t, 0, 4, outlet{&wire{lose: func(chain.ValidatorNo, chain.ValidatorNo, []byte) bool { return true }}, 0})
	cfg.OnEvidence = func(e Evidence) { told = append(told, e) }
	cfg.OnStuck = func(h chain.Height) { stuck = append(stuck, h) }
	n := start(t, nil, faultfs.New(), 0, cfg)
	defer func() { _ = n.stop() }()
	for _, v := range []Vote{realVote(t, 3, 1, 0), realVote(t, 3, 1, 1), realVote(t, 1, 2, 1), realVote(t, 2, 2, 2), realVote(t, 3, 2, 3)} {
		if err := n.Receive(v.Validator, AppendFrame(nil, Message{Vote: &v})); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) != 1 || len(n.Evidence()) != 1 || told[0].First.Hash == told[0].Second.Hash {
		t.Errorf("told %+v", told)
	}
	if !slices.Equal(stuck, []chain.Height{2}) || counted(t, n.metrics.stuck) != 1 || counted(t, n.metrics.evidence) != 1 {
		t.Errorf("stuck %v", stuck)
	}
}

func TestDivergedIsTold(t *testing.T) {
	var told []Diverged
	cfg := testConfig(t, 0, 4, outlet{&wire{lose: func(chain.ValidatorNo, chain.ValidatorNo, []byte) bool { return true }}, 0})
	cfg.OnDiverged = func(d Diverged) { told = append(told, d) }
	n := start(t, nil, faultfs.New(), 0, cfg)
	defer func() { _ = n.stop() }()
	if err := n.sign(testContext(t), 1); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := 1; i < 4; i++ {
		v := realVote(t, i, 1, 1)
		err = n.Receive(v.Validator, AppendFrame(nil, Message{Vote: &v}))
	}
	if !fault.Is(err, fault.Halted) || len(told) != 1 || !n.cfg.Members.VerifyCertificate(told[0].Other, &told[0].Own) {
		t.Errorf("got %v, told %+v", err, told)
	}
}

// A genuine certificate of another height, shown by one peer under a false number, halts nobody.
func TestARelabelledCertificateDoesNotHalt(t *testing.T) {
	_, nodes := newNetwork(t, 4, 3)
	all(t, nodes, 1, 5)
	if err := nodes[0].sign(testContext(t), 6); err != nil {
		t.Fatal(err)
	}
	x := *nodes[0].store[5]
	x.Height = 6
	if err := nodes[0].Receive(3, AppendFrame(nil, Message{Certificate: &x})); err != nil {
		t.Fatal(err)
	}
	if err := nodes[0].Receive(3, AppendFrame(nil, Message{Certificate: &x})); fault.ReasonOf(err) != "known" {
		t.Errorf("shown again: %v", err)
	}
	all(t, nodes, 6, 8)
}

func TestAwait(t *testing.T) {
	_, nodes := newNetwork(t, 4, 3)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := nodes[0].Await(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("its context ended: %v", err)
	}
	nodes[0].Published(100)
	if _, err := nodes[0].Await(testContext(t), 5); !fault.Is(err, fault.Pruned) {
		t.Errorf("long ago: %v", err)
	}
	x, hash := header(5000, 0)
	if err := nodes[0].Sign(testContext(t), x, hash); !fault.Is(err, fault.TryLater) {
		t.Errorf("far ahead: %v", err)
	}
}

func TestTrim(t *testing.T) {
	_, nodes := newNetwork(t, 1, 1)
	n := nodes[0]
	if err := n.Trim(5); err != nil {
		t.Fatal(err)
	}
	all(t, nodes, 1, 100)
	if err := n.Trim(60); err != nil {
		t.Fatal(err)
	}
	if list := n.log.Segments(); list[0].FirstSeq < 30 || list[0].FirstSeq > 60 {
		t.Fatalf("the log begins with record %d", list[0].FirstSeq)
	}
	if err := n.Trim(1000); err != nil || len(n.log.Segments()) != 1 {
		t.Fatalf("%d segments, %v", len(n.log.Segments()), err)
	}
	first := chain.Height(n.log.Segments()[0].FirstSeq)
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	cfg := n.cfg
	for _, c := range []struct {
		published chain.Height
		want      fault.Kind
		sign      chain.Height
		halted    bool
	}{{101, fault.Corrupt, 0, false}, {first - 2, 0, first - 1, true}, {first - 1, 0, first, false}, {100, 0, 101, false}} {
		log := openLog(t, n.fs)
		again, err := Open(testContext(t), log, c.published, cfg)
		if fault.KindOf(err) != c.want && err != nil {
			t.Fatalf("published %d: %v", c.published, err)
		}
		if err == nil {
			x, hash := header(c.sign, 0)
			if err := again.Sign(testContext(t), x, hash); fault.Is(err, fault.Halted) != c.halted || (err != nil) != c.halted {
				t.Errorf("published %d, height %d: %v", c.published, c.sign, err)
			}
			again.metrics.unregister()
		} else if c.want == 0 {
			t.Error(err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

type badSigner struct{ keys.Signer }

func (badSigner) Sign([]byte) ([]byte, error) { return nil, errors.New("the device is gone") }

// A key that fails is an error of its height, which may be signed again.
func TestAKeyThatFails(t *testing.T) {
	for _, root := range []bool{false, true} {
		cfg := testConfig(t, 0, 1, nil)
		if root {
			cfg.Root = badSigner{cfg.Root}
		} else {
			cfg.Header = badSigner{cfg.Header}
		}
		n := start(t, nil, faultfs.New(), 0, cfg)
		x, hash := header(4, 0)
		if _, err := n.Certify(testContext(t), x, hash); err == nil || !strings.Contains(err.Error(), "device") {
			t.Errorf("got %v", err)
		}
		if err := n.stop(); err != nil {
			t.Error(err)
		}
	}
}

func TestConfig(t *testing.T) {
	log := openLog(t, faultfs.New())
	defer func() { _ = log.Close() }()
	for name, change := range map[string]func(*Config){
		"no membership":   func(c *Config) { c.Members = nil },
		"no member":       func(c *Config) { c.Self = 4 },
		"no key":          func(c *Config) { c.Header = nil },
		"another's key":   func(c *Config) { c.Header = signer(t, keys.Ed25519, 1) },
		"another's root":  func(c *Config) { c.Root = signer(t, keys.MLDSA65, 1) },
		"no peers":        func(c *Config) { c.Peers = nil },
		"metrics twice":   func(c *Config) { _, _ = newMetrics(c.Metrics) },
		"one metric only": func(c *Config) { c.Metrics.MustRegister(prometheus.NewCounter(opts("stuck_blocks_total", "."))) },
	} {
		cfg := testConfig(t, 0, 4, outlet{})
		change(&cfg)
		if _, err := Open(testContext(t), log, 0, cfg); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Open(ctx, log, 7, testConfig(t, 0, 4, outlet{})); err == nil {
		t.Error("a log that was not read is taken for an empty one")
	}
}

func TestMembership(t *testing.T) {
	good := membersOf(t, 2)
	for name, members := range map[string][]Member{
		"none":           nil,
		"too many":       make([]Member, 65),
		"no key":         {{}},
		"keys exchanged": {{Header: good[0].Root, Root: good[0].Header}},
		"a key twice":    {good[0], {Header: good[0].Header, Root: good[1].Root}},
		"a root twice":   {good[0], {Header: good[1].Header, Root: good[0].Root}},
	} {
		if _, err := NewMembership(testChain, testEpoch, members); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	m := membership(t, 2)
	if v := realVote(t, 1, 4, 0); m.Size() != 2 || !m.Verify(&v) {
		t.Error("a good vote is refused")
	}
	if v := realVote(t, 3, 4, 0); m.Verify(&v) {
		t.Error("a stranger's vote is taken")
	}
	if v := realVote(t, 1, 1, 0); m.Verify(&Vote{Validator: 1, Hash: v.Hash, Signature: v.Signature, RootSig: []byte{1}}) {
		t.Error("a signature of no root is taken")
	}
	other, err := NewMembership(testChain+1, testEpoch, membersOf(t, 2))
	if v := realVote(t, 1, 4, 0); err != nil || other.Verify(&v) {
		t.Error("a vote of another chain is taken")
	}
}

func TestMetricNames(t *testing.T) {
	r := prometheus.NewRegistry()
	m, err := newMetrics(r)
	if err != nil {
		t.Fatal(err)
	}
	m.refused.WithLabelValues("ahead")
	families, err := r.Gather()
	if err != nil || len(families) != 5 {
		t.Errorf("%d metrics: %v", len(families), err)
	}
	for _, f := range families {
		if name := f.GetName(); !strings.HasPrefix(name, "aurigraph_certify_") || !strings.HasSuffix(name, "_total") {
			t.Errorf("a metric is named %s", name)
		}
	}
	m.unregister()
}
