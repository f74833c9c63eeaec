// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen/rawhttp"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Paths of the dialect that both ledgers serve.
const (
	payPath      = "/api/v10/transactions"
	batchPath    = "/api/v10/transactions/batch"
	accountsPath = "/api/v10/accounts/"
)

// Bounds of a door.
const (
	connectionsMax = 1024
	answerMax      = 20 * time.Second
)

// door is where clients of a ledger pay and read: one address of V10's, those of all validators of V11's, which are taken in turn.
type door struct {
	addresses []string
	pools     []*rawhttp.Pool
	accounts  *accounts
}

func newDoor(a *accounts, addresses ...string) *door {
	d := &door{addresses: addresses, accounts: a}
	for _, address := range addresses {
		d.pools = append(d.pools, rawhttp.NewPool(address, connectionsMax))
	}
	return d
}

func (d *door) close() {
	for _, p := range d.pools {
		p.Close()
	}
}

// unitsText is an amount as clients write it.
func unitsText(units uint64) string { return chain.Units(units).Decimal(v10.DefaultScale) }

func (d *door) appendPayment(dst []byte, p Payment) []byte {
	dst = append(append(dst, `{"from":"`...), d.accounts.names[p.From]...)
	dst = append(append(dst, `","to":"`...), d.accounts.names[p.To]...)
	dst = append(append(dst, `","amount":`...), unitsText(uint64(p.Units))...)
	return append(dst, '}')
}

// pay makes one payment, at address i in turn.
func (d *door) pay(i int, p Payment) (id v10.TxID, err error) {
	n := i % len(d.pools)
	request := rawhttp.AppendPost(make([]byte, 0, 384), d.addresses[n], payPath, d.appendPayment(make([]byte, 0, 128), p))
	failed := d.pools[n].Do(time.Now().Add(answerMax), request, func(r *rawhttp.Response) {
		var a v10.BatchResult // an answer to one has these members too
		if err = statusOf(r); err == nil {
			err = json.Unmarshal(r.Body, &a)
		}
		if err == nil {
			id, err = v10.ParseTxID(a.TransactionID)
		}
	})
	if failed != nil {
		return id, failed
	}
	return id, err
}

// payMany makes payments in one request, and calls each for those that were answered as made. The rest is the error.
func (d *door) payMany(i int, all []Payment, each func(v10.TxID, Payment)) (err error) {
	n := i % len(d.pools)
	body := append(make([]byte, 0, 96*len(all)), `{"transactions":[`...)
	for k, p := range all {
		if k > 0 {
			body = append(body, ',')
		}
		body = d.appendPayment(body, p)
	}
	request := rawhttp.AppendPost(make([]byte, 0, len(body)+256), d.addresses[n], batchPath, append(body, "]}"...))
	failed := d.pools[n].Do(time.Now().Add(answerMax), request, func(r *rawhttp.Response) {
		var a v10.BatchAnswer
		if err = statusOf(r); err == nil {
			err = json.Unmarshal(r.Body, &a)
		}
		if err == nil {
			err = paidOf(&a, all, each)
		}
	})
	if failed != nil {
		return failed
	}
	return err
}

func paidOf(a *v10.BatchAnswer, all []Payment, each func(v10.TxID, Payment)) (err error) {
	if len(a.Results) != len(all) {
		return fault.New(fault.Corrupt, "the answer to a batch of %d has %d results", len(all), len(a.Results))
	}
	for k, r := range a.Results {
		if r.Status != v10.StatusSubmitted {
			err = fault.Reasoned(fault.Refused, "item_"+r.Status, "a payment of a batch was %s: %s", r.Status, r.Error)
			continue
		}
		id, bad := v10.ParseTxID(r.TransactionID)
		if bad != nil {
			return bad
		}
		each(id, all[k])
	}
	return err
}

func statusOf(r *rawhttp.Response) error {
	if r.OK() {
		return nil
	}
	return fault.Reasoned(fault.Refused, "http_"+strconv.Itoa(r.Status), "the answer was %d: %.200s", r.Status, r.Body)
}

// balance is what an account holds, in smallest units, as address i says; 0 if it does not know the account.
func (d *door) balance(i int, account uint32) (units uint64, err error) {
	n := i % len(d.pools)
	request := rawhttp.AppendGet(make([]byte, 0, 160), d.addresses[n], accountsPath+d.accounts.names[account]+"/balances")
	failed := d.pools[n].Do(time.Now().Add(answerMax), request, func(r *rawhttp.Response) {
		if r.Status == http.StatusNotFound {
			return
		}
		if err = statusOf(r); err == nil {
			units, err = balanceIn(r.Body)
		}
	})
	if failed != nil {
		return 0, failed
	}
	return units, err
}

// balanceIn reads the balance of the bench's asset out of an answer; 0 if it is not there.
func balanceIn(body []byte) (uint64, error) {
	_, rest, found := bytes.Cut(body, []byte(`"asset":"`+v10.DefaultAsset+`","amount":`))
	if !found {
		return 0, nil
	}
	end := bytes.IndexAny(rest, ",}")
	if end < 0 {
		return 0, fault.New(fault.Corrupt, "balances end within an amount: %.200s", body)
	}
	a, err := chain.ParseAmount(string(rest[:end]), v10.DefaultScale)
	if err != nil || a.Hi > 0 {
		return 0, fault.New(fault.Corrupt, "balances have the amount %.40q: %v", rest[:end], err)
	}
	return a.Lo, nil
}
