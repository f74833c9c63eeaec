// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// backlogRecords is how far before a topic's end reading begins: more than a publisher can have under way, so that the chain is met.
const backlogRecords = 16_384

// ReasonTopics is that of topics that cannot be read.
const ReasonTopics = "topics_unreadable"

// TopicsConfig says which topics are checked.
type TopicsConfig struct {
	Bus bus.Config // how the brokers are reached, and the sync keys
	// V10 and V11 are the ledgers' ids; records of others are findings.
	V10, V11 envelope.LedgerID
	// All begins where the topics begin, not near their ends.
	All bool
	// Tell is called with each finding, from one goroutine.
	Tell func(Finding)
}

// ReadTopics checks all records of the six topics as a plain reader, until ctx ends, which is nil, or the brokers refuse. It commits
// nothing and belongs to no group: the sync does not notice it.
func ReadTopics(ctx context.Context, cfg TopicsConfig) error {
	keys, err := cfg.Bus.Keys()
	if err != nil {
		return err
	}
	client, err := cfg.Bus.Client(kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return err
	}
	defer client.Close()
	r := topicReader{tell: cfg.Tell, of: map[string]topicOf{}}
	for _, d := range []struct {
		origin envelope.Origin
		ledger envelope.LedgerID
	}{{envelope.V10, cfg.V10}, {envelope.V11, cfg.V11}} {
		links := NewLinks(d.origin, d.ledger, keys)
		for _, t := range envelope.Topics() {
			r.of[cfg.Bus.Prefix+t.Name(d.origin)] = topicOf{links, t}
		}
	}
	from, err := r.begin(ctx, client, cfg.All)
	if err != nil {
		return orEnded(ctx, err)
	}
	client.AddConsumePartitions(from)
	return orEnded(ctx, r.read(ctx, client))
}

type topicOf struct {
	links *Links
	topic envelope.Topic
}

type topicReader struct {
	of   map[string]topicOf
	tell func(Finding)
}

// begin finds the offsets to begin at.
func (r *topicReader) begin(ctx context.Context, client *kgo.Client, all bool) (map[string]map[int32]kgo.Offset, error) {
	names := make([]string, 0, len(r.of))
	for name := range r.of {
		names = append(names, name)
	}
	admin := kadm.NewClient(client)
	low, err := admin.ListStartOffsets(ctx, names...)
	if err != nil {
		return nil, unreadable(err)
	}
	high, err := admin.ListEndOffsets(ctx, names...)
	if err != nil {
		return nil, unreadable(err)
	}
	out := map[string]map[int32]kgo.Offset{}
	for _, name := range names {
		first, ok := low.Lookup(name, 0)
		end, ok2 := high.Lookup(name, 0)
		if !ok || !ok2 || first.Err != nil || end.Err != nil {
			return nil, fault.Reasoned(fault.Unavailable, ReasonTopics, "topic %s cannot be read: see `aurigraph sync init`: %v", name, errors.Join(first.Err, end.Err))
		}
		at := first.Offset
		if !all {
			at = max(at, end.Offset-backlogRecords)
		}
		out[name] = map[int32]kgo.Offset{0: kgo.NewOffset().At(at)}
	}
	return out, nil
}

func unreadable(err error) error {
	return &fault.Error{Kind: fault.Unavailable, Reason: ReasonTopics, Text: "the brokers do not tell of the sync's topics", Cause: err}
}

func (r *topicReader) read(ctx context.Context, client *kgo.Client) error {
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var final error
		fetches.EachError(func(topic string, _ int32, err error) {
			if final == nil {
				final = fault.Reasoned(fault.Unavailable, ReasonTopics, "topic %s: %v", topic, err)
			}
		})
		if final != nil {
			return final
		}
		fetches.EachRecord(func(k *kgo.Record) {
			of := r.of[k.Topic]
			for _, f := range of.links.Take(of.topic, k.Offset, k.Value) {
				r.tell(f)
			}
		})
	}
}
