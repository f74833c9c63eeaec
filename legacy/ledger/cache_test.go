// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// TestRowCache writes, removes and reads at random, many more rows than the cache holds: what it says is what was written last.
func TestRowCache(t *testing.T) {
	for _, most := range []int{0, 1, 7} {
		random := rand.New(rand.NewPCG(uint64(most), 1))
		c, is := newRowCache(most), map[place][]byte{}
		hits := 0
		for i := range 20_000 {
			at := place{[]store.Family{store.Accounts, store.Meta}[random.IntN(2)], fmt.Sprint(random.IntN(20))}
			switch random.IntN(4) {
			case 0:
				is[at] = fmt.Append(nil, i)
				c.wrote([]row{{at, is[at]}})
			case 1:
				delete(is, at)
				c.wrote([]row{{at, nil}})
			default:
				value, known := c.get(at)
				if known && string(value) != string(is[at]) {
					t.Fatalf("%d: %v is %q, and the cache has %q", i, at, is[at], value)
				}
				if known {
					hits++
				} else if is[at] != nil {
					c.put(at, is[at])
				}
			}
			if len(c.newer) > most || len(c.older) > most {
				t.Fatalf("%d and %d rows, at most %d", len(c.newer), len(c.older), most)
			}
		}
		if (hits > 0) != (most > 0) {
			t.Errorf("%d hits of a cache of %d", hits, most)
		}
	}
}

// TestRoundMin: rounds keep their distance, and what comes meanwhile shares one.
func TestRoundMin(t *testing.T) {
	const least = 500 * time.Millisecond
	f := start(t, Config{RoundMin: least})
	results := make(chan Result)
	pay := func() {
		got, err := f.Submit(t.Context(), []Order{{Kind: Transfer, From: Treasury, To: "b", Asset: v10.DefaultAsset, Units: chain.Units(1)}})
		if err != nil {
			t.Error(err)
			got = make([]Result, 1)
		}
		results <- got[0]
	}
	began := time.Now()
	go pay()
	if first := <-results; first.ID.Height != 1 {
		t.Errorf("the first payment is %s", first.ID)
	}
	const together = 5
	for range together {
		go pay()
	}
	for range together {
		if r := <-results; r.ID.Height != 2 || time.Since(began) < least {
			t.Errorf("%s after %s", r.ID, time.Since(began))
		}
	}
}
