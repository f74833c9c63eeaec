// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/devbroker"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// TestBenchSync measures a little of everything on a pair of real processes: what is paid on either ledger is on both, once, and a broker
// that others use has nothing of the bench's at the end.
func TestBenchSync(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a pair for half a minute")
	}
	broker, err := devbroker.Start(devbroker.Config{Dir: t.TempDir(), Unsynced: true})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	others := bus.Config{Brokers: []string{broker.Address()}, KeyFiles: []string{write(t, filepath.Join(t.TempDir(), "sync.key"), strings.Repeat("5a", 32)+"\n")}}
	if err := bus.Init(t.Context(), others, bus.DefaultSettings()); err != nil { // what another network left
		t.Fatal(err)
	}
	before, err := bus.Topics(t.Context(), others)
	if err != nil {
		t.Fatal(err)
	}
	a := answer(t, exitDone, "bench", "sync", "--kafka", broker.Address(), "--rate", "100", "--duration", "2s", "--step", "2s", "--sustain", "400", "--accounts", "64", "--hops")
	for _, name := range []string{
		"v10_to_v11_ms.p50", "v10_to_v11_ms.p99", "v11_to_v10_ms.p50", "v11_to_v10_ms.p99", "all_v10_to_v11_ms.samples", "all_v11_to_v10_ms.samples",
		"told_v11_ms.samples", "topic_v10_ms.p99", "topic_v11_ms.p99", "ack_v10_ms.p50", "ack_v11_ms.p50", "accounts",
	} {
		if figure(t, a, name) <= 0 {
			t.Errorf("%s: %v", name, a)
		}
	}
	for _, name := range []string{"lost", "duplicated", "altered", "one_sided", "foreign", "balances_differ", "samples_missed"} {
		if figure(t, a, name) != 0 {
			t.Errorf("%s: %v", name, a)
		}
	}
	// 2 s of 100 a second at each and then at both, and what warmed up before; then at least a step of the search.
	if figure(t, a, "acked") < 700 || figure(t, a, "v10_to_v11_ms.samples") < 30 || len(a["steps"].([]any)) < 4 || len(a["processes"].([]any)) != 8 {
		t.Errorf("%v", a)
	}
	left, err := bus.Topics(t.Context(), others)
	if err != nil || !slices.Equal(left, before) {
		t.Errorf("topics %v at the end, before %v; %v", left, before, err)
	}
}

func TestBenchSyncUsage(t *testing.T) {
	for line, text := range map[string]string{
		"bench sync --kafka here":     `--kafka "here", must be embedded or HOST:PORT`,
		"bench sync --rate 1":         "--rate 1, must be 100 to",
		"bench sync --duration 1ms":   "--duration 1ms, must be 1s to",
		"bench sync --v10-store none": "--v10-store",
		"bench sync --index mysql":    "--index must be",
		"bench sync --sustain -1":     "--sustain -1, must be 0 to",
		"bench sync x":                `"x" is one`,
	} {
		if r := want(t, exitRefused, strings.Fields(line)...); !strings.Contains(r.err, text) {
			t.Errorf("%s: %s", line, r.err)
		}
	}
}

// TestHalf: V10 owns half of the slots, the treasury's among them.
func TestHalf(t *testing.T) {
	h, slot := half(), keys.AliasSlot(ledger.Treasury)
	if int(h.To)-int(h.From)+1 != chain.SlotsMax/2 || slot < h.From || slot > h.To {
		t.Errorf("%+v, the treasury is in %d", h, slot)
	}
}

// TestHomesOf: V10 is told of all slots whose they are, those of named accounts too.
func TestHomesOf(t *testing.T) {
	owner := func(owned []chain.SlotRange, slot uint16) (other bool) {
		for _, m := range homesOf(owned) {
			if m.Version != firstHomes || m.From > m.To {
				t.Errorf("%+v", m)
			}
			if m.From <= slot && slot <= m.To {
				other = m.Other
			}
		}
		return other
	}
	for _, test := range []struct {
		owned []chain.SlotRange
		slot  uint16
		other bool
	}{
		{nil, 5, true}, {[]chain.SlotRange{{From: 0, To: chain.SlotsMax - 1}}, 9999, false}, {[]chain.SlotRange{{From: 5, To: 7}, {From: 9, To: 9}}, 9, false},
		{[]chain.SlotRange{{From: 5, To: 7}, {From: 9, To: 9}}, 8, true}, {[]chain.SlotRange{{From: 9990, To: 12_000}}, 9999, false}, {[]chain.SlotRange{{From: 10_000, To: 12_000}}, 9999, true},
		{[]chain.SlotRange{{From: 10_000, To: 12_000}}, 10_500, false},
	} {
		if got := owner(test.owned, test.slot); got != test.other {
			t.Errorf("%v, slot %d: V11's %v", test.owned, test.slot, got)
		}
	}
}
