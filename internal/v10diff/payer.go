// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// What a payer must be able to pay, and how many accounts are tried.
const (
	payerAUR       = 2000
	payersTriedMax = 100
)

// payer is the account of $PAYER: the one that was named, or the first of the server's that could pay now.
func (c *caller) payer(ctx context.Context) (string, error) {
	if c.server.Payer != "" {
		return c.server.Payer, nil
	}
	names, err := c.accounts(ctx)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		able, err := c.canPay(ctx, name)
		if err != nil || able {
			return name, err
		}
	}
	return "", fault.New(fault.NotFound, "%s: none of the first %d accounts can pay %d AUR: name one that can", c.server.URL, len(names), payerAUR)
}

// canPay asks whether an account has enough, and lets it pay the least there is: an account whose key the server does not hold may
// have enough as well.
func (c *caller) canPay(ctx context.Context, name string) (bool, error) {
	for _, try := range []struct {
		path, member string
		amount       any
		want         any
	}{{"/api/v10/transactions/estimate", "accepted", payerAUR, true}, {"/api/v10/transactions", "status", "0.00000001", v10.StatusSubmitted}} {
		body := v10.Marshal(map[string]any{"from": name, "to": "probe-" + c.vars["RUN"], "amount": try.amount})
		got, err := c.ask(ctx, concrete{method: http.MethodPost, target: try.path, body: string(body)})
		if err != nil {
			return false, fault.Wrap(fault.Unavailable, err, "interrupted")
		}
		if got.status != http.StatusOK || lookUp(got.body, pattern{try.member}) != try.want {
			return false, nil
		}
	}
	return true, nil
}

func (c *caller) accounts(ctx context.Context) (names []string, err error) {
	got, err := c.ask(ctx, concrete{method: "GET", target: fmt.Sprintf("/api/v10/accounts?limit=%d", payersTriedMax)})
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "interrupted")
	}
	list, _ := lookUp(got.body, pattern{"accounts"}).([]any)
	for _, one := range list {
		if name, ok := lookUp(one, pattern{"account"}).(string); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}
