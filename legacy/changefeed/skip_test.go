// SPDX-License-Identifier: Apache-2.0

package changefeed

import (
	"bytes"
	"testing"

	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// TestSkipOverHTTP: only who has the sync key passes over a record, and the resolution can be read.
func TestSkipOverHTTP(t *testing.T) {
	key, stranger := syncKey(t, 1), syncKey(t, 2)
	w := open(t, key)
	w.ready(t)
	bad := payment(1 << 62)
	if code, l := w.call(t, "POST", "/apply", sealed(t, &key, bad)); code != 409 || l.Error.At != "5.0" {
		t.Fatal(code, l.Error)
	}
	skip := &envelope.Skip{
		Source: v11, Previous: bad.Previous, Position: bad.Position, Tag: bad.Tag, Kind: "transfer", Reason: "never was", By: "ann@ops",
	}
	by := func(k *envelope.Key) []byte {
		wire, err := envelope.SealSkip(k, skip)
		if err != nil {
			t.Fatal(err)
		}
		return wire
	}
	for _, c := range []struct {
		body   []byte
		code   int
		reason string
	}{
		{by(&stranger), 503, envelope.ReasonUnknownKey},
		{nil, 400, envelope.ReasonMalformed},
		{bytes.Repeat([]byte{'x'}, wordsBytesMax+1), 400, "invalid"},
	} {
		if code, l := w.call(t, "POST", "/skip", c.body); code != c.code || l.Error == nil || l.Error.Reason != c.reason {
			t.Errorf("%.40q: %d %+v", c.body, code, l.Error)
		}
	}
	for range 2 {
		if code, l := w.call(t, "POST", "/skip", by(&key)); code != 200 || l.Inbox.Position != "5.0" || l.Inbox.Tag != bad.Tag.String() {
			t.Fatal(code, l)
		}
	}
	if code, l := w.call(t, "GET", "/resolutions", nil); code != 200 || len(l.Resolutions) != 1 || l.Resolutions[0].Kind != ledger.KindSkip {
		t.Error(code, l)
	}
	for path, want := range map[string]int{"?after=1/5.0": 200, "?after=1/4.0": 200, "?after=0/1.0": 400, "?after=5.0": 400, "?after=x": 400} {
		if code, l := w.call(t, "GET", "/resolutions"+path, nil); code != want || path == "?after=1/5.0" && len(l.Resolutions) != 0 {
			t.Error(path, code, l)
		}
	}
}
