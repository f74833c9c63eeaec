// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/loadgen"
	"github.com/aurigraph/aurigraph/internal/loadgen/syncload"
	"github.com/aurigraph/aurigraph/legacy"
	"github.com/aurigraph/aurigraph/legacy/generate"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// verifiedPair is a pair that is compared, with the socket over which V10's rows are damaged.
type verifiedPair struct {
	*pair
	socket string
}

// launch makes a pair whose V10 has so many transactions before it is copied, and returns when both are in step.
func (b *verifierBench) launch(ctx context.Context, dir string, transactions uint64, damaged bool) (*verifiedPair, error) {
	o, err := pairOptions(syncload.Config{Kafka: syncload.Embedded, Store: legacy.EnginePebble})
	if err != nil {
		return nil, err
	}
	o.Nodes = b.cfg.Nodes
	n, _, err := newBenchNetwork(dir, o, loadgen.AuthBatchMLDSA)
	if err != nil {
		return nil, err
	}
	t := &verifiedPair{pair: &pair{app: b.app, network: n}}
	if damaged {
		folder, err := os.MkdirTemp("", "aurigraph-test-") // the path of a socket must be short
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "make the test socket's folder")
		}
		t.socket = filepath.Join(folder, "v10.sock")
		t.moreV10 = []string{"--test-socket", t.socket}
	}
	cfg := generate.Config{Accounts: b.cfg.accounts(transactions), Transactions: transactions, Seed: b.cfg.Seed}
	err = b.app.fillV10(ctx, n, cfg, b.bar)
	if err == nil {
		err = t.start(ctx, b.bar)
	}
	if err != nil {
		return nil, errors.Join(err, t.stop())
	}
	return t, nil
}

func (t *verifiedPair) stop() error {
	err := t.pair.stop()
	if t.socket != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Dir(t.socket)))
	}
	return err
}

// The load while damage is planted.
const (
	loadPayers   = 8 // at each door
	loadEvery    = 20 * time.Millisecond
	loadFunds    = "1000"
	loadCallMax  = 20 * time.Second
	loadBegins   = 6 * time.Second // until there are enough rows of both sides to damage
	inStepMax    = time.Minute
	keyedOneOf   = 3
	answerBytes  = 1 << 20
	paymentsPath = "/api/v10/transactions"
)

// loadReport is what was paid meanwhile.
type loadReport struct {
	V10    int64 `json:"v10"`
	V11    int64 `json:"v11"`
	Failed int64 `json:"failed"`
}

// benchLoad pays at both doors, all the time.
type benchLoad struct {
	http         *http.Client
	end          func()
	ended        sync.WaitGroup
	made, failed [2]atomic.Int64
}

// startLoad opens accounts of both sides, and returns when there is something of both to damage.
func (b *verifierBench) startLoad(ctx context.Context, t *verifiedPair) (*benchLoad, error) {
	l := &benchLoad{http: &http.Client{Timeout: loadCallMax}}
	owned := half()
	var payers [2][]string
	for i := 0; len(payers[0]) < loadPayers || len(payers[1]) < loadPayers; i++ {
		name, side := fmt.Sprintf("LOAD-%05d", i), 1
		if slot := keys.AliasSlot(name); slot >= owned.From && slot <= owned.To {
			side = 0
		}
		payers[side] = append(payers[side], name)
	}
	v10, v11 := t.network.Sync.V10URL(), "http://"+strings.TrimPrefix(t.nodes[0].Ready.REST, "http://")
	b.bar.spin("opening accounts")
	for _, name := range append(append([]string{}, payers[0]...), payers[1]...) {
		if err := l.pay(ctx, v10, ledger.Treasury, name, loadFunds, ""); err != nil {
			return nil, err
		}
	}
	for _, name := range payers[1] {
		if err := l.await(ctx, v11, name); err != nil {
			return nil, err
		}
	}
	running, end := context.WithCancel(ctx)
	l.end = end
	for side, door := range []string{v10, v11} {
		l.ended.Go(func() { l.keepPaying(running, side, door, payers) })
	}
	await(ctx, loadBegins)
	return l, ctx.Err()
}

// keepPaying pays until ctx ends.
func (l *benchLoad) keepPaying(ctx context.Context, side int, door string, payers [2][]string) {
	all := append(append([]string{}, payers[0]...), payers[1]...)
	for i := 0; ctx.Err() == nil; await(ctx, loadEvery) {
		from, key := payers[side][i%len(payers[side])], ""
		to := all[(i*7+3)%len(all)]
		if i%keyedOneOf == 0 {
			key = fmt.Sprintf("bench-%d-%d", side, i)
		}
		if i++; from == to {
			continue
		}
		err := l.pay(ctx, door, from, to, fmt.Sprintf("0.0000%04d", 1000+i%8000), key)
		switch {
		case err == nil:
			l.made[side].Add(1)
		case ctx.Err() == nil:
			l.failed[side].Add(1)
		}
	}
}

func (l *benchLoad) pay(ctx context.Context, door, from, to, amount, key string) error {
	body := fmt.Sprintf(`{"from":%q,"to":%q,"amount":%s}`, from, to, amount)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, door+paymentsPath, strings.NewReader(body))
	if err != nil {
		return fault.Wrap(fault.Internal, err, "make a payment")
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	_, err = l.ask(r)
	return err
}

func (l *benchLoad) ask(r *http.Request) ([]byte, error) {
	answer, err := l.http.Do(r)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "ask %s", r.URL.Host)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerBytes))
	if err != nil || answer.StatusCode/100 != 2 {
		return nil, fault.New(fault.Unavailable, "%s answered %s: %.200s %v", r.URL.Host, answer.Status, text, err)
	}
	return text, nil
}

// await waits until a door knows that an account has something.
func (l *benchLoad) await(ctx context.Context, door, name string) error {
	for end := time.Now().Add(inStepMax); ; await(ctx, cutPoll) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, door+"/api/v10/accounts/"+name+"/balances", nil)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "ask for a balance")
		}
		text, err := l.ask(r)
		switch {
		case err == nil && bytes.Contains(text, []byte(`"amount":`)):
			return nil
		case ctx.Err() != nil:
			return fault.Wrap(fault.Unavailable, ctx.Err(), "wait for a balance")
		case time.Now().After(end):
			return fault.New(fault.Timeout, "V11 does not know %s after %s: %v", name, inStepMax, err)
		}
	}
}

// stop ends it.
func (l *benchLoad) stop() loadReport {
	l.end()
	l.ended.Wait()
	l.http.CloseIdleConnections()
	return loadReport{V10: l.made[0].Load(), V11: l.made[1].Load(), Failed: l.failed[0].Load() + l.failed[1].Load()}
}
