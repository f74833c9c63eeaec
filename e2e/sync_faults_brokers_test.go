// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// How long the brokers are away at least: until status says so, and in the long form a minute.
const (
	awaySlice = 10 * time.Second
	awayLong  = time.Minute
)

// TestSyncFaultBrokers takes the brokers away, and deletes a topic of each direction: payments go on on both sides, status says what is
// wrong, and when it is mended as the runbook says, both ledgers have all.
func TestSyncFaultBrokers(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a network beside V10")
	}
	b := newBroker(t)
	p := newPair(t, network.Options{Nodes: 1, Sync: &network.SyncOptions{Kafka: b.address()}})
	away := time.After(awaySlice)
	if *syncKills > killsSlice {
		away = time.After(awayLong)
	}
	b.kill()
	p.some(6)
	p.says("that no broker answers", func(all *picture) bool {
		return all.ToV11.troubled("broker_unreachable") && all.ToV10.troubled("broker_unreachable")
	})
	<-away
	p.some(6)
	b.start()
	began := time.Now()
	p.inStep()
	t.Logf("in step %s after the broker was back", time.Since(began).Round(time.Millisecond))
	p.well()
	for _, origin := range []envelope.Origin{envelope.V10, envelope.V11} {
		p.withoutTopic(envelope.Transactions.Name(origin), origin)
	}
	p.allThereOnce()
}

// well waits until both directions go on.
func (p *pair) well() {
	p.t.Helper()
	p.says("that all is well", func(all *picture) bool {
		return all.ToV11.State == "applying" && all.ToV10.State == "applying" && !inTrouble(&all.ToV11) && !inTrouble(&all.ToV10)
	})
}

func inTrouble(w *way) bool { return w.Capture == nil || w.Capture.State == "trouble" }

// withoutTopic deletes a topic of which all is applied, and has it made anew.
func (p *pair) withoutTopic(topic string, origin envelope.Origin) {
	p.t.Helper()
	client := p.client()
	defer client.Close()
	if _, err := kadm.NewClient(client).DeleteTopic(p.t.Context(), topic); err != nil {
		p.t.Fatal(err)
	}
	p.says("that a topic is missing", func(all *picture) bool { return all.direction(origin).troubled("topic_missing") })
	p.some(4)
	if p.goesOn() {
		p.t.Error("status says that all is well without", topic)
	}
	if out, code := runIn(p.t, "sync", "init", "--brokers", p.folder.Sync.Kafka); code != 0 {
		p.t.Fatal(out)
	}
	p.inStep()
	p.well()
}

// TestSyncFaultTopicLost deletes a topic of V10's with changes that V11 does not have: V11 stops before the gap and says so, both ledgers go
// on, and V11's changes still come to V10.
func TestSyncFaultTopicLost(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a network beside V10")
	}
	b := newBroker(t)
	p := newPair(t, network.Options{Nodes: 1, Sync: &network.SyncOptions{Kafka: b.address()}})
	validator := p.process(nodeAt(0))
	signalTo(t, validator, syscall.SIGSTOP) // it reads nothing, and what it has read goes with it
	before := p.newestIn(envelope.Transactions.Name(envelope.V10)).record.Position
	for range 4 {
		p.onePayment(ofV10)
	}
	p.stated(before, 4)
	client := p.client()
	defer client.Close()
	if _, err := kadm.NewClient(client).DeleteTopic(t.Context(), envelope.Transactions.Name(envelope.V10)); err != nil {
		t.Fatal(err)
	}
	if out, code := runIn(t, "sync", "init", "--brokers", p.folder.Sync.Kafka); code != 0 {
		t.Fatal(out)
	}
	signalTo(t, validator, syscall.SIGKILL)
	p.stands("gap")
}

// stated waits until V10's half has said that so many transactions above a position are in the topics: what is lost from then on is not
// published again.
func (p *pair) stated(above envelope.Position, want int) {
	p.t.Helper()
	for end := time.Now().Add(seenMax); time.Now().Before(end); <-time.After(pollEvery) {
		var newest, told envelope.Position
		have := 0
		p.records(envelope.Transactions.Name(envelope.V10), func(_ []byte, r *envelope.Record) {
			switch {
			case r.IsHeartbeat() && told.Before(r.Position):
				told = r.Position
			case !r.IsHeartbeat() && above.Before(r.Position):
				newest = r.Position
				have++
			}
		})
		if have >= want && newest.Before(told) {
			return
		}
	}
	p.t.Fatal("V10's half does not tell of V10's payments")
}

// stands waits until V10's changes stand for good for one of some reasons, and wants that both ledgers pay on, that nothing of V10's comes to
// V11 any more, and that V10 still learns of V11's.
func (p *pair) stands(reasons ...string) {
	p.t.Helper()
	// V10's half alone may say what is wrong, while V11's does not answer in time: where V11 is, it alone says.
	standing := func(all *picture) bool { return all.ToV11.troubled(reasons...) && all.ToV11.Position != "" }
	before := p.says(strings.Join(reasons, " or "), standing)
	p.some(6)
	p.paysOnV10()
	after := p.says(strings.Join(reasons, " or ")+", still", standing)
	if after.ToV11.Position != before.ToV11.Position {
		p.t.Errorf("V11 went on from %s to %s", before.ToV11.Position, after.ToV11.Position)
	}
	if p.goesOn() {
		p.t.Error("status says that all is well")
	}
}

// paysOnV10 has V11 pay an account that nobody else pays, and waits until V10 has that.
func (p *pair) paysOnV10() {
	p.t.Helper()
	const alone = "pair-alone"
	if !p.pay(ofV11, p.accounts[ofV11][0], alone, 7) {
		return
	}
	for end := time.Now().Add(restMax); p.balance(p.ready.V10, alone) != 7; <-time.After(pollEvery) {
		if time.Now().After(end) {
			p.t.Fatalf("V10 is not told of V11's changes: %s", p.pictureText())
		}
	}
}

// TestSyncFaultLogTrimmed lets V10's log go before it was told: that is a gap for ever, and nothing is passed over.
func TestSyncFaultLogTrimmed(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a network beside V10")
	}
	p := newPair(t, network.Options{Nodes: 1})
	half := p.process(besideIt("v10-sync"))
	signalTo(t, half, syscall.SIGSTOP)
	for range 4 {
		p.onePayment(ofV10)
	}
	head := p.headOfV10()
	for _, account := range []string{p.accounts[ofV11][0]} {
		p.pay(ofV10, p.accounts[ofV10][0], account, 1) // the log has more than it lets go
	}
	p.post("/trim?position=" + head)
	signalTo(t, half, syscall.SIGKILL)
	p.stands("gap")
}

func (p *pair) headOfV10() string {
	p.t.Helper()
	_, text, err := p.get(p.ready.Sync.Changes, "/head")
	_, place, found := strings.Cut(string(text), `"position":"`)
	place, _, ends := strings.Cut(place, `"`)
	if err != nil || !found || !ends {
		p.t.Fatalf("V10's head is %s %v", text, err)
	}
	return place
}

// post calls V10's change log.
func (p *pair) post(path string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), payTryMax)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.ready.Sync.Changes+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if status, text, err := p.answer(req); err != nil || status != http.StatusOK {
		p.t.Fatalf("%s: %d %s %v", path, status, text, err)
	}
}

// headNumber is the sequence of a head.
func headNumber(t *testing.T, head string) uint64 {
	t.Helper()
	_, number, _ := strings.Cut(head, ":")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// copyFolder copies a folder as an operator's backup does.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
}
