// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Letter is a record that could not be applied, as it lies in its direction's topic of dead letters, where it stays as long as records
// do. That it is there changes nothing: the direction stands before it until it is applied or passed over.
type Letter struct {
	Record  *envelope.Record
	Reason  string // outcome of the ledger that could not make the change
	Text    string
	Tries   int
	HeldAt  time.Time
	Applier string // who tried
}

// LettersMax bounds the letters of one Letters: the newest.
const LettersMax = 1000

// What a letter's headers are called. Bytes of the record are the value, as it travelled.
const (
	headerReason  = "reason"
	headerText    = "text"
	headerTries   = "tries"
	headerHeldAt  = "held-ms"
	headerApplier = "applier"
)

// letterTextMax bounds a header.
const letterTextMax = 1024

// LetterTopic is the name of a direction's topic of dead letters.
func (c *Config) LetterTopic(origin envelope.Origin) string {
	return c.Prefix + origin.String() + ".dlq"
}

// PutLetter puts a record among the dead letters of its direction, and returns when all in-sync replicas have it. A letter of a record
// that is there already is the same one.
func PutLetter(ctx context.Context, c Config, l *Letter) error {
	keys, err := c.Keys()
	if err != nil {
		return err
	}
	wire, err := envelope.Reseal(keys, l.Record)
	if err != nil {
		return err
	}
	client, err := c.connect(kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(topicMessageBytes))
	if err != nil {
		return err
	}
	defer client.Close()
	topic := c.LetterTopic(l.Record.Origin)
	header := func(key, value string) kgo.RecordHeader {
		return kgo.RecordHeader{Key: key, Value: []byte(value[:min(len(value), letterTextMax)])}
	}
	record := &kgo.Record{Topic: topic, Key: letterKey(l.Record), Value: wire, Headers: []kgo.RecordHeader{
		header(headerReason, l.Reason), header(headerText, l.Text), header(headerTries, strconv.Itoa(l.Tries)),
		header(headerHeldAt, strconv.FormatInt(l.HeldAt.UnixMilli(), 10)), header(headerApplier, l.Applier),
	}}
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return brokerError(err, topic)
	}
	return nil
}

// letterKey is the same for every letter of a record, and of no other one: life and position.
func letterKey(r *envelope.Record) []byte {
	return []byte(strconv.FormatUint(uint64(r.Life), 10) + "/" + r.Position.String() + "/" + r.Tag.String())
}

// Letters reads the newest dead letters of a direction, oldest first, each record once: as it was held last, and since when it is.
func Letters(ctx context.Context, c Config, origin envelope.Origin) ([]Letter, error) {
	keys, err := c.Keys()
	if err != nil {
		return nil, err
	}
	client, err := c.consumer(FetchBytesMax)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	topic := c.LetterTopic(origin)
	e, err := letterExtent(ctx, client, topic)
	if err != nil {
		return nil, err
	}
	var found []Letter
	at := map[string]int{}
	var broken error
	err = walk(ctx, client, topic, max(e.low, e.high-4*LettersMax), e.high, func(r *kgo.Record) bool {
		var l Letter
		if l, broken = letterOf(keys, r); broken != nil {
			return false
		}
		i, there := at[string(letterKey(l.Record))]
		if there {
			l.HeldAt = found[i].HeldAt
			found[i] = l
			return true
		}
		at[string(letterKey(l.Record))] = len(found)
		found = append(found, l)
		return true
	})
	if err := cmp.Or(broken, err); err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b Letter) int { return a.HeldAt.Compare(b.HeldAt) })
	return found[max(0, len(found)-LettersMax):], nil
}

// letterExtent is what a topic of letters has.
func letterExtent(ctx context.Context, client *kgo.Client, topic string) (e extent, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	admin := kadm.NewClient(client)
	low, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return e, unreachable(err)
	}
	high, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return e, unreachable(err)
	}
	from, ok := low.Lookup(topic, 0)
	to, ok2 := high.Lookup(topic, 0)
	if !ok || !ok2 {
		return e, missing(topic)
	}
	if err := cmp.Or(from.Err, to.Err); err != nil {
		return e, brokerError(err, topic)
	}
	return extent{from.Offset, to.Offset}, nil
}

// letterOf reads a letter. The record is checked as any; its headers are only shown.
func letterOf(keys []envelope.Key, r *kgo.Record) (l Letter, err error) {
	if l.Record, err = envelope.Open(keys, r.Value); err != nil {
		return l, &fault.Error{Kind: fault.KindOf(err), Reason: fault.ReasonOf(err), Text: fmt.Sprintf("the dead letter at offset %d of %s", r.Offset, r.Topic), Cause: err}
	}
	l.HeldAt = r.Timestamp
	for _, h := range r.Headers {
		text := string(h.Value[:min(len(h.Value), letterTextMax)])
		switch h.Key {
		case headerReason:
			l.Reason = text
		case headerText:
			l.Text = text
		case headerApplier:
			l.Applier = text
		case headerTries:
			l.Tries, _ = strconv.Atoi(text) // 0: whoever wrote it did not count
		case headerHeldAt:
			if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
				l.HeldAt = time.UnixMilli(ms)
			}
		}
	}
	return l, nil
}
