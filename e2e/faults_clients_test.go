// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/e2e/history"
	"github.com/aurigraph/aurigraph/internal/chain"
)

// Bounds of the clients.
const (
	callMax     = 2 * time.Second        // a call, after which its outcome is unknown
	answerMax   = 60 * time.Second       // a transfer's first sending to its answer, faults included
	pace        = 20 * time.Millisecond  // between two operations of a client
	askAgain    = 100 * time.Millisecond // before the same bytes are sent again
	readsInTen  = 3
	openingUnit = 100_000_000_000_000 // of each account at genesis: a million with 8 decimals
)

// account is one of the network's, with the key that debits it.
type account struct {
	signer client.Signer
	no     client.AccountNo
	key    client.KeyNo
	asset  client.AssetNo
}

// clients pay between the accounts and read their balances at random validators, one thing after the other each, and record
// what they are told.
type clients struct {
	t        *testing.T
	fleet    *fleet
	conns    []*client.Client // by validator
	accounts []account
	history  *history.History
	until    client.Height // that signatures are valid

	quit  chan struct{}
	ended sync.Once
	work  sync.WaitGroup

	mu      sync.Mutex     // guards what follows
	refused [][32]byte     // transfers that a validator said were not accepted
	reasons map[string]int // why
	doubt   int            // transfers whose outcome was unknown for a while
	failed  int            // reads that were not answered
}

// newClients sets up one client for each account. They begin with begin.
func newClients(f *fleet) *clients {
	f.t.Helper()
	c := &clients{t: f.t, fleet: f, quit: make(chan struct{}), reasons: map[string]int{}}
	for i := range fleetSize {
		c.conns = append(c.conns, f.dial(i))
	}
	var opening []uint64
	for _, text := range f.network.Accounts {
		a, units := c.open(text)
		c.accounts, opening = append(c.accounts, a), append(opening, units)
	}
	c.history = history.New(opening)
	return c
}

// open finds an account and its balance.
func (c *clients) open(address string) (a account, units uint64) {
	c.t.Helper()
	var err error
	if a.signer, err = client.ReadKeyFile(c.fleet.network.Path(c.fleet.network.Keys[address]), nil); err != nil {
		c.t.Fatal(err)
	}
	found, err := c.conns[0].Account(c.t.Context(), client.AccountName{Address: a.signer.Public().Address()}, 0, false)
	if err != nil || len(found.Holdings) != 1 || found.Nonce != 0 {
		c.t.Fatalf("account %s: %+v, %v", address, found, err)
	}
	a.no, a.key, a.asset = found.Number, found.Key, found.Holdings[0].Asset
	c.until = found.Height + chain.ValidityBlocksMax - 1000
	return a, c.units(found)
}

// units is the one balance of an account.
func (c *clients) units(a *client.Account) uint64 {
	n, err := strconv.ParseUint(a.Holdings[0].Amount.String(), 10, 64)
	if err != nil {
		c.t.Error(err)
	}
	return n
}

func (c *clients) begin() {
	c.t.Cleanup(c.stop) // of a test that failed: what is not there any more is told nothing
	for i := range c.accounts {
		c.work.Go(func() { c.run(i) })
	}
}

// run is one client's life.
func (c *clients) run(me int) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for nonce := uint64(1); ; nonce++ {
		select {
		case <-c.quit:
			return
		case <-tick.C:
		}
		if rand.IntN(10) < readsInTen {
			c.read(me)
		} else if !c.pay(me, nonce) {
			return
		}
	}
}

// read reads a balance at some validator. One that does not answer told nothing.
func (c *clients) read(me int) {
	r := &history.Read{Client: me, Node: rand.IntN(fleetSize), Account: rand.IntN(len(c.accounts))}
	r.Sent = c.history.Now()
	a, err := c.conns[r.Node].Account(context.Background(), client.AccountName{Number: c.accounts[r.Account].no}, c.accounts[r.Account].asset, false)
	r.Answered = c.history.Now()
	if err != nil {
		c.mu.Lock()
		c.failed++
		c.mu.Unlock()
		return
	}
	if len(a.Holdings) == 1 {
		r.Units = c.units(a)
	}
	r.Height = uint64(a.Height)
	c.history.Look(r)
}

