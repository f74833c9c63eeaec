// SPDX-License-Identifier: Apache-2.0

package router

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestPublicPath(t *testing.T) {
	for path, want := range map[string]string{
		"":                               "",
		"/api/v10/accounts":              "/api/v10/accounts",
		"/api/v10/accounts/":             "/api/v10/accounts/",
		"/api/v10/accounts/alice":        "/api/v10/accounts/{id}",
		"/API/v10/Accounts/alice/x/y":    "/api/v10/accounts/{id}/x/y",
		"/api/v10/accounts/alice/":       "/api/v10/accounts/{id}/",
		"/api/v10/transactions/accounts": "/api/v10/transactions/accounts",
	} {
		if got := PublicPath(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestReadOutcome(t *testing.T) {
	o, err := ReadOutcome([]byte(`{"at":1.5,"id":"x","method":"POST","path":"/p","side":"v11","by":"slot","slot":7,"map":9,"status":200,"seconds":0.001,"server":"a:1","server_status":"200","more":1}`))
	want := Outcome{At: 1.5, ID: "x", Method: "POST", Path: "/p", Side: "v11", By: "slot", Slot: 7, Map: 9, Status: 200, Seconds: 0.001, Server: "a:1", ServerStatus: "200"}
	if err != nil || o != want {
		t.Errorf("%+v %v", o, err)
	}
	for _, line := range [][]byte{nil, []byte("nonsense"), []byte(`{"slot":65536}`), make([]byte, OutcomeBytesMax+1)} {
		if _, err := ReadOutcome(line); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.20s: %v", line, err)
		}
	}
}
