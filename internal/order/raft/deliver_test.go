// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// TestDelivery puts proposals to a reader that sometimes waits for them and sometimes lets them wait: it gets all of them
// in order, each is reported as taken by put or by deliver, and none before it was taken.
func TestDelivery(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			const total, from = 300, 7
			r, slow := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, 1))
			pause := func() { <-time.After(time.Duration(r.IntN(3)) * time.Millisecond) }
			e := &Engine{reader: newReader(from), box: newMailbox(1, 1)}
			ctx, cancel := context.WithCancel(t.Context())
			end := make(chan error, 1)
			go func() { end <- e.deliver(ctx) }()
			read := make(chan chain.Height)
			go func() {
				for h := range chain.Height(total) {
					if h+1 > from {
						if slow.IntN(4) == 0 {
							<-time.After(time.Millisecond)
						}
						p := <-e.Decided()
						if p.Height != h+1 {
							t.Errorf("height %d was read instead of %d", p.Height, h+1)
						}
					}
				}
				close(read)
			}()
			var taken, next chain.Height
			for next < total || taken < total {
				var list []*chain.Proposal
				for range min(r.IntN(20), int(total-next)) {
					next++
					list = append(list, &chain.Proposal{Height: next})
				}
				taken = max(taken, e.reader.put(list))
				pause()
				for _, in := range e.box.take() {
					d := in.(Delivered)
					if d.Height > next {
						t.Errorf("height %d was delivered, %d came so far", d.Height, next)
					}
					taken = max(taken, d.Height) // as the core does: what put said may come first
				}
			}
			<-read
			cancel()
			if err := <-end; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDeliverySkips gives a reader nothing that its checkpoint covers, also where that came while proposals waited.
func TestDeliverySkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &Engine{reader: newReader(2), box: newMailbox(1, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		end := make(chan error, 1)
		go func() { end <- e.deliver(ctx) }()
		if taken := e.reader.put([]*chain.Proposal{{Height: 1}, {Height: 2}, {Height: 3}, {Height: 4}, {Height: 5}}); taken != 2 {
			t.Errorf("nobody reads, and %d were taken", taken)
		}
		synctest.Wait()
		e.reader.skipTo(4)
		for _, want := range []chain.Height{3, 5} { // 3 was on its way already
			if p := <-e.Decided(); p.Height != want {
				t.Errorf("height %d instead of %d", p.Height, want)
			}
		}
		cancel()
		if err := <-end; err != nil {
			t.Error(err)
		}
	})
}