// pay makes one transfer, at one validator after another until one knows its outcome. It reports false if none did.
func (c *clients) pay(me int, nonce uint64) bool {
	x := &history.Transfer{Client: me, From: me, To: (me + 1 + rand.IntN(len(c.accounts)-1)) % len(c.accounts), Units: 1 + rand.Uint64N(openingUnit)}
	payer := c.accounts[me]
	signed, err := client.SignTx(payer.signer, client.Tx{
		Chain: c.fleet.network.Chain, Sender: payer.no, Key: payer.key, Nonce: nonce, ValidUntil: c.until,
		Body: &client.Transfer{To: c.accounts[x.To].no, Asset: payer.asset, Amount: client.Units(x.Units)},
	})
	if err == nil {
		x.ID, err = client.TxID(signed)
	}
	if err != nil {
		c.t.Error(err)
		return false
	}
	x.Sent = c.history.Now()
	for doubtful := false; c.history.Now() < x.Sent+answerMax; {
		x.Node = rand.IntN(fleetSize)
		receipt, err := c.conns[x.Node].SubmitTx(context.Background(), signed)
		x.Answered = c.history.Now()
		switch unknown := (*client.UnknownOutcomeError)(nil); {
		case err == nil:
			return c.answered(x, receipt)
		case errors.As(err, &unknown):
			doubtful = c.doubted(doubtful)
		case !passes(err):
			c.t.Errorf("node %d refused a good transfer: %v", x.Node, err)
			return false
		case !doubtful:
			c.refuse(x.ID, err)
			return true
		}
		<-time.After(askAgain)
	}
	c.t.Errorf("nobody knows the outcome of transfer %x after %s", x.ID, answerMax)
	return false
}

func (c *clients) refuse(id [32]byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = append(c.refused, id)
	reason := client.ReasonOf(err)
	if reason == "" {
		reason = client.KindOf(err).String()
	}
	c.reasons[reason]++
}

func (c *clients) doubted(already bool) bool {
	if !already {
		c.mu.Lock()
		c.doubt++
		c.mu.Unlock()
	}
	return true
}

// passes reports whether an error is about the validator's state and not about the transfer.
func passes(err error) bool {
	switch client.KindOf(err) {
	case client.TryLater, client.Unavailable, client.Timeout, client.Halted:
		return true
	}
	return false
}

// answered records an outcome.
func (c *clients) answered(x *history.Transfer, receipt *client.Transaction) bool {
	x.Place, x.Paid = placeOf(receipt), receipt.Outcome == chain.OK
	if !receipt.Verified || receipt.ID != x.ID || !x.Paid && receipt.Outcome != chain.InsufficientFunds {
		c.t.Errorf("%s: %s, verified %t, of %x", x, receipt.Outcome, receipt.Verified, receipt.ID)
		return false
	}
	c.history.Pay(x)
	return true
}

func placeOf(t *client.Transaction) history.Place {
	return history.Place{Height: uint64(t.Height), Batch: t.BatchIndex, Item: t.Item}
}

// progress waits until n more transfers are answered.
func (c *clients) progress(n int, within time.Duration) {
	c.t.Helper()
	from, _ := c.history.Len()
	for deadline := time.Now().Add(within); ; <-time.After(lookAgain) {
		now, _ := c.history.Len()
		if now >= from+n {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%d of %d transfers were answered within %s: %s", now-from, n, within, describe(c.fleet.statuses()))
		}
	}
}

// answersOf waits until one validator answers a transfer.
func (c *clients) answersOf(node int, within time.Duration) {
	c.t.Helper()
	since := c.history.Now()
	for deadline := time.Now().Add(within); ; <-time.After(lookAgain) {
		all := c.history.Transfers()
		if slices.ContainsFunc(all, func(x *history.Transfer) bool { return x.Node == node && x.Answered > since }) {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("node%d answers no transfer within %s: %s", node, within, describe(c.fleet.statuses()))
		}
	}
}

// stop lets each client end what it does: every transfer gets its outcome.
func (c *clients) stop() {
	c.ended.Do(func() { close(c.quit) })
	c.work.Wait()
}

// prove checks what the clients were told, and asks other validators for all of it again. It returns how many were paid.
func (c *clients) prove() (paid int) {
	c.t.Helper()
	all := c.history.Transfers()
	reads := 0
	for i, x := range all {
		at := (x.Node + 1 + i%(fleetSize-1)) % fleetSize
		again, err := c.conns[at].Transaction(c.t.Context(), x.ID, true)
		if err != nil || !again.Verified || placeOf(again) != x.Place || (again.Outcome == chain.OK) != x.Paid {
			c.t.Errorf("%s\nnode %d says of it: %+v, %v", x, at, again, err)
		}
		if x.Paid {
			paid++
		}
	}
	for i, id := range c.refused {
		if found, err := c.conns[i%fleetSize].Transaction(c.t.Context(), id, false); client.KindOf(err) != client.NotFound {
			c.t.Errorf("transfer %x was refused, and yet executed: %+v, %v", id, found, err)
		}
	}
	if err := c.history.Check(); err != nil {
		c.t.Error(err)
	}
	_, reads = c.history.Len()
	c.t.Logf("%d transfers answered (%d paid, %d in doubt for a while, %d refused: %v), %d reads (%d failed)",
		len(all), paid, c.doubt, len(c.refused), c.reasons, reads, c.failed)
	if paid == 0 || paid == len(all) || reads == 0 {
		c.t.Error("the clients did not try each sort of operation")
	}
	return paid
}
