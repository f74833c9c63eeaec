// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/query"
)

// balancesOfGold is the section that holds what accounts have of asset 1.
const balancesOfGold = 0x10001

// diverges pays at node 0 until node 3, whose state was changed, halts and has said why.
func (c *cluster) diverges() query.Divergence {
	t, odd := c.t, c.nodes[3]
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); ; <-time.After(20 * time.Millisecond) {
		if d := odd.services.status().Divergence; d != nil && !strings.Contains(d.Unknown, "are being asked") {
			return *d
		}
		if time.Now().After(deadline) {
			t.Fatalf("node 3 does not say where it differs:\n%s", odd.log)
		}
	}
}

// stays wants the report of a node to be in its file, and to outlive it.
func (c *cluster) stays(want query.Divergence) {
	t, odd := c.t, c.nodes[3]
	t.Helper()
	if log := odd.log.String(); !strings.Contains(log, want.String()) {
		t.Errorf("the log does not say %q:\n%s", want.String(), log)
	}
	text, err := os.ReadFile(odd.cfg.Data(DivergenceFile))
	must(t, err)
	var filed query.Divergence
	must(t, json.Unmarshal(text, &filed))
	if filed.String() != want.String() || !slices.Equal(filed.Fields, want.Fields) || !slices.Equal(filed.Pages, want.Pages) {
		t.Errorf("the file says\n%s, the status %+v", text, want)
	}
	odd.stop()
	<-odd.ended
	must(t, odd.Close())
	must(t, odd.store.Close()) // which a halted node leaves open
	c.nodes[3] = nil
	again := c.folders[3].open()
	if d := again.services.status().Divergence; d == nil || d.String() != want.String() {
		t.Errorf("after a restart it says %+v", d)
	}
	must(t, again.Close())
}

// TestDivergedNodeNamesThePage changes one byte in the memory of a validator: a balance that nobody has.
func TestDivergedNodeNamesThePage(t *testing.T) {
	c := newCluster(t, 4)
	c.start(0, 1, 2, 3)
	c.pay(0, 5)
	c.agree()
	odd := c.nodes[3]
	_, err := odd.loop.View(context.Background(), func(*ledger.Ledger) {
		sn := odd.state.Space.Snapshot()
		defer sn.Release()
		v, _ := sn.Section(balancesOfGold)
		page, _ := v.Page(0)
		page.Bytes()[16*1000] ^= 1
	})
	must(t, err)
	c.pay(0, 5) // writes that page, so that it is hashed again
	d := c.diverges()
	want := query.PageDifference{Section: balancesOfGold, Name: "balances of asset 1", Pages: 1, Record: "account", LastRecord: 1023}
	if d.Unknown != "" || len(d.Pages) != 1 || d.Pages[0] != want {
		t.Errorf("%+v", d)
	}
	if len(d.Fields) != 1 || d.Fields[0].Field != "state root" || d.StateHeight+chain.RootDelay != d.Height {
		t.Errorf("%+v", d)
	}
	for i := range 3 {
		c.pay(i, 5)
	}
	c.stays(d)
}

// TestDivergedNodeNamesTheOutcome has a validator that executed a payment which nobody ordered: the next one has another
// outcome there, before a state is hashed.
func TestDivergedNodeNamesTheOutcome(t *testing.T) {
	c := newCluster(t, 4)
	c.start(0, 1, 2, 3)
	c.pay(0, 5)
	c.agree()
	odd := c.nodes[3]
	stolen := chain.Tx{Chain: testChain, Sender: payer, Key: payerKey, Nonce: c.nonces + 1, ValidUntil: 90_000,
		Body: &chain.Transfer{To: payee, Asset: 1, Amount: chain.Units(1)}}
	_, err := odd.loop.View(context.Background(), func(l *ledger.Ledger) { l.RunTx(&stolen, codec.TxID(&stolen)) })
	must(t, err)
	c.pay(0, 1)
	d := c.diverges()
	if len(d.Fields) == 0 || d.Fields[0].Field != "outcomes of batch 0" && d.Fields[0].Field != "state root" {
		t.Errorf("%+v", d)
	}
	if soon := strings.Contains(d.Unknown, "the writer halted before a state"); (d.StateHeight == 0) != soon || (d.Unknown != "") != soon {
		t.Errorf("the states were not compared: %+v", d)
	}
	c.stays(d)
}

// TestHeaderDifferences changes each field of a header.
func TestHeaderDifferences(t *testing.T) {
	own := func() *chain.ExecutedHeader {
		return &chain.ExecutedHeader{Chain: 1, Epoch: 1, Height: 9, Batches: []chain.BatchResult{{Legs: 1}, {Legs: 2}}, RootAt: 1}
	}
	if list := headerDifferences(own(), own()); list != nil {
		t.Errorf("equal headers: %+v", list)
	}
	x := chain.Hash{1}
	for field, change := range map[string]func(h *chain.ExecutedHeader){
		"chain":                    func(h *chain.ExecutedHeader) { h.Chain++ },
		"epoch":                    func(h *chain.ExecutedHeader) { h.Epoch++ },
		"previous header":          func(h *chain.ExecutedHeader) { h.Previous = x },
		"proposal":                 func(h *chain.ExecutedHeader) { h.Proposal, h.StateRoot = x, x },
		"time":                     func(h *chain.ExecutedHeader) { h.TimeUs++ },
		"number of batches":        func(h *chain.ExecutedHeader) { h.Batches = h.Batches[:1] },
		"entry of batch 1":         func(h *chain.ExecutedHeader) { h.Batches[1].Entry = x },
		"id of batch 0":            func(h *chain.ExecutedHeader) { h.Batches[0].Batch = x },
		"transfers of batch 1":     func(h *chain.ExecutedHeader) { h.Batches[1].Legs++ },
		"outcomes of batch 1":      func(h *chain.ExecutedHeader) { h.Batches[1].Outcomes = x },
		"EVM root":                 func(h *chain.ExecutedHeader) { h.EVMRoot = x },
		"height of the state root": func(h *chain.ExecutedHeader) { h.RootAt++ },
		"state root":               func(h *chain.ExecutedHeader) { h.StateRoot = x },
		"next membership":          func(h *chain.ExecutedHeader) { h.Next = x },
	} {
		certified := own()
		change(certified)
		if list := headerDifferences(own(), certified); len(list) == 0 || list[0].Field != field || list[0].Own == list[0].Certified {
			t.Errorf("%s: %+v", field, list)
		}
	}
	other := own()
	other.Batches = make([]chain.BatchResult, 40)
	many := own()
	for i := range other.Batches {
		other.Batches[i].Legs = uint32(i) + 9
	}
	many.Batches = make([]chain.BatchResult, 40)
	if list := headerDifferences(many, other); len(list) != fieldsMax {
		t.Errorf("%d fields are named", len(list))
	}
}
