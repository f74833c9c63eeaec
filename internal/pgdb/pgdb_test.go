// SPDX-License-Identifier: Apache-2.0

package pgdb

import (
	"context"
	"errors"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// TestURL refuses what is no database's URL, and never repeats what may be a password.
func TestURL(t *testing.T) {
	open := filepath.Join(t.TempDir(), "passfile")
	if err := os.WriteFile(open, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ url, want string }{
		{"postgres://u@h/d", ""},
		{"postgresql://u@h:5433/d?sslmode=verify-full", ""},
		{"mysql://u@h/d", "must begin with"},
		{"postgres://u:secret@h/d", "password"},
		{"postgres://u@h/d?password=secret", "password"},
		{"postgres:///d", "no host"},
		{"postgres://u@h/d?passfile=secret", "absolute"},
		{"://secret", "no URL"},
		{"postgres://u@h/d?passfile=" + open, "chmod 600"},
		{"postgres://u@h/d?passfile=" + open + ".none", "find the passfile"},
		{"postgres://u@h/d?sslmode=secret", "sslmode"},
	} {
		_, err := Connection(c.url, "test")
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) || err != nil && strings.Contains(strings.ReplaceAll(err.Error(), open, ""), "secret") {
			t.Errorf("%s: %v, want %q", c.url, err, c.want)
		}
	}
	cc, err := Connection("postgres://u@h/d?application_name=mine", "test")
	if err != nil || cc.RuntimeParams["application_name"] != "mine" || cc.ConnectTimeout != connectMax {
		t.Errorf("the URL's own words are %v, %v: %v", cc.RuntimeParams, cc.ConnectTimeout, err)
	}
}

// TestErrors tells what passes from what does not.
func TestErrors(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	server := func(code string) error { return &pgconn.PgError{Code: code} }
	for _, c := range []struct {
		ctx    context.Context
		err    error
		kind   fault.Kind
		reason string
	}{
		{t.Context(), server("40001"), fault.Unavailable, ReasonConflict},
		{t.Context(), server("40P01"), fault.Unavailable, ReasonConflict},
		{t.Context(), server("57P01"), fault.Unavailable, ReasonServer},
		{t.Context(), server("53100"), fault.Unavailable, ReasonServer},
		{t.Context(), server("25006"), fault.Unavailable, ReasonServer},
		{t.Context(), server("08006"), fault.Unavailable, ReasonConnection},
		{t.Context(), errors.New("broken pipe"), fault.Unavailable, ReasonConnection},
		{t.Context(), server("23505"), fault.Corrupt, "corrupt"},
		{t.Context(), server("4"), fault.Corrupt, "corrupt"},
		{t.Context(), fault.Reasoned(fault.Conflict, "own", "x"), fault.Conflict, "own"},
		{gone, server("57014"), fault.Timeout, "timeout"},
	} {
		err := Wrap(c.ctx, c.err, "do it", "do that")
		if !fault.Is(err, c.kind) || fault.ReasonOf(err) != c.reason {
			t.Errorf("%v: %v, reason %q", c.err, err, fault.ReasonOf(err))
		}
	}
	if err := WrapConnect(gone, errors.New("x"), "reach it"); !fault.Is(err, fault.Timeout) {
		t.Error(err)
	}
	if !IsCode(server(CodeNoTable), CodeNoSchema, CodeNoTable) || IsCode(errors.New(CodeNoTable), CodeNoTable) {
		t.Error("a code is not told")
	}
}

// TestAmount refuses numbers that are no amounts.
func TestAmount(t *testing.T) {
	most := new(big.Int).Lsh(big.NewInt(1), 128)
	for _, n := range []pgtype.Numeric{
		{}, {Valid: true, NaN: true, Int: big.NewInt(0)}, {Valid: true, Int: big.NewInt(-1)}, {Valid: true, Int: most}, {Valid: true, Int: big.NewInt(1), Exp: -1},
		{Valid: true, Int: big.NewInt(1), Exp: math.MaxInt32}, {Valid: true, Int: big.NewInt(1), InfinityModifier: pgtype.Infinity},
	} {
		if a, err := Amount(n, "x"); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%+v is %v: %v", n, a, err)
		}
	}
	a, err := Amount(pgtype.Numeric{Valid: true, Int: new(big.Int).Sub(most, big.NewInt(1))}, "x")
	if err != nil || a != (chain.Amount{Lo: math.MaxUint64, Hi: math.MaxUint64}) {
		t.Errorf("the largest is %v: %v", a, err)
	}
	if a, err := Amount(pgtype.Numeric{Valid: true, Int: big.NewInt(12), Exp: 3}, "x"); err != nil || a != chain.Units(12_000) {
		t.Errorf("12e3 is %v: %v", a, err)
	}
}
