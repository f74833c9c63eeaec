// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/control"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// operated is V10's half of a sync as its operator has it: a socket, and no network's folder.
type operated struct {
	*v10Half
	socket string
	at     uint64 // newest record of V11
}

func (o *operated) picture() (p syncPicture) {
	o.t.Helper()
	r := cli(o.t, "sync", "status", "--socket", o.socket, "--port", o.v10.changes, "--json")
	if err := json.Unmarshal([]byte(r.out), &p); err != nil {
		o.t.Fatalf("%q %q: %v", r.out, r.err, err)
	}
	return p
}

// becomes waits until V11's changes are in a state.
func (o *operated) becomes(what string, holds func(*directionJSON) bool) *directionJSON {
	o.t.Helper()
	var last directionJSON
	for end := time.Now().Add(waitMax); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		if last = o.picture().V11ToV10; holds(&last) {
			return &last
		}
	}
	o.t.Fatalf("never %s: %+v, held %+v", what, last, last.Held)
	return nil
}

func (o *operated) held(at, reason string) {
	o.t.Helper()
	d := o.becomes("held at "+at, func(d *directionJSON) bool { return d.State == control.StateHeld && d.Held.Letter })
	if h := d.Held; h.Position != at || h.Reason != reason || h.Tries != 3 || !strings.Contains(d.Help, "sync skip v11") || d.Position != o.before(at) {
		o.t.Errorf("%+v at %s, %+v", h, d.Position, d)
	}
}

func (o *operated) before(at string) string {
	p, err := envelope.ParsePosition(at)
	if err != nil {
		o.t.Fatal(err)
	}
	p.Major--
	return p.String()
}

func (o *operated) applied(at string) {
	o.t.Helper()
	o.becomes("applied up to "+at, func(d *directionJSON) bool { return d.State == control.StateApplying && d.Position == at })
}

