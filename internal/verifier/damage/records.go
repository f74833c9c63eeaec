// SPDX-License-Identifier: Apache-2.0

package damage

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Bounds of work on the topics.
const (
	topicMax  = 20 * time.Second
	tailSize  = 60 // records of a topic's end of which one is taken
	newestOut = 5  // of them that are too new
)

// origin is whose topics are damaged.
const origin = envelope.V10

// record writes a record to a topic, made from one that is there.
func record(from, to envelope.Topic, beat bool, change func(keys []envelope.Key, wire []byte) ([]byte, error)) plant {
	return func(ctx context.Context, p *Planter) ([]string, error) {
		ctx, cancel := context.WithTimeout(ctx, topicMax)
		defer cancel()
		keys, err := p.cfg.Bus.Keys()
		if err != nil {
			return nil, err
		}
		wire, err := p.sample(ctx, from, beat, keys)
		if err != nil {
			return nil, err
		}
		if wire, err = change(keys, wire); err != nil {
			return nil, err
		}
		client, err := p.cfg.Bus.Client()
		if err != nil {
			return nil, err
		}
		defer client.Close()
		out := client.ProduceSync(ctx, &kgo.Record{Topic: p.cfg.Bus.Prefix + to.Name(origin), Value: wire})
		r, err := out.First()
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "write to a topic")
		}
		return []string{RecordKey(to.Name(origin), r.Offset)}, nil
	}
}

// RecordKey names a record.
func RecordKey(topic string, offset int64) string { return fmt.Sprintf("%s@%d", topic, offset) }

// sample takes a record of the end of a topic: a heart-beat, or a change.
func (p *Planter) sample(ctx context.Context, from envelope.Topic, beat bool, keys []envelope.Key) ([]byte, error) {
	topic := p.cfg.Bus.Prefix + from.Name(origin)
	client, err := p.cfg.Bus.Client(kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "ask for a topic's end")
	}
	end, _ := ends.Lookup(topic, 0)
	at := max(0, end.Offset-tailSize)
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(at)}})
	var all [][]byte
	for at < end.Offset && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(k *kgo.Record) {
			at = k.Offset + 1
			if r, err := envelope.Open(keys, k.Value); err == nil && r.IsHeartbeat() == beat {
				all = append(all, bytes.Clone(k.Value))
			}
		})
	}
	if beat && len(all) > 0 {
		return all[len(all)-1], nil
	}
	if len(all) <= newestOut {
		return nil, nothing("record in " + topic)
	}
	return all[p.random.IntN(len(all)-newestOut)], nil
}

// sealed changes a record, and seals it as who has the key would.
func sealed(change func(r *envelope.Record)) func([]envelope.Key, []byte) ([]byte, error) {
	return func(keys []envelope.Key, wire []byte) ([]byte, error) {
		r, err := envelope.Open(keys, wire)
		if err != nil {
			return nil, err
		}
		change(r)
		return envelope.Seal(&keys[0], r)
	}
}

// raw changes a record's bytes.
func raw(change func(wire []byte)) func([]envelope.Key, []byte) ([]byte, error) {
	return func(_ []envelope.Key, wire []byte) ([]byte, error) {
		change(wire)
		return wire, nil
	}
}
