// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestPublic keeps what is inside inside.
func TestPublic(t *testing.T) {
	secret := errors.New("secret: /var/lib")
	for want, err := range map[string]error{
		"no such asset":      New(NotFound, "no such asset"),
		"read it":            Wrap(Unavailable, secret, "read it"),
		"pay: no such payer": Wrap(NotFound, New(NotFound, "no such payer"), "pay"),
		"pay":                Wrap(Invalid, fmt.Errorf("secret: %w", secret), "pay"),
		PublicInternal:       secret,
		"\u003f not UTF-8":   New(Invalid, "\xff not UTF-8"),
		"the call ended before its answer was known": context.DeadlineExceeded,
	} {
		if got := Public(err); got != want || strings.Contains(got, "secret") {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
	if got := Public(Wrap(Internal, secret, "secret")); got != PublicInternal {
		t.Error(got)
	}
	if got := Public(New(Invalid, "x%s", strings.Repeat("é", PublicBytesMax))); len(got) != PublicBytesMax-1 || !utf8.ValidString(got) {
		t.Errorf("%d bytes", len(got))
	}
}
