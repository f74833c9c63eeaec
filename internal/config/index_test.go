// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// TestIndexURL wants a URL that names an index, and no password in it, of nodes and gateways.
func TestIndexURL(t *testing.T) {
	for _, c := range []struct {
		url string
		ok  bool
	}{
		{IndexSQLite, true}, {"postgres://u@h/d?passfile=/p", true}, {"", false}, {"SQLite", false}, {"postgres://u:seen@h/d", false}, {"http://h/", false},
	} {
		n, g := Default(), DefaultGateway()
		g.Validators = []string{"127.0.0.1:1"}
		n.Index.URL, g.Index.URL = c.url, c.url
		for _, err := range []error{n.Validate(), g.Validate()} {
			if (err == nil) != c.ok || err != nil && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "index.url") || strings.Contains(err.Error(), "seen")) {
				t.Errorf("%s: %v", c.url, err)
			}
		}
	}
}

// TestIndexAt gives each kind of index its rate, and leaves it on or off.
func TestIndexAt(t *testing.T) {
	off := Index{}
	if x := off.At("postgres://u@h/d"); x.Enabled || x.RowsPerSecondMax != IndexRowsPostgres {
		t.Errorf("%+v", x)
	}
	if x := DefaultGateway().Index.At("postgres://u@h/d").At(IndexSQLite); x != DefaultGateway().Index {
		t.Errorf("%+v", x)
	}
}
