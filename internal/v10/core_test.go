// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestTheTableServesEnough(t *testing.T) {
	served, seen := 0, map[string]bool{}
	for _, e := range Endpoints() {
		seen[string(e.Group)] = true
		if e.Status == Served {
			served++
		}
	}
	if served < 80 {
		t.Errorf("%d rows are served, at least 80 are promised", served)
	}
	for _, g := range Groups() {
		if !seen[string(g)] {
			t.Errorf("group %s has no row", g)
		}
		delete(seen, string(g))
	}
	for g := range seen {
		t.Errorf("group %s is not in Groups", g)
	}
}

func TestEveryRowIsComplete(t *testing.T) {
	for _, e := range Endpoints() {
		name := e.Method + " " + e.Path
		switch {
		case e.Status == Served && e.Response == nil && e.Content == "":
			t.Errorf("%s says nothing of its answer", name)
		case e.Status == Served && e.Method == "GET" && e.Example == "" && e.Content != "websocket":
			t.Errorf("%s has no example", name)
		case e.Status == NotImplemented && missingTexts[e.Missing] == "":
			t.Errorf("%s does not say what is missing", name)
		case e.Method == "GET" && (e.Retry != RetryRead || e.AccountKey != KeyNone || e.Request != nil):
			t.Errorf("%s reads, and is described as if it wrote", name)
		case e.AccountKey != KeyNone && e.Retry != RetryKeyed && e.Retry != RetryNever:
			t.Errorf("%s debits, so nothing but a key makes a retry safe", name)
		}
	}
}

// TestMatchFindsEveryRow asks for each row under a path with values, in upper case, with a slash at the end.
func TestMatchFindsEveryRow(t *testing.T) {
	rows := Endpoints()
	for i := range rows {
		e := &rows[i]
		path := e.Path
		for _, name := range e.params {
			path = strings.Replace(path, "{"+name+"}", "V%2f"+name, 1)
		}
		for _, form := range []string{path, path + "/", strings.ReplaceAll(path, "/api/v10", "/API/v10")} {
			got, params, err := Match(e.Method, form)
			if err != nil || got != e {
				t.Fatalf("%s %s is not found: %v %v", e.Method, form, got, err)
			}
			for _, name := range e.params {
				if params.Get(name) != "V/"+name {
					t.Errorf("%s: {%s} is %q", form, name, params.Get(name))
				}
			}
		}
	}
}

func TestMatchPrefersFixedSegmentsAndFallsBack(t *testing.T) {
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/api/v10/blocks/latest", "/api/v10/blocks/latest"},
		{"GET", "/api/v10/blocks/17", "/api/v10/blocks/{height}"},
		{"GET", "/api/v10/blocks/latest/transactions", "/api/v10/blocks/{height}/transactions"},
		{"GET", "/api/v10/blocks/hash/transactions", "/api/v10/blocks/hash/{hash}"},
		{"GET", "/api/v10/transactions/batch", "/api/v10/transactions/{id}"},
		{"HEAD", "/HEALTH/", "/health"},
	} {
		e, _, err := Match(c.method, c.path)
		if err != nil || e.Path != c.want {
			t.Errorf("%s %s: %v %v, want %s", c.method, c.path, e, err, c.want)
		}
	}
}

