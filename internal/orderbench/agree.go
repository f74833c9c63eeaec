// SPDX-License-Identifier: Apache-2.0

package orderbench

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// settle waits until all members are connected and agree on a leader and its term for settleTime.
func (b *bench) settle(ctx context.Context) (leader int, err error) {
	began := time.Now()
	since, term := began, uint64(0)
	for time.Since(began) < settleMax {
		marks, err := b.marks(ctx, doLook)
		if err != nil {
			return 0, err
		}
		if !led(marks) || marks[0].Term != term {
			since, term = time.Now(), marks[0].Term
		} else if time.Since(since) >= settleTime {
			return int(marks[0].Leader), nil
		}
		if err := pause(ctx, lookEvery); err != nil {
			return 0, err
		}
	}
	return 0, fault.New(fault.Unavailable, "no leader stayed for %s within %s: run the bench on a machine that does less beside", settleTime, settleMax)
}

// led reports whether all members are connected and know one leader in one term.
func led(marks []mark) bool {
	for _, m := range marks {
		if !m.HasLeader || m.Links < len(marks)-1 || m.Leader != marks[0].Leader || m.Term != marks[0].Term {
			return false
		}
	}
	return true
}

// agree waits until all members decided as much as each other, and compares what.
func (b *bench) agree(ctx context.Context) (bool, error) {
	for began := time.Now(); ; {
		marks, err := b.marks(ctx, doLook)
		if err != nil {
			return false, err
		}
		if level(marks) {
			return sameHistory(marks), nil
		}
		if time.Since(began) > agreeMax {
			return false, fault.New(fault.Timeout, "after %s without load the members are still at different heights: %v", agreeMax, heights(marks))
		}
		if err := pause(ctx, lookEvery); err != nil {
			return false, err
		}
	}
}

func level(marks []mark) bool {
	for _, m := range marks {
		if m.Height != marks[0].Height {
			return false
		}
	}
	return true
}

func sameHistory(marks []mark) bool {
	for _, m := range marks {
		if m.History != marks[0].History {
			return false
		}
	}
	return true
}

func heights(marks []mark) (list []chain.Height) {
	for _, m := range marks {
		list = append(list, m.Height)
	}
	return list
}
