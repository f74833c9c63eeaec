// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
)

// singlesPerMessage is how many single transactions travel in one message of the stream.
const singlesPerMessage = 1024

// payer is a self-owned account that signs its own transfers.
type payer struct {
	no     chain.AccountNo
	key    chain.KeyNo
	signer client.Signer
	nonce  uint64
}

// singlePipe sends messages of individually signed transfers.
type singlePipe struct {
	stream   *client.TxStream
	client   *client.Client
	messages [][][]byte
	proved   atomic.Int64
	every    int
}

func (p *singlePipe) open(ctx context.Context) (err error) {
	p.stream, err = p.client.OpenTxStream(ctx)
	return err
}

func (p *singlePipe) units() int { return len(p.messages) }

func (p *singlePipe) send(i int) error { return p.stream.Send(uint64(i), p.messages[i]) }

func (p *singlePipe) recv() (answer, error) {
	got, err := p.stream.Recv()
	if err != nil {
		return answer{}, err
	}
	a := answer{legs: len(got.Answers)}
	codes := make([]client.Outcome, 0, len(got.Answers))
	for _, t := range got.Answers {
		if t.Refused == nil {
			codes = append(codes, t.Outcome)
			continue
		}
		if a.refusals == nil {
			a.refusals = map[string]int{}
		}
		a.refusals[client.ReasonOf(t.Refused)]++
	}
	a.count(codes)
	return a, p.prove(got)
}

// prove asks for the proof of one transaction in a thousand.
func (p *singlePipe) prove(got client.TxAnswers) error {
	for _, t := range got.Answers {
		if p.every++; t.Refused != nil || p.every%1000 != 0 {
			continue
		}
		tx, err := p.client.Transaction(context.Background(), t.ID, true) //lint:context one proof, bounded by the client's timeout
		if err != nil {
			return err
		}
		if tx.Verified && tx.Outcome == t.Outcome {
			p.proved.Add(1)
		}
	}
	return nil
}

func (p *singlePipe) closeSend() error { return p.stream.CloseSend() }
func (p *singlePipe) close()           { p.stream.Close() }

// signSingles makes n messages from payers to accounts of w, on all cores. Each payer belongs to one pipe.
func signSingles(w *world, payers [][]payer, n int, validUntil chain.Height) ([][][][]byte, error) {
	out := make([][][][]byte, len(payers))
	errs := make([]error, len(payers))
	var wg sync.WaitGroup
	for i := range payers {
		wg.Go(func() { out[i], errs[i] = w.signMessages(payers[i], n, validUntil) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (w *world) signMessages(payers []payer, n int, validUntil chain.Height) ([][][]byte, error) {
	messages := make([][][]byte, n)
	turn := 0
	for i := range messages {
		messages[i] = make([][]byte, singlesPerMessage)
		for j := range messages[i] {
			p := &payers[turn%len(payers)]
			turn++
			p.nonce++
			d := draw(uint64(p.no)<<40 ^ p.nonce)
			tx := chain.Tx{
				Chain: w.chain, Sender: p.no, Key: p.key, Nonce: p.nonce, ValidUntil: validUntil,
				Body: &chain.Transfer{To: w.payee(&d, p.no), Asset: w.assetOf(0), Amount: chain.Units(1 + d.next()%97)},
			}
			var err error
			if messages[i][j], err = client.SignTx(p.signer, tx); err != nil {
				return nil, err
			}
		}
	}
	return messages, nil
}

// payee draws an account other than the payer.
func (w *world) payee(d *draw, payer chain.AccountNo) chain.AccountNo {
	_, to := w.pair(d, d.next())
	if no := chain.AccountNo(w.first + to); no != payer {
		return no
	}
	return chain.AccountNo(w.first + (to+1)%w.accounts)
}
