// SPDX-License-Identifier: Apache-2.0

package orderbench

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// digestOf is the digest of that number: it stands for a batch that need not exist.
func digestOf(number uint64) (d chain.Hash) {
	binary.BigEndian.PutUint64(d[:], number)
	return d
}

func numberOf(d chain.Hash) uint64 { return binary.BigEndian.Uint64(d[:]) }

// meter counts what a member decides, and on the member that offers takes the times.
type meter struct {
	room chan struct{} // a token for each digest on its way

	mu      sync.Mutex // guards what follows
	height  chain.Height
	history chain.Hash // each proposal is hashed behind the hash of those before
	rounds  uint64
	digests uint64
	buffer  []byte
	since   []time.Time // when digests were offered or due, by number modulo the length
	offered uint64      // numbers below were offered here
	next    uint64      // oldest number that is undecided here
	times   histogram
}

func newMeter(onTheirWay int) *meter {
	return &meter{room: make(chan struct{}, onTheirWay), since: make([]time.Time, onTheirWay)}
}

// offer notes that the next digest is offered, and returns it. The caller holds a token for it.
func (m *meter) offer(since time.Time) chain.Hash {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.since[m.offered%uint64(len(m.since))] = since
	m.offered++
	return digestOf(m.offered - 1)
}

// decided counts a proposal. A digest may come twice when a leader changes, and only the first time counts.
func (m *meter) decided(p *chain.Proposal, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.Height != m.height+1 {
		return fault.New(fault.Corrupt, "height %d was decided after height %d", p.Height, m.height)
	}
	m.height = p.Height
	m.buffer = codec.AppendProposal(append(m.buffer[:0], m.history[:]...), p)
	m.history = codec.Sum(m.buffer)
	m.rounds++
	m.digests += uint64(len(p.Entries))
	for _, d := range p.Entries {
		number := numberOf(d)
		if number >= m.offered || number < m.next {
			continue
		}
		if number > m.next {
			return fault.New(fault.Corrupt, "digest %d was decided before digest %d, which was offered first", number, m.next)
		}
		m.times.add(now.Sub(m.since[number%uint64(len(m.since))]))
		m.next++
		<-m.room
	}
	return nil
}

// fill writes the counts into a mark.
func (m *meter) fill(to *mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	to.Height, to.History, to.Rounds, to.Digests = m.height, m.history.String(), m.rounds, m.digests
}

// takeTimes are the times since the last call.
func (m *meter) takeTimes() Percentiles {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.times.percentiles()
	m.times = histogram{}
	return p
}

func (m *meter) undecided() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int(m.offered - m.next)
}
