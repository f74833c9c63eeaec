// SPDX-License-Identifier: Apache-2.0

package pgdb

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
)

// TestScratch makes two databases on one server: each is empty, and each goes with whoever is in it.
func TestScratch(t *testing.T) {
	s := pgserver.Start(t, pgserver.Options{})
	named := s.URL("postgres")
	var urls []string
	for range 2 {
		scratch, drop, err := Scratch(t.Context(), named)
		if err != nil {
			t.Fatal(err)
		}
		cc, err := Connection(scratch, "test")
		if err != nil {
			t.Fatal(err)
		}
		c, err := pgx.ConnectConfig(t.Context(), cc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(t.Context(), "CREATE TABLE t (a int)"); err != nil {
			t.Error(err)
		}
		defer func() {
			if err := drop(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := c.Exec(t.Context(), "SELECT 1"); err == nil {
				t.Error("whoever was in it still is")
			}
		}()
		urls = append(urls, scratch)
	}
	if urls[0] == urls[1] || urls[0] == named {
		t.Errorf("the databases are one: %v of %s", urls, named)
	}
}

// TestScratchRefused says what is missing, without a password.
func TestScratchRefused(t *testing.T) {
	if _, _, err := Scratch(t.Context(), "postgres://u:secret@h/d"); err == nil {
		t.Error("a password in a URL was taken")
	}
}
