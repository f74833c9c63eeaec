// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// stored is a record as a topic has it.
type stored struct {
	topic envelope.Topic
	wire  []byte
	beat  bool
}

var testLedger = envelope.V10Ledger("links")

func syncKeyOf(t testing.TB, b byte) envelope.Key {
	t.Helper()
	k, err := envelope.NewKey(bytes.Repeat([]byte{b}, envelope.SecretBytesMin))
	must(t, err)
	return k
}

// publish makes n records with a heart-beat in all topics after each few, as a publisher does.
func publish(t testing.TB, rng *rand.Rand, n int) (out []stored) {
	t.Helper()
	key := syncKeyOf(t, 3)
	source := envelope.Source{Ledger: testLedger, Origin: envelope.V10, Life: 2, Incarnation: envelope.Incarnation{9}}
	at, tag := envelope.EndOf(100), envelope.Tag{}
	beat := func() {
		for _, topic := range envelope.Topics() {
			r := &envelope.Record{Source: source, Position: at, Previous: at, PreviousTag: tag, Since: at.Major - 1, End: true, HomeVersion: 1, Change: &envelope.Heartbeat{TimeMs: 5}}
			wire, err := envelope.Seal(&key, r)
			must(t, err)
			out = append(out, stored{topic, wire, true})
		}
	}
	beat()
	for i := range n {
		deed := envelope.Deed{ID: v10.TxIDAt(1000, chain.Height(i+1), v10.LegacyPlaceMin)}
		var c envelope.Change = &envelope.Transfer{Deed: deed, From: "a", To: "b", Asset: "AUR", Amount: chain.Units(uint64(i + 1))}
		switch rng.IntN(3) {
		case 0:
			c = &envelope.Barrier{Generation: uint64(i + 1), TimeMs: 7}
		case 1:
			c = &envelope.Redeemed{Deed: deed, Asset: "AUR", Issuer: "a", Amount: chain.Units(1)}
		}
		position := envelope.Position{Major: 101 + uint64(i)*3}
		r := &envelope.Record{Source: source, Position: position, Previous: at, PreviousTag: tag, Since: at.Major, End: true, HomeVersion: 1, Change: c}
		wire, err := envelope.Seal(&key, r)
		must(t, err)
		out = append(out, stored{c.Topic(), wire, false})
		at, tag = position, r.Tag
		if rng.IntN(6) == 0 {
			beat()
		}
	}
	beat()
	return out
}

// readAll lets topics be read in a random interleaving that keeps each one's order.
func readAll(t testing.TB, rng *rand.Rand, all []stored) (*Links, []Finding) {
	t.Helper()
	l := NewLinks(envelope.V10, testLedger, []envelope.Key{syncKeyOf(t, 3)})
	var topics [envelope.TopicCount][]stored
	for _, s := range all {
		topics[s.topic] = append(topics[s.topic], s)
	}
	var out []Finding
	var offsets [envelope.TopicCount]int64
	for left := len(all); left > 0; {
		topic := envelope.Topic(rng.IntN(int(envelope.TopicCount)))
		if len(topics[topic]) == 0 {
			continue
		}
		out = append(out, l.Take(topic, offsets[topic], topics[topic][0].wire)...)
		offsets[topic]++
		topics[topic] = topics[topic][1:]
		left--
	}
	return l, out
}

func pick(rng *rand.Rand, all []stored) int {
	for {
		if i := 10 + rng.IntN(len(all)-20); !all[i].beat {
			return i
		}
	}
}

