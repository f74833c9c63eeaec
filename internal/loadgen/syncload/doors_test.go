// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

func TestBalanceIn(t *testing.T) {
	for body, want := range map[string]uint64{
		`{"account":"A","balances":[{"asset":"AUR","amount":60}],"total":1}`:                                6_000_000_000,
		`{"account":"A","balances":[{"asset":"EUR","amount":1},{"asset":"AUR","amount":0.00000042}],"t":2}`: 42,
		`{"account":"A","balances":[],"total":0}`:                                                           0,
	} {
		if got, err := balanceIn([]byte(body)); err != nil || got != want {
			t.Errorf("%s: %d, %v", body, got, err)
		}
	}
	for _, body := range []string{`{"asset":"AUR","amount":1`, `{"asset":"AUR","amount":x}`, `{"asset":"AUR","amount":0.000000001}`} {
		if _, err := balanceIn([]byte(body)); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestPaidOf: what a batch's answer says was made is made, and the rest is told.
func TestPaidOf(t *testing.T) {
	id := v10.TxIDAt(7, 8, 9)
	made := v10.BatchResult{TransactionID: id.String(), Status: v10.StatusSubmitted}
	asked := []Payment{{1, 2, 3}, {4, 5, 6}}
	for name, test := range map[string]struct {
		results []v10.BatchResult
		reason  string
		made    int
	}{
		"all":       {[]v10.BatchResult{made, made}, "", 2},
		"one":       {[]v10.BatchResult{{Status: v10.StatusRefused, Error: "no"}, made}, "item_refused", 1},
		"not known": {[]v10.BatchResult{made, {Status: v10.StatusUnknown}}, "item_unknown", 1},
	} {
		var got []Payment
		err := paidOf(&v10.BatchAnswer{Results: test.results}, asked, func(is v10.TxID, p Payment) {
			if got = append(got, p); is != id {
				t.Errorf("%s: %s", name, is)
			}
		})
		if (err != nil) != (test.reason != "") || err != nil && fault.ReasonOf(err) != test.reason || len(got) != test.made || got[len(got)-1] != asked[1] && test.reason != "item_unknown" {
			t.Errorf("%s: %v, %v", name, err, got)
		}
	}
	for _, results := range [][]v10.BatchResult{{made}, {made, {TransactionID: "tx", Status: v10.StatusSubmitted}}} {
		if err := paidOf(&v10.BatchAnswer{Results: results}, asked, func(v10.TxID, Payment) {}); err == nil {
			t.Errorf("%+v passes", results)
		}
	}
}

// TestAccounts: payers live where they pay, nobody pays himself, payees of samples are paid by nobody else, and the same seed draws the
// same payments.
func TestAccounts(t *testing.T) {
	owned := func(slot uint16) bool { return slot < 5000 }
	a := newAccounts(200, 30, owned, "F")
	if len(a.names) != 2*200+2*30+1 || a.names[a.funder()] != "F" || len(a.number) != len(a.names) {
		t.Fatalf("%d accounts", len(a.names))
	}
	for side := range Side(sides) {
		d, again := &drawn{accounts: a, side: side, seed: 5}, &drawn{accounts: a, side: side, seed: 5}
		paid := map[uint32]bool{}
		for range 2000 {
			p := d.payment()
			if owned(keys.AliasSlot(a.names[p.From])) != (side == V10) || p.From == p.To || p.To >= 400 || p.Units < 1 || p.Units > unitsMax || p != again.payment() {
				t.Fatalf("%s: %+v", side, p)
			}
			paid[p.To] = true
		}
		if len(paid) < 350 {
			t.Errorf("%s pays %d accounts", side, len(paid))
		}
	}
	seen := map[uint32]bool{}
	for side := range Side(sides) {
		for i := range 30 {
			no := a.payee(side, i)
			if seen[no] || no < 400 || no >= a.funder() {
				t.Errorf("%s %d: %d", side, i, no)
			}
			seen[no] = true
		}
	}
}

func TestConfig(t *testing.T) {
	good := DefaultConfig()
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Config){
		"kafka": func(c *Config) { c.Kafka = "" }, "rate": func(c *Config) { c.Rate = 1 }, "duration": func(c *Config) { c.Duration = 0 },
		"step": func(c *Config) { c.Step = 0 }, "sustain": func(c *Config) { c.SustainMax = -1 }, "accounts": func(c *Config) { c.Accounts = 1 },
	} {
		bad := good
		if change(&bad); !fault.Is(bad.Validate(), fault.Invalid) {
			t.Errorf("%s passes", name)
		}
	}
	for d, want := range map[time.Duration]int{15 * time.Second: 16, 20 * time.Second: 12, time.Minute: sampleRateMin, time.Second: sampleRateMax} {
		c := good
		if c.Duration = d; c.sampleRate() != want || float64(c.samplesMax()) < float64(want)*d.Seconds() {
			t.Errorf("%s: %d a second, %d", d, c.sampleRate(), c.samplesMax())
		}
	}
	if steps := good.steps(); len(steps) != 3 || steps[0] != 5312 || steps[2] != 21_250 {
		t.Error(steps)
	}
	good.SustainMax = 800
	if steps := good.steps(); len(steps) != 1 || steps[0] != 800 {
		t.Error(steps)
	}
	if good.SustainMax = 0; good.steps() != nil {
		t.Error("a search was not asked for")
	}
}

// TestReportFails: each thing that is wrong fails a run.
func TestReportFails(t *testing.T) {
	good := func() *Report {
		r := newReport(DefaultConfig(), &Target{})
		r.V10ToV11.Samples, r.V11ToV10.Samples = 1, 1
		return r
	}
	if why := good().Failed(); why != "" {
		t.Error(why)
	}
	for name, spoil := range map[string]func(*Report){
		"lost": func(r *Report) { r.Lost = 1 }, "doubled": func(r *Report) { r.Duplicated = 1 }, "altered": func(r *Report) { r.Altered = 1 },
		"one-sided": func(r *Report) { r.OneSided = 1 }, "foreign": func(r *Report) { r.Foreign = 1 }, "balances": func(r *Report) { r.BalancesDiffer = 1 },
		"missed": func(r *Report) { r.Missed = 1 }, "not sampled": func(r *Report) { r.V11ToV10.Samples = 0 },
	} {
		r := good()
		if spoil(r); r.Failed() == "" {
			t.Errorf("%s passes", name)
		}
	}
}
