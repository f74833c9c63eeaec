// SPDX-License-Identifier: Apache-2.0

package subscribe

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFollowersSeeEveryHeightInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		h := NewHub(3)
		stall := make(chan struct{})
		var old, fresh, stalled []chain.Height
		ended := make(chan error, 3)
		follow := func(from chain.Height, to *[]chain.Height, gate chan struct{}) {
			ended <- h.Follow(ctx, from, func(at chain.Height) error {
				if gate != nil {
					<-gate
				}
				*to = append(*to, at)
				return nil
			})
		}
		go follow(2, &old, nil)
		go follow(0, &fresh, nil)
		go follow(1, &stalled, stall)
		synctest.Wait()
		h.Publish(4)
		h.Publish(4)
		h.Publish(2)
		synctest.Wait()
		h.Publish(7)
		synctest.Wait()
		if len(old) != 6 || old[0] != 2 || old[5] != 7 {
			t.Errorf("from 2: %v", old)
		}
		if len(fresh) != 4 || fresh[0] != 4 || fresh[3] != 7 {
			t.Errorf("from the next: %v", fresh)
		}
		if len(stalled) != 0 || h.Height() != 7 {
			t.Errorf("the stalled one saw %v, the hub is at %d", stalled, h.Height())
		}
		close(stall)
		synctest.Wait()
		if len(stalled) != 7 {
			t.Errorf("the stalled one went on with %v", stalled)
		}
		cancel()
		for range 3 {
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("ended with %v", err)
			}
		}
		if h.followers != 0 {
			t.Errorf("%d followers are left", h.followers)
		}
	})
}

func TestFollowReturnsTheErrorOfEach(t *testing.T) {
	boom := errors.New("boom")
	h := NewHub(1)
	if err := h.Follow(t.Context(), 1, func(chain.Height) error { return boom }); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	h.followers = FollowersMax
	if err := h.Follow(t.Context(), 1, func(chain.Height) error { return boom }); !fault.Is(err, fault.TryLater) {
		t.Fatal(err)
	}
}
