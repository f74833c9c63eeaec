// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Bounds of what is fetched.
const (
	FetchBytesMax = 4 << 20 // of one topic at a time
	probeBytes    = 64 << 10
	pollRecords   = 4096
	// tailRecords is how much of a topic's end a publisher reads first; it doubles that until it knows enough.
	tailRecords = 4 * WindowMax
)

// extent is the offsets that a topic has: from low, below high.
type extent struct{ low, high int64 }

func (c *Config) extentsOf(ctx context.Context, client *kgo.Client, origin envelope.Origin) (out [envelope.TopicCount]extent, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	admin, names := kadm.NewClient(client), c.topicNames(origin)
	low, err := admin.ListStartOffsets(ctx, names...)
	if err != nil {
		return out, unreachable(err)
	}
	high, err := admin.ListEndOffsets(ctx, names...)
	if err != nil {
		return out, unreachable(err)
	}
	for _, t := range envelope.Topics() {
		name := c.topic(t, origin)
		from, ok := low.Lookup(name, 0)
		to, ok2 := high.Lookup(name, 0)
		switch {
		case !ok || !ok2:
			return out, missing(name)
		case from.Err != nil || to.Err != nil:
			return out, brokerError(errors.Join(from.Err, to.Err), name)
		}
		out[t] = extent{from.Offset, to.Offset}
	}
	return out, nil
}

// consumer is a client that reads chosen places of topics.
func (c *Config) consumer(bytesMax int32, opts ...kgo.Opt) (*kgo.Client, error) {
	return c.connect(append([]kgo.Opt{
		kgo.FetchMaxPartitionBytes(bytesMax),
		kgo.FetchMaxBytes(bytesMax * int32(envelope.TopicCount)),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.KeepRetryableFetchErrors(),
		kgo.FetchIsolationLevel(kgo.ReadUncommitted()),
	}, opts...)...)
}

// fetchFaults returns the first error of a fetch that is final. Others are tried again by the client.
func fetchFaults(ctx context.Context, fetches kgo.Fetches) (final error) {
	fetches.EachError(func(topic string, _ int32, err error) {
		if final != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return
		}
		if named := brokerError(err, topic); fault.ReasonOf(named) != ReasonUnreachable {
			final = named
		}
	})
	if final == nil && ctx.Err() != nil {
		return fault.Wrap(fault.Timeout, ctx.Err(), "nothing was read")
	}
	return final
}

// walk reads a topic from an offset on, and calls each until it is false or high is reached.
func walk(ctx context.Context, client *kgo.Client, topic string, from, high int64, each func(*kgo.Record) bool) error {
	if from >= high {
		return nil
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(from)}})
	defer client.RemoveConsumePartitions(map[string][]int32{topic: {0}})
	for {
		fetches := client.PollRecords(ctx, pollRecords)
		if err := fetchFaults(ctx, fetches); err != nil {
			return err
		}
		goOn := true
		fetches.EachRecord(func(r *kgo.Record) {
			goOn = goOn && r.Offset < high && each(r) && r.Offset+1 < high
		})
		if !goOn {
			return nil
		}
	}
}

// readTails reads the topics' ends until they tell where a publisher goes on.
func readTails(ctx context.Context, cfg *PublisherConfig, keys []envelope.Key) (found resumption, ids topicIDs, err error) {
	client, err := cfg.consumer(FetchBytesMax)
	if err != nil {
		return found, ids, err
	}
	defer client.Close()
	origin := cfg.Source.Origin
	if ids, err = cfg.topicsOf(ctx, kadm.NewClient(client), origin); err != nil {
		return found, ids, err
	}
	extents, err := cfg.extentsOf(ctx, client, origin)
	if err != nil {
		return found, ids, err
	}
	for n := int64(tailRecords); ; n *= 2 {
		var tails [envelope.TopicCount]tail
		for _, t := range envelope.Topics() {
			from := max(extents[t].low, extents[t].high-n)
			tails[t].whole = from == extents[t].low
			if tails[t].records, err = readAll(ctx, client, cfg.topic(t, origin), from, extents[t].high, keys); err != nil {
				return found, ids, err
			}
		}
		found, err = resume(cfg.Source, Tip{Position: cfg.Start, End: true, Since: 0}, tails)
		if err != nil || !found.more {
			return found, ids, err
		}
	}
}

func readAll(ctx context.Context, client *kgo.Client, topic string, from, high int64, keys []envelope.Key) (out []*envelope.Record, err error) {
	var broken error
	err = walk(ctx, client, topic, from, high, func(r *kgo.Record) bool {
		var record *envelope.Record
		if record, broken = envelope.Open(keys, r.Value); broken == nil {
			out = append(out, record)
		}
		return broken == nil
	})
	return out, errors.Join(broken, err)
}

// seek finds an offset of a topic below which nothing lies above a position, by halving: positions rise along a topic, but for what
// a publisher's restart put out of order, which is less than seekBack records.
func seek(ctx context.Context, client *kgo.Client, topic string, e extent, keys []envelope.Key, start *envelope.Start) (int64, error) {
	low, high := e.low, e.high
	for high-low > seekBack {
		middle := low + (high-low)/2
		above, at := false, middle
		var broken error
		err := walk(ctx, client, topic, middle, e.high, func(r *kgo.Record) bool {
			at = r.Offset
			var record *envelope.Record
			if record, broken = envelope.Open(keys, r.Value); broken == nil {
				above = record.Life > start.Source.Life || record.Life == start.Source.Life && start.Position.Before(record.Position)
			}
			return false
		})
		if err := errors.Join(broken, err); err != nil {
			return 0, err
		}
		if above {
			high = middle
		} else {
			low = max(at, middle+1)
		}
	}
	return max(e.low, low-seekBack), nil
}

// seekBack is how far before the place that halving finds a reader begins.
const seekBack = 4 * WindowMax