// TestLinksSound: a chain without a flaw, in any interleaving, with repeats, is whole.
func TestLinksSound(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		all := publish(t, rng, 200)
		doubled := append([]stored(nil), all...)
		for range seed % 4 {
			i := pick(rng, doubled)
			doubled = append(doubled[:i+1], append([]stored{doubled[i]}, doubled[i+1:]...)...)
		}
		// Where the topics are read unevenly at first, the chain begins some records later.
		l, found := readAll(t, rng, doubled)
		if len(found) > 0 || l.Records < 150 || len(l.ahead) > 0 {
			t.Fatalf("seed %d: %d records, %d wait, %+v", seed, l.Records, len(l.ahead), found)
		}
		l = NewLinks(envelope.V10, testLedger, []envelope.Key{syncKeyOf(t, 3)})
		for i := range doubled {
			found = append(found, l.Take(doubled[i].topic, int64(i), doubled[i].wire)...)
		}
		if len(found) > 0 || l.Records != 200 || l.Doubles != seed%4 {
			t.Fatalf("seed %d: %d records, %d doubles, %+v", seed, l.Records, l.Doubles, found)
		}
	}
}

// TestLinksFlaws plants one flaw a time.
func TestLinksFlaws(t *testing.T) {
	reseal := func(t testing.TB, s stored, key byte, change func(*envelope.Record)) stored {
		own, other := syncKeyOf(t, 3), syncKeyOf(t, key)
		r, err := envelope.Open([]envelope.Key{own}, s.wire)
		must(t, err)
		change(r)
		s.wire, err = envelope.Seal(&other, r)
		must(t, err)
		return s
	}
	for _, d := range []struct {
		name  string
		plant func(all []stored, i int) []stored
		want  Flaw
	}{
		{"a byte is inverted", func(all []stored, i int) []stored {
			wire := bytes.Clone(all[i].wire)
			wire[len(wire)-1] ^= 1
			return insert(all, i, stored{topic: all[i].topic, wire: wire})
		}, Forged},
		{"a record is cut off", func(all []stored, i int) []stored {
			return insert(all, i, stored{topic: all[i].topic, wire: all[i].wire[:len(all[i].wire)/2]})
		}, Garbled},
		{"another key", func(all []stored, i int) []stored {
			return insert(all, i, reseal(t, all[i], 4, func(*envelope.Record) {}))
		}, Forged},
		{"another life", func(all []stored, i int) []stored {
			return insert(all, i, reseal(t, all[i], 3, func(r *envelope.Record) { r.Life, r.Incarnation = 3, envelope.Incarnation{1} }))
		}, OtherLife},
		{"another ledger", func(all []stored, i int) []stored {
			return insert(all, i, reseal(t, all[i], 3, func(r *envelope.Record) { r.Ledger = envelope.V10Ledger("other") }))
		}, Foreign},
		{"another record for one place", func(all []stored, i int) []stored {
			return insert(all, i, reseal(t, all[i], 3, func(r *envelope.Record) { r.HomeVersion++ }))
		}, Forked},
		{"a record is lost", func(all []stored, i int) []stored {
			return append(append([]stored(nil), all[:i]...), all[i+1:]...)
		}, Lost},
		{"a record in another topic", func(all []stored, i int) []stored {
			out := append([]stored(nil), all...)
			out[i].topic = (out[i].topic + 1) % envelope.TopicCount
			return out
		}, WrongTopic},
		{"two records change places", func(all []stored, i int) []stored {
			out := append([]stored(nil), all...)
			for j := i + 1; j < len(out); j++ {
				if out[j].topic == out[i].topic {
					if out[j].beat {
						i, j = j, j+1
						continue
					}
					if out[i].beat {
						i = j
						continue
					}
					out[i], out[j] = out[j], out[i]
					break
				}
			}
			return out
		}, OutOfOrder},
	} {
		t.Run(d.name, func(t *testing.T) {
			for seed := range uint64(15) {
				rng := rand.New(rand.NewPCG(seed, 2))
				all := publish(t, rng, 200)
				_, found := readAll(t, rng, d.plant(all, pick(rng, all)))
				named := map[Flaw]int{}
				for _, f := range found {
					named[f.Flaw]++
				}
				if named[d.want] == 0 || len(named) != 1 && d.want != WrongTopic && d.want != Lost {
					t.Fatalf("seed %d: %v", seed, named)
				}
			}
		})
	}
}

func insert(all []stored, i int, s stored) []stored {
	return append(append(append([]stored(nil), all[:i+1]...), s), all[i+1:]...)
}
