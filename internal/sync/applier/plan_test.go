// SPDX-License-Identifier: Apache-2.0

package applier

import (
	"reflect"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

func known() *Known {
	return &Known{
		AliasKey: aliasKey, Accounts: map[string]chain.AccountNo{"alice": 4, "bob": 5, "gone": 0, "barred": 0}, Assets: map[string]chain.AssetNo{"AUR": 1, "NONE": 0, "BAD": 0},
		RefusedAccounts: map[string]chain.Outcome{"barred": chain.LimitReached}, RefusedAssets: map[string]chain.Outcome{"BAD": chain.BadField},
	}
}

func record(home uint64, c envelope.Change) *envelope.Record {
	return &envelope.Record{Source: testSource, Position: envelope.Position{Major: 9, Minor: 2}, HomeVersion: home, Change: c, Tag: envelope.Tag{6}}
}

// TestChanges: what each kind of change becomes.
func TestChanges(t *testing.T) {
	request := &envelope.Request{Key: chain.IdempotencyKey{1}, Body: [16]byte{2}}
	ok := envelope.Deed{ID: v10.TxIDAt(1234, 77, v10.LegacyPlaceMin+8200)}
	keyed, refused := ok, envelope.Deed{ID: ok.ID, Outcome: chain.InsufficientFunds, Request: request}
	keyed.Request = request
	aur, one := chain.AssetNo(1), chain.Units(1)
	reference := chain.KeyedReference(request.Key, request.Body)
	for _, c := range []struct {
		name   string
		change envelope.Change
		leg    chain.Leg
		stop   chain.Outcome
	}{
		{"a transfer", &envelope.Transfer{Deed: ok, From: "alice", To: "bob", Asset: "AUR", Amount: one, Reference: [32]byte{3}}, chain.Leg{From: 4, To: 5, Asset: aur, Amount: one, Reference: [32]byte{3}}, 0},
		{"under a key", &envelope.Transfer{Deed: keyed, From: "alice", To: "bob", Asset: "AUR", Amount: one, Reference: [32]byte{3}}, chain.Leg{From: 4, To: 5, Asset: aur, Amount: one, Arg: chain.LegKeyed, Reference: reference}, 0},
		{"refused", &envelope.Transfer{Deed: refused, From: "alice", To: "gone", Asset: "AUR", Amount: one}, chain.Leg{Kind: chain.LegRefused, From: 4, Asset: aur, Amount: one, Arg: chain.LegKeyed, Reference: reference}, 0},
		{"refused, of whomever", &envelope.Transfer{Deed: refused, From: "who", To: "gone", Asset: "NONE", Amount: one}, chain.Leg{Kind: chain.LegRefused, Amount: one, Arg: chain.LegKeyed, Reference: reference}, 0},
		{"sent home", &envelope.Transfer{Deed: envelope.Deed{Outcome: chain.NotHome}, From: "alice", To: "bob", Asset: "AUR"}, chain.Leg{}, 0},
		{"a repeat", &envelope.Refusal{Request: *request, Outcome: chain.Duplicate}, chain.Leg{}, 0},
		{"a fee", &envelope.Transfer{Deed: ok, From: "alice", To: "bob", Asset: "AUR", Amount: one, Fee: one}, chain.Leg{}, chain.Diverged},
		{"a payee that cannot be opened", &envelope.Transfer{Deed: ok, From: "alice", To: "barred", Asset: "AUR", Amount: one}, chain.Leg{}, chain.LimitReached},
		{"a payee that is not here", &envelope.Transfer{Deed: ok, From: "alice", To: "gone", Asset: "AUR", Amount: one}, chain.Leg{}, chain.UnknownAccount},
		{"an asset that V10 never made", &envelope.Transfer{Deed: ok, From: "alice", To: "bob", Asset: "NONE", Amount: one}, chain.Leg{}, chain.UnknownAsset},
		{"an account", &envelope.AccountOpened{Deed: ok, Alias: "alice"}, chain.Leg{Kind: chain.LegOpened, Reference: aliasKey.Tag("alice")}, 0},
		{"an account that V10 refused", &envelope.AccountOpened{Deed: refused, Alias: "x"}, chain.Leg{Kind: chain.LegRefused, Arg: chain.LegKeyed, Reference: reference}, 0},
		{"an asset", &envelope.AssetCreated{Deed: ok, Code: "AUR", Scale: 8, Issuer: "bob"}, chain.Leg{Kind: chain.LegAsset, From: 5, Asset: aur, Arg: 8}, 0},
		{"an asset that is refused here", &envelope.AssetCreated{Deed: ok, Code: "BAD", Issuer: "bob"}, chain.Leg{}, chain.BadField},
		{"an issue", &envelope.Issued{Deed: ok, Asset: "AUR", Issuer: "bob", To: "alice", Amount: one}, chain.Leg{Kind: chain.LegIssue, From: 5, To: 4, Asset: aur, Amount: one}, 0},
		{"a redemption", &envelope.Redeemed{Deed: ok, Asset: "AUR", Issuer: "bob", Amount: one}, chain.Leg{Kind: chain.LegRedeem, From: 5, Asset: aur, Amount: one}, 0},
		{"a refusal", &envelope.Refusal{TimeMs: 1234, Request: *request, Outcome: chain.UnknownAccount}, chain.Leg{Kind: chain.LegRefused, Arg: chain.LegKeyed, Reference: reference}, 0},
		{"a round", &envelope.Round{Number: 77, TimeMs: 1234, Hash: [32]byte{5}}, chain.Leg{Kind: chain.LegRound, Amount: chain.Units(77), Reference: [32]byte{5}}, 0},
		{"a barrier", &envelope.Barrier{Generation: 3, TimeMs: 1234}, chain.Leg{Kind: chain.LegBarrier, Amount: chain.Units(3)}, 0},
		{"a block of ours", &envelope.Block{Height: 3}, chain.Leg{}, chain.BadKind},
	} {
		m := changeOf(record(1, c.change), known())
		switch {
		case c.stop != chain.OK:
			if m.stop == nil || m.stop.Outcome != c.stop || len(m.legs) > 0 {
				t.Errorf("%s: %+v, want a stop, %v", c.name, m, c.stop)
			}
		case c.leg == chain.Leg{}:
			if m.stop != nil || len(m.legs) > 0 {
				t.Errorf("%s: %+v, want nothing", c.name, m)
			}
		default:
			if m.stop != nil || len(m.legs) != chain.SyncRecordLegs || m.legs[0] != c.leg {
				t.Errorf("%s: %+v, want %+v", c.name, m, c.leg)
				continue
			}
			o, is := m.legs[1].Origin()
			if !is || o.Position != (chain.SyncPosition{Major: 9, Minor: 2}) || o.Tag != (chain.Hash{6}) || (o.Outcome != chain.OK) != (c.leg.Kind == chain.LegRefused) || c.leg.Kind != chain.LegBarrier && o.TimeMs != 1234 {
				t.Errorf("%s: origin %+v", c.name, o)
			}
			if d, is := c.change.(*envelope.Transfer); is && (o.Height != uint64(d.ID.Height) || o.Place != d.ID.Place()) {
				t.Errorf("%s: origin %+v", c.name, o)
			}
		}
	}
	if m := changeOf(record(0, &envelope.Barrier{Generation: 1}), known()); m.stop == nil || m.stop.Outcome != chain.BadOrigin {
		t.Error("a record without a home version", m)
	}
}

// TestNeeds: looking up comes before opening, opening before making, and nothing refused is asked for again.
func TestNeeds(t *testing.T) {
	pay := func(from, to, code string) envelope.Change {
		return &envelope.Transfer{From: from, To: to, Asset: code, Amount: chain.Units(1)}
	}
	refused := func(from string) envelope.Change {
		return &envelope.Transfer{Deed: envelope.Deed{Outcome: chain.InsufficientFunds}, From: from, To: "bob", Asset: "AUR", Amount: chain.Units(1)}
	}
	made := &envelope.AssetCreated{Code: "NONE", Issuer: "alice"}
	orphan := &envelope.AssetCreated{Code: "NONE", Issuer: "gone"}
	for _, c := range []struct {
		name    string
		changes []envelope.Change
		want    Need
	}{
		{"nothing", []envelope.Change{pay("alice", "bob", "AUR"), &envelope.Round{Number: 1}}, Need{}},
		{"to be looked up", []envelope.Change{pay("alice", "who", "EUR"), pay("gone", "who", "AUR"), made}, Need{Names: []string{"who"}, Codes: []string{"EUR"}}},
		{"to be opened, once", []envelope.Change{pay("alice", "gone", "AUR"), pay("bob", "gone", "AUR")}, Need{Open: []string{"gone"}}},
		{"to be made", []envelope.Change{made, pay("alice", "bob", "NONE")}, Need{Create: []*envelope.AssetCreated{made}}},
		{"to be made later", []envelope.Change{orphan}, Need{Open: []string{"gone"}}},
		{"never made", []envelope.Change{pay("alice", "bob", "NONE")}, Need{}},
		{"refused here", []envelope.Change{pay("alice", "barred", "BAD"), &envelope.AssetCreated{Code: "BAD", Issuer: "alice"}}, Need{}},
		{"refused there, who is not here", []envelope.Change{refused("gone"), refused("alice")}, Need{}},
		{"refused there, and then paid", []envelope.Change{refused("gone"), pay("alice", "gone", "AUR")}, Need{Open: []string{"gone"}}},
		{"refused there, not looked up", []envelope.Change{refused("who")}, Need{Names: []string{"who"}}},
	} {
		var records []*envelope.Record
		for _, change := range c.changes {
			records = append(records, record(1, change))
		}
		if got := NeedOf(records, known()); !reflect.DeepEqual(got, c.want) || got.Empty() != reflect.DeepEqual(c.want, Need{}) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestCut: a batch ends at its bound, at another home table and at what cannot be made; what says nothing goes along unsent.
func TestCut(t *testing.T) {
	pays := &envelope.Transfer{From: "alice", To: "bob", Asset: "AUR", Amount: chain.Units(1)}
	home := &envelope.Transfer{Deed: envelope.Deed{Outcome: chain.NotHome}}
	fee := &envelope.Transfer{From: "alice", To: "bob", Asset: "AUR", Fee: chain.Units(1)}
	for script, want := range map[string]string{ // p pays, h sent home, f fee; a digit is the home table from there on
		"1ppp":     "sent 3, taken 3",
		"1ppppppp": "sent 5, taken 5",
		"1pphp":    "sent 3, taken 4",
		"1hhh":     "sent 0, taken 3",
		"1pp2pp":   "sent 2, taken 2",
		"1ppfp":    "sent 2, taken 2, stop",
		"1f":       "sent 0, taken 0, stop",
		"1h2pp":    "sent 2, taken 3",
		"":         "sent 0, taken 0",
	} {
		var records []*envelope.Record
		table := uint64(0)
		for _, what := range script {
			switch what {
			case 'p':
				records = append(records, record(table, pays))
			case 'h':
				records = append(records, record(table, home))
			case 'f':
				records = append(records, record(table, fee))
			default:
				table = uint64(what - '0')
			}
		}
		b, taken, stop := Cut(records, known(), 5)
		got := "sent " + digit(len(b.Records)) + ", taken " + digit(taken)
		if stop != nil {
			got += ", stop"
		}
		if got != want || len(b.Legs) != chain.SyncRecordLegs*len(b.Records) || len(b.Records) > 0 && b.HomeVersion != b.Records[0].HomeVersion {
			t.Errorf("%s: %s, want %s", script, got, want)
		}
	}
	if b, _, _ := Cut(make([]*envelope.Record, 0), known(), 0); len(b.Legs) != 0 {
		t.Error("something of nothing")
	}
}

func digit(n int) string { return string(rune('0' + n)) }

// TestStopsNameNobody: what is told of a change that cannot be made goes to logs, and has no name.
func TestStopsNameNobody(t *testing.T) {
	h := &holdError{1, record(1, &envelope.Transfer{From: "alice", To: "barred"}), *changeOf(record(1, &envelope.Transfer{From: "alice", To: "barred", Asset: "AUR"}), known()).stop}
	if text := h.Error() + h.stop.Text; strings.Contains(text, "alice") || strings.Contains(text, "barred") {
		t.Error(text)
	}
}
