// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/hop"
)

// TestCallers counts who comes to V10's door when V10 owns nothing any more, by whom and for what, and shows no credential.
func TestCallers(t *testing.T) {
	w := newWorld(t)
	w.guard()
	const id = "abcdefghijklmnop"
	key := "ak_" + id + "_" + strings.Repeat("a", 52)
	w.pay(alice, "shop", "X-API-Key", key) // V10's own client
	all := chain.SlotRange{From: 0, To: chain.SlotsMax - 1}
	w.fences(1, all)
	version := w.moves.make(ToV11, 3, all)
	w.until("moved", func() bool { return w.Status().HomeVersion == version })
	w.pay(alice, "shop", "X-API-Key", key)
	w.pay(alice, "shop", "Authorization", "Bearer "+key)
	w.call("GET", w.rest+"/api/v10/assets", "", "X-API-Key", key)
	w.call("GET", w.rest+"/api/v10/accounts/"+alice, "", "X-API-Key", "hunter2")
	w.call("DELETE", w.rest+"/nowhere", "")
	w.call("GET", w.rest+"/api/v10/assets", "", "X-API-Key", key, hop.Header, "1")
	w.call("GET", w.rest+"/api/v10/health", "", "X-API-Key", "probe")
	a := w.call("GET", w.control+"/callers", "")
	var got Callers
	must(t, json.Unmarshal([]byte(a.body), &got))
	if strings.Contains(a.body, "hunter2") || strings.Contains(a.body, key[len(key)-52:]) {
		t.Errorf("it tells what was shown: %s", a.body)
	}
	if len(got.Callers) != 3 || got.SinceMs == 0 {
		t.Fatalf("%s, want three callers", a.body)
	}
	for i, want := range []CallerSeen{
		{Caller: "address/127.0.0.1", Requests: 1, Classes: map[string]uint64{"other": 1}},
		{Caller: "key/" + id, Requests: 3, Classes: map[string]uint64{"POST /api/v10/transactions": 2, "GET /api/v10/assets": 1}},
		{Caller: got.Callers[2].Caller, Requests: 1, Classes: map[string]uint64{"GET /api/v10/accounts/{id}": 1}},
	} {
		c := got.Callers[i]
		if late := time.Since(time.UnixMilli(int64(c.LastSeenMs))); late < 0 || late > time.Minute {
			t.Errorf("%s was seen %s ago", c.Caller, late)
		}
		if c.LastSeenMs = 0; !reflect.DeepEqual(c, want) {
			t.Errorf("%+v, want %+v", c, want)
		}
	}
	if !strings.HasPrefix(got.Callers[2].Caller, "other/") {
		t.Error(got.Callers[2])
	}
}

// TestCallersAreBounded: whoever is one too many is counted with the others, and none is lost.
func TestCallersAreBounded(t *testing.T) {
	c := newCallers(time.Unix(1, 0))
	c.max = 3
	for i := range 10 {
		for range 2 {
			r := httptest.NewRequest("GET", "/x", nil)
			r.Header.Set("X-API-Key", fmt.Sprint("secret-", i))
			c.note(r, nil, time.Unix(int64(i), 0))
		}
	}
	all := c.list()
	sum := uint64(0)
	for _, s := range all.Callers {
		sum += s.Requests
	}
	if len(all.Callers) != 4 || sum != 20 || all.Callers[3].Caller != callerOthers || all.Callers[3].Requests != 14 || all.Callers[3].LastSeenMs != 9000 {
		t.Errorf("%+v", all)
	}
}