// says publishes payments of carol on V11.
func (o *operated) says(pays ...*envelope.Transfer) {
	o.t.Helper()
	p, err := bus.OpenPublisher(o.t.Context(), bus.PublisherConfig{Config: o.bus, Source: o.other})
	if err != nil {
		o.t.Fatal(err)
	}
	defer p.Close()
	for _, pay := range pays {
		o.at++
		pay.Deed = envelope.Deed{ID: v10.TxIDAt(uint64(time.Now().UnixMilli()), chain.Height(o.at), 0)}
		pay.From, pay.To, pay.Asset = "carol", "dave", v10.DefaultAsset
		if err := p.Publish(o.t.Context(), bus.Draft{Position: envelope.Position{Major: o.at}, End: true, HomeVersion: 1, Change: pay}); err != nil {
			o.t.Fatal(err)
		}
	}
	if err := p.Flush(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

func aurs(n uint64) chain.Amount { return chain.Units(n * 100_000_000) }

func (o *operated) letters() []letterJSON {
	o.t.Helper()
	m := want(o.t, exitDone, "sync", "dlq", "list", "--brokers", o.bus.Brokers[0], "--sync-key", o.bus.KeyFiles[0], "--socket", o.socket, "--json")
	var j lettersRead
	if err := json.Unmarshal([]byte(m.out), &j); err != nil {
		o.t.Fatal(m.out, err)
	}
	out := make([]letterJSON, len(j.Letters))
	for i, l := range j.Letters {
		out[i] = letterJSON{Position: l.Position, Reason: l.Reason, Kind: l.Kind, Tries: l.Tries, Past: l.Past}
	}
	return out
}

// lettersRead is lettersJSON without the changes, which are of many types.
type lettersRead struct {
	Letters []struct {
		Position, Reason, Kind string
		Tries                  int
		Past                   *bool
	}
}

// TestPoisonOnV10: a change of V11 that V10 cannot make holds the direction, whatever is killed meanwhile, and is a dead letter once. Another
// try after mending passes it; a skip passes the next one, and stays as a row. Nothing overtakes.
func TestPoisonOnV10(t *testing.T) {
	o := &operated{v10Half: newV10Half(t)}
	o.socket = filepath.Join(t.TempDir(), "half.sock")
	o.words = append(o.words, "--admin", o.socket)
	want(t, exitDone, "sync", "init", "--brokers", o.bus.Brokers[0])
	slot := keys.AliasSlot("carol")
	moves, err := json.Marshal([]map[string]any{{"version": 1, "from": slot, "to": slot, "other": true}})
	if err != nil {
		t.Fatal(err)
	}
	o.v10.post(t, "/homes", string(moves))
	want(t, exitFailed, "sync", "retry", "v11", "--socket", o.socket)
	o.says(&envelope.Transfer{Amount: aurs(1)}, &envelope.Transfer{Amount: aurs(5000)}, &envelope.Transfer{Amount: aurs(2)})
	for _, wait := range []time.Duration{0, 300 * time.Millisecond, 1200 * time.Millisecond, 2500 * time.Millisecond} {
		o.start()
		<-time.After(wait)
		o.kill()
	}
	o.start()
	o.held("2.0", ledger.ReasonUnderflow)
	if got := o.v10.get("/api/v10/accounts/dave/balances"); !strings.Contains(got, `"amount":1}`) {
		t.Error(got)
	}
	if l := o.letters(); len(l) != 1 || l[0].Position != "2.0" || l[0].Reason != ledger.ReasonUnderflow || l[0].Past == nil || *l[0].Past {
		t.Errorf("%+v", l)
	}
	shown := want(t, exitDone, "sync", "dlq", "show", "v11", "2.0", "--brokers", o.bus.Brokers[0], "--sync-key", o.bus.KeyFiles[0], "--socket", o.socket)
	if !strings.Contains(shown.out, "carol") || !strings.Contains(shown.out, "waits") {
		t.Error(shown.out)
	}
	want(t, exitFailed, "sync", "dlq", "show", "v11", "3.0", "--brokers", o.bus.Brokers[0], "--sync-key", o.bus.KeyFiles[0])
	paid, err := o.v10.client.Post(o.v10.url+"/api/v10/transactions", "application/json", strings.NewReader(`{"from":"`+ledger.Treasury+`","to":"carol","amount":6000}`))
	if err != nil || paid.Body.Close() != nil || paid.StatusCode != http.StatusOK {
		t.Fatal(paid, err)
	}
	want(t, exitDone, "sync", "retry", "--socket", o.socket)
	o.applied("3.0")
	o.passesOver()
	o.stops()
	o.v10.kill(t)
}

// passesOver has a change skipped, with V10's half killed on the way.
func (o *operated) passesOver() {
	t := o.t
	o.says(&envelope.Transfer{Amount: aurs(1), Fee: aurs(1)}, &envelope.Transfer{Amount: aurs(4)})
	o.held("4.0", ledger.ReasonFee)
	skip := []string{"sync", "skip", "v11", "--socket", o.socket, "--port", o.v10.changes, "--sync-key", o.bus.KeyFiles[0]}
	want(t, exitRefused, skip...)
	stranger := write(t, filepath.Join(t.TempDir(), "other.key"), strings.Repeat("77", 32)+"\n")
	want(t, exitFailed, "sync", "skip", "v11", "--reason", "x", "--socket", o.socket, "--port", o.v10.changes, "--sync-key", stranger)
	done := answer(t, exitDone, append(skip, "--reason", "the fee was waived by hand")...)
	if done["position"] != "4.0" || done["side"] != "v10" || done["by"] == "" {
		t.Error(done)
	}
	o.kill()
	o.start()
	o.applied("5.0")
	want(t, exitFailed, append(skip, "--reason", "again")...)
	j := answer(t, exitDone, "sync", "conflicts", "--port", o.v10.changes, "--socket", o.socket)
	list, _ := j["conflicts"].([]any)
	if len(list) != 1 || j["v10_skipped"] != 1.0 {
		t.Fatal(j)
	}
	if r, _ := list[0].(map[string]any); r["reason"] != "the fee was waived by hand" || r["kind"] != kindSkip || r["position"] != "4.0" || r["change"] != "transfer" {
		t.Error(r)
	}
	if got := o.v10.get("/api/v10/accounts/dave/balances"); !strings.Contains(got, `"amount":5007}`) {
		t.Error(got)
	}
	if l := o.letters(); len(l) != 2 || l[1].Past == nil || !*l[1].Past {
		t.Errorf("%+v", l)
	}
	set := answer(t, exitDone, "sync", "set", "apply.v11=3", "--socket", o.socket)
	if at, _ := set["at"].([]any); len(at) != 1 {
		t.Error(set)
	}
	if d := o.picture().V11ToV10; d.RateMax != 3 || d.Samples == 0 || d.LagMs < 0 || d.P99Ms < d.P50Ms {
		t.Errorf("%+v", d)
	}
}
