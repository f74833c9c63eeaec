// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// cluster is the folders of several validators, and those that run.
type cluster struct {
	t        testing.TB
	folders  []*folder
	nodes    []*running
	nonces   uint64
	sequence uint64      // of the bank's batches
	governed uint64      // transactions of governance
	between  func(i int) // between the end of a node's epoch and its next start; nil: nothing
	opened   func(i int) // after a node is opened, before it runs; nil: nothing
}

// freeAddress is one to listen at later. Its port lies below those that the kernel gives to connections, so that none of the
// cluster's own takes it meanwhile.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err != nil {
			continue
		}
		must(t, l.Close())
		return l.Addr().String()
	}
	t.Fatal("no port is free")
	return ""
}

func newCluster(t testing.TB, n int) *cluster {
	t.Helper()
	c := &cluster{t: t, nodes: make([]*running, n)}
	authority, err := transport.NewAuthority("test", time.Hour)
	must(t, err)
	addresses := make([]string, n)
	for i := range addresses {
		addresses[i] = freeAddress(t)
		c.folders = append(c.folders, newFolder(t))
	}
	var validators []chain.GenesisValidator
	for i, f := range c.folders {
		header, root := signer(t, keys.Ed25519, byte(10+i)), signer(t, keys.MLDSA65, byte(30+i))
		must(t, os.Remove(f.cfg.Path(f.cfg.Keys.Validator)))
		must(t, os.Remove(f.cfg.Path(f.cfg.Keys.Root)))
		must(t, keys.WriteFile(f.cfg.Path(f.cfg.Keys.Validator), header, nil))
		must(t, keys.WriteFile(f.cfg.Path(f.cfg.Keys.Root), root, nil))
		validators = append(validators, chain.GenesisValidator{Name: fmt.Sprintf("v%d", i), Ed25519: header.Public().Bytes()[1:], MLDSA65: root.Public().Bytes()[1:]})
		v := &f.cfg.Validators
		v.Listen, v.Addresses = addresses[i], addresses
		cert, err := authority.Issue(testChain, chain.ValidatorNo(i), time.Hour)
		must(t, err)
		must(t, transport.WriteCertificate(f.cfg.Path(v.Cert), f.cfg.Path(v.Key), cert))
		must(t, transport.WriteAuthority(f.cfg.Path(v.CA), authority))
		f.cfg.Order.Engine, f.cfg.Index.Enabled = config.EngineRaft, i == 0
	}
	for _, f := range c.folders {
		f.genesis.Validators = validators
		f.writeGenesis()
	}
	return c
}

// start starts nodes together: each may need the others before it serves.
func (c *cluster) start(which ...int) {
	c.t.Helper()
	for _, i := range which {
		r := c.folders[i].open()
		c.nodes[i] = r
		if c.opened != nil {
			c.opened(i)
		}
		ctx, cancel := context.WithCancel(context.Background())
		r.stop = cancel
		go func() {
			defer close(r.ended)
			r.ended <- r.Run(ctx)
		}()
		c.t.Cleanup(func() {
			r.stop()
			<-r.ended
			_ = r.Close()
		})
	}
	for _, i := range which {
		select {
		case <-c.nodes[i].Ready():
		case err := <-c.nodes[i].ended:
			c.t.Fatalf("node %d ended before it served: %v\n%s", i, err, c.nodes[i].log)
		case <-time.After(20 * time.Second):
			c.t.Fatalf("node %d does not serve:\n%s", i, c.nodes[i].log)
		}
	}
}

func (c *cluster) halt(i int) {
	c.t.Helper()
	c.nodes[i].halt()
	c.nodes[i] = nil
}

// pay makes n payments at one node.
func (c *cluster) pay(i, n int) {
	c.t.Helper()
	f := c.folders[i]
	f.nonce = c.nonces
	tickets := c.nodes[i].submit(n)
	c.nonces = f.nonce
	for _, t := range tickets {
		must(c.t, t.Refused())
		select {
		case <-t.Done():
		case <-time.After(20 * time.Second):
			c.t.Fatalf("node %d: a payment has no receipt\n%s", i, c.logs())
		}
		_, _, err := t.Receipt()
		must(c.t, err)
	}
}

