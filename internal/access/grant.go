// SPDX-License-Identifier: Apache-2.0

package access

import (
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// accountsMax bounds the names, and the prefixes, of one grant.
const accountsMax = v10.APIKeyAccountsMax

// Grant is what somebody may do, as files say it.
type Grant struct {
	Roles    []string `json:"roles"`
	Accounts []string `json:"accounts,omitempty"`     // names that it may act for, byte for byte
	Prefixes []string `json:"prefixes,omitempty"`     // or that begin so
	All      bool     `json:"all_accounts,omitempty"` // or whatever they are called
	Limits   *Limits  `json:"limits,omitempty"`       // nil: those of Config
}

// permit is a Grant that was checked and is quick to ask.
type permit struct {
	roles    Roles
	names    map[string]struct{}
	prefixes []string
	all      bool
	limits   Limits
}

// compile checks a grant. A bound that it leaves open is that of otherwise.
func (g *Grant) compile(otherwise Limits) (*permit, error) {
	roles, err := ParseRoles(g.Roles)
	if err != nil {
		return nil, err
	}
	if len(g.Accounts) > accountsMax || len(g.Prefixes) > accountsMax {
		return nil, fault.Reasoned(fault.Invalid, "grant_oversized", "a grant names at most %d accounts and %d prefixes", accountsMax, accountsMax)
	}
	p := &permit{roles: roles, names: make(map[string]struct{}, len(g.Accounts)), prefixes: g.Prefixes, all: g.All, limits: otherwise}
	for _, name := range g.Accounts {
		if err := v10.CheckName("account", name); err != nil {
			return nil, err
		}
		p.names[name] = struct{}{}
	}
	for _, prefix := range g.Prefixes {
		// An empty one would be all accounts, without saying so.
		if err := v10.CheckName("prefix", prefix); err != nil {
			return nil, err
		}
	}
	if g.Limits != nil {
		if err := g.Limits.check(); err != nil {
			return nil, err
		}
		p.limits = g.Limits.over(otherwise)
	}
	return p, nil
}

// covers reports whether the grant names an account.
func (p *permit) covers(account string) bool {
	if p.all {
		return true
	}
	if _, ok := p.names[account]; ok {
		return true
	}
	for _, prefix := range p.prefixes {
		if strings.HasPrefix(account, prefix) {
			return true
		}
	}
	return false
}

// shown lists what a grant covers, for people: prefixes end in *.
func (g *Grant) shown() []string {
	all := append([]string{}, g.Accounts...)
	for _, prefix := range g.Prefixes {
		all = append(all, prefix+"*")
	}
	if g.All {
		all = append(all, "*")
	}
	return all
}
