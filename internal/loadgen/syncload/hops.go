// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Topics is how what is on the way between the ledgers is read. It is for where latency goes, and proves nothing.
type Topics struct {
	Bus     bus.Config
	Sources [sides]envelope.Source
}

// hops reads the topics of both directions while they are written, and notes when payments come.
type hops struct {
	arrived [sides]map[arrival]time.Duration
	cancel  func()
	all     *errgroup.Group
}

// topicRecords is how many are taken of a reader at once.
const topicRecords = 4096

// follow begins to read the topics behind where both ledgers stand.
func (r *run) follow(ctx context.Context) (*hops, error) {
	h := &hops{cancel: func() {}, all: &errgroup.Group{}}
	if r.target.Topics == nil {
		return h, nil
	}
	head, err := r.port.head(ctx)
	if err != nil {
		return nil, err
	}
	ctx, h.cancel = context.WithCancel(ctx)
	for s, major := range [sides]uint64{head.sequence, uint64(r.height())} {
		reader, err := bus.OpenReader(ctx, bus.ReaderConfig{Config: r.target.Topics.Bus, Start: envelope.Start{
			Source: r.target.Topics.Sources[s], Position: envelope.EndOf(major),
		}})
		if err != nil {
			h.cancel()
			return nil, err
		}
		side := Side(s)
		h.arrived[side] = map[arrival]time.Duration{}
		h.all.Go(func() error {
			defer reader.Close()
			return h.read(ctx, side, reader, r.since)
		})
	}
	return h, nil
}

func (h *hops) read(ctx context.Context, side Side, reader *bus.Reader, since func() time.Duration) error {
	for {
		records, err := reader.Next(ctx, topicRecords)
		if ctx.Err() != nil || fault.Is(err, fault.Timeout) {
			return nil
		}
		if err != nil {
			return err
		}
		at := since()
		for _, record := range records {
			if pay, is := record.Change.(*envelope.Transfer); is {
				h.arrived[side][arrival{side, pay.ID}] = at
			}
		}
	}
}

// stop ends it; what it noted is whole then.
func (h *hops) stop() error {
	h.cancel()
	return h.all.Wait()
}