func TestMatchRefuses(t *testing.T) {
	for _, c := range []struct {
		method, path string
		kind         fault.Kind
	}{
		{"GET", "", fault.NotFound},
		{"GET", "/", fault.NotFound},
		{"GET", "/api/v10/no-such", fault.NotFound},
		{"DELETE", "/api/v10/transactions", fault.NotFound},
		{"GET", "/api/v10/transactions//", fault.NotFound},
		{"GET", "/api/v10//transactions", fault.NotFound},
		{"GET", "/api/v10/accounts//balances", fault.NotFound},
		{"GET", "/api/v10/../../etc/passwd", fault.NotFound},
		{"GET", "/api/v10/accounts/" + strings.Repeat("a", PathBytesMax), fault.NotFound},
		{"GET", "/api/v10/accounts/a%2", fault.Invalid},
		{"GET", "/api/v10/accounts/%zz/balances", fault.Invalid},
	} {
		if _, _, err := Match(c.method, c.path); !fault.Is(err, c.kind) {
			t.Errorf("%s %q: %v, want %v", c.method, c.path, err, c.kind)
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	for _, path := range []string{"/api/v10/transactions", "/api/v10/accounts/alice/balances", "/api/v10/nothing"} {
		if n := testing.AllocsPerRun(100, func() { _, _, _ = Match("POST", path) }); n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}

func TestTxIDComesBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 5000 {
		id := TxID{Ms: r.Uint64() >> (i % 64), Height: chain.Height(r.Uint64() >> (i % 61)), Batch: r.Uint32N(1 << batchBits), Item: r.Uint32N(1 << itemBits)}
		text := id.String()
		back, err := ParseTxID(text)
		if err != nil || back != id {
			t.Fatalf("%+v is %s is %+v, %v", id, text, back, err)
		}
		if TxIDAt(id.Ms, id.Height, id.Place()) != id {
			t.Fatalf("%+v: place %d", id, id.Place())
		}
		if len(text) > TxIDBytesMax {
			t.Fatalf("%s is longer than %d", text, TxIDBytesMax)
		}
	}
}

// TestTxIDGolden pins the form: clients keep ids for good.
func TestTxIDGolden(t *testing.T) {
	for want, id := range map[string]TxID{
		"tx_0_000000000":                            {},
		"tx_1756894830456_00000mh34":                {Ms: 1756894830456, Height: 1},
		"tx_1756894830456_01ngx9kan":                {Ms: 1756894830456, Height: 123456, Batch: 59, Item: 8191},
		"tx_18446744073709551615_2fht89wgz4es7rshr": {Ms: math.MaxUint64, Height: math.MaxUint64, Batch: 127, Item: 8191},
	} {
		if got := id.String(); got != want || got != base36OfBig(id) {
			t.Errorf("%+v is %s, want %s, by definition %s", id, got, want, base36OfBig(id))
		}
	}
}

func TestTxIDHasOneSpelling(t *testing.T) {
	for _, s := range []string{
		"", "tx_", "tx_1", "tx_1_", "tx_1_12345678", "tx_01_123456789", "tx__123456789", "tx_1_0123456789", "tx_1_12345678A",
		"TX_1_123456789", "tx_1_12345678-", "tx_18446744073709551616_123456789", "tx_1_123456789_1", "tx_-1_123456789",
		"tx_1_zzzzzzzzzzzzzzzzz", "tx_1_100000000000000000", " tx_1_123456789",
	} {
		if id, err := ParseTxID(s); err == nil {
			t.Errorf("%q is taken for %+v", s, id)
		}
	}
}

func TestTimesAreThoseOfTheStandardLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 20000 {
		ms := r.Uint64N(TimeMsMax + 1)
		switch i {
		case 0:
			ms = 0
		case 1:
			ms = TimeMsMax
		}
		want := time.UnixMilli(int64(ms)).UTC().Format("2006-01-02T15:04:05.000Z")
		if got := Time(ms).String(); got != want {
			t.Fatalf("%d is %s, want %s", ms, got, want)
		}
		if back, err := ParseTime(want); err != nil || back != Time(ms) {
			t.Fatalf("%s is %d, %v", want, back, err)
		}
	}
	if Time(TimeMsMax+1) != TimeMsMax+1 || Time(math.MaxUint64).String() != Time(TimeMsMax).String() {
		t.Error("a time beyond the year 9999 is not written as the last one")
	}
}

func TestParseTime(t *testing.T) {
	for in, want := range map[string]int64{
		"1756894830456": 1756894830456, "2025-09-03": 1756857600000, "2025-09-03T10:20:30Z": 1756894830000,
		"2025-09-03T10:20:30.4Z": 1756894830400, "2025-09-03T10:20:30.456789Z": 1756894830456, "2024-02-29": 1709164800000,
		"2025-09-03T10:20:30+00:00": 1756894830000, "0": 0,
	} {
		if got, err := ParseTime(in); err != nil || got != Time(want) {
			t.Errorf("%s is %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "now", "-1", "2025-02-29", "2025-13-01", "2025-09-03T", "2025-09-03T10:20", "2025-09-03T10:20:30", "2025-09-03T24:00:00Z",
		"2025-09-03T10:20:30.Z", "1969-12-31", "9999999999999999", "2025-09-03T10:20:30.1234567890Z", "2025-00-10", "2025-09-00",
	} {
		if got, err := ParseTime(in); err == nil {
			t.Errorf("%q is taken for %v", in, got)
		}
	}
}

func TestETagIsThatOfExpress(t *testing.T) {
	for body, want := range map[string]string{
		"":            `W/"0-2jmj7l5rSw0yVb/vlWAYkK/YBwk"`,
		"Hello World": `W/"b-Ck1VqNd45QIvq3AZd8XYQLvEhtA"`,
	} {
		if got := string(AppendETag(nil, []byte(body))); got != want {
			t.Errorf("%q has %s, want %s", body, got, want)
		}
	}
	etag := `W/"b-Ck1VqNd45QIvq3AZd8XYQLvEhtA"`
	for header, want := range map[string]bool{
		"": false, "*": true, etag: true, `"b-Ck1VqNd45QIvq3AZd8XYQLvEhtA"`: true, `"x", ` + etag: true, `W/"x"`: false,
	} {
		if Fresh(header, etag) != want {
			t.Errorf("If-None-Match: %s, fresh %v", header, !want)
		}
	}
}

func TestEveryKindHasACode(t *testing.T) {
	for _, k := range fault.Kinds() {
		if p := ProblemOf(fault.New(k, "text")); p.Code < 400 || p.Text == "" {
			t.Errorf("%v: %+v", k, p)
		}
	}
	for _, o := range chain.Outcomes() {
		if p := ProblemOfOutcome(o); p.Code < 400 || p.Text == "" {
			t.Errorf("%v: %+v", o, p)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		p    Problem
		f    Family
		want string
	}{
		{ProblemOf(errNoEndpoint), FamilyPlain, `{"error":"Endpoint not found"}`},
		{ProblemOf(errNoEndpoint), FamilySuccess, `{"success":false,"error":"Endpoint not found"}`},
		{ProblemOf(fault.New(fault.Internal, "the disk /dev/x is gone")), FamilyPlain, `{"error":"Internal server error"}`},
		{ProblemOfMissing(MissingAI), FamilyPlain, `{"error":"Not implemented: there is no AI engine yet","missing":"ai"}`},
		{ProblemOfOutcome(chain.InsufficientFunds), FamilyPlain, `{"error":"Insufficient balance"}`},
	} {
		got := c.p.Append(nil, c.f)
		if string(got) != c.want || !json.Valid(got) {
			t.Errorf("%+v: %s, want %s", c.p, got, c.want)
		}
	}
	if p := ProblemOf(fault.Reasoned(fault.TryLater, ReasonRate, "x")); p.Code != 429 || p.RetryAfterS == 0 {
		t.Errorf("a rate limit is %+v", p)
	}
}

// TestLegacyIDs: all that a block can name lies below what a round of V10 begins with.
func TestLegacyIDs(t *testing.T) {
	last := TxID{Ms: 5, Height: 7, Batch: chain.EntriesPerBlockMax - 1, Item: chain.BatchLegsMax - 1}
	if last.Legacy() || !TxIDAt(5, 7, LegacyPlaceMin).Legacy() {
		t.Errorf("%s and %s may be ids of one ledger", last, TxIDAt(5, 7, LegacyPlaceMin))
	}
}
