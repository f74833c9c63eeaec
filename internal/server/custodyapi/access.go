// SPDX-License-Identifier: Apache-2.0

package custodyapi

import "context"

// Access says who calls.
type Access interface {
	// Enter reads the caller from a call's metadata. Denied: it may not call at all.
	Enter(ctx context.Context) (Caller, error)
}

// Caller is who makes one call.
type Caller interface {
	// ID names the caller for ever: idempotency keys live under it.
	ID() string
	// May is Denied unless the caller may act for an account: pay from it, issue, redeem.
	May(account string) error
}

// Open lets everybody act for every account. It is for closed networks.
type Open struct{}

// Enter lets everybody in, under one name.
func (Open) Enter(context.Context) (Caller, error) { return anybody{}, nil }

type anybody struct{}

func (anybody) ID() string       { return "" }
func (anybody) May(string) error { return nil }