func (c *cluster) logs() string {
	var text string
	for i, n := range c.nodes {
		if n != nil {
			text += fmt.Sprintf("node %d, executed %d, published %d:\n%s\n", i, n.loop.ExecutedHeight(), n.loop.Height(), n.log)
		}
	}
	return text
}

// agree waits until all running nodes published a height, and compares their headers up to there.
func (c *cluster) agree() {
	c.t.Helper()
	var height chain.Height
	for _, n := range c.nodes {
		if n != nil {
			height = max(height, n.loop.Height())
		}
	}
	var first *running
	for i, n := range c.nodes {
		if n == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		err := n.loop.Wait(ctx, height)
		cancel()
		if err != nil {
			c.t.Fatalf("node %d does not reach height %d: %v\n%s", i, height, err, c.logs())
		}
		if first == nil {
			first = n
			continue
		}
		for h := chain.Height(1); h <= height; h++ {
			a, err := store.ReadHeader(first.store, h)
			must(c.t, err)
			b, err := store.ReadHeader(n.store, h)
			must(c.t, err)
			if !bytes.Equal(a, b) {
				c.t.Fatalf("height %d differs", h)
			}
		}
	}
}

func TestCluster(t *testing.T) {
	c := newCluster(t, 4)
	c.start(0, 1, 2, 3)
	for i := range c.nodes {
		c.pay(i, 50)
	}
	c.agree()
	c.halt(2)
	for range 5 {
		c.pay(0, 20)
		c.pay(3, 20)
	}
	c.start(2)
	c.agree()
	c.pay(2, 20)
	c.agree()
	for i, n := range c.nodes {
		if got := n.paid(); got != c.nonces {
			t.Errorf("node %d: %d payments, made were %d", i, got, c.nonces)
		}
	}
	for i := range c.nodes {
		c.halt(i)
	}
	c.start(0, 1, 2, 3)
	c.pay(1, 20)
	c.agree()
}

// TestDivergedNodeHaltsAlone changes the state of one validator behind its back. It halts when the others certify what it did
// not compute, says so, and still answers readers; the others go on.
func TestDivergedNodeHaltsAlone(t *testing.T) {
	c := newCluster(t, 4)
	c.start(0, 1, 2, 3)
	c.pay(0, 5)
	c.agree()
	odd := c.nodes[3]
	stolen := chain.Tx{Chain: testChain, Sender: payer, Key: payerKey, Nonce: c.nonces + 1, ValidUntil: 90_000,
		Body: &chain.Transfer{To: payee, Asset: 1, Amount: chain.Units(1)}}
	_, err := odd.loop.View(context.Background(), func(l *ledger.Ledger) { l.RunTx(&stolen, codec.TxID(&stolen)) })
	must(t, err)
	c.pay(0, 5)
	for deadline := time.Now().Add(20 * time.Second); !odd.services.status().Halted; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the odd one goes on:\n%s", odd.log)
		}
	}
	select {
	case err := <-odd.ended:
		t.Fatalf("the odd one ended: %v", err)
	default:
	}
	if st := odd.services.status(); st.State != query.StateHalted || st.HaltedReason == "" {
		t.Errorf("%+v", st)
	}
	if _, err := odd.history.Block(1); err != nil {
		t.Errorf("it does not answer readers: %v", err)
	}
	for i := range 3 {
		c.pay(i, 5)
	}
	odd.stop()
	if err := <-odd.ended; !fault.Is(err, fault.Halted) {
		t.Errorf("it ended with %v", err)
	}
	must(t, odd.Close())
	must(t, odd.store.Close()) // which a halted node leaves open
	c.nodes[3] = nil
	c.agree()
}
