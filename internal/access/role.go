// SPDX-License-Identifier: Apache-2.0

package access

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Roles is a set of what a caller may do. Each has what the reader has, but for the gateway over REST, and none has what another has:
// who keeps the keys pays from no account by that.
type Roles uint8

// The roles.
const (
	Reader Roles = 1 << iota // reads
	Payer                    // pays from its accounts, opens accounts
	Issuer                   // creates, issues and redeems assets for its accounts
	Admin                    // keeps API keys, reads the server's condition
	// Gateway pays, opens and issues for any account over gRPC, for callers that it has identified itself and names. It is for the
	// key of a gateway, and no person's.
	Gateway
)

var roleNames = []string{"reader", "payer", "issuer", "admin", "gateway"}

// ParseRoles reads a list of role names. Invalid: one is none, or the list is empty.
func ParseRoles(names []string) (Roles, error) {
	var r Roles
	for _, name := range names {
		at := slices.Index(roleNames, name)
		if at < 0 {
			return 0, fault.Reasoned(fault.Invalid, "role_unknown", "%q is no role: use reader, payer, issuer, admin or gateway", name)
		}
		r |= 1 << at
	}
	if r.Has(Gateway) && r != Gateway {
		return 0, fault.Reasoned(fault.Invalid, "role_mixed", "the role gateway goes alone: a gateway is nobody's key")
	}
	if r == 0 {
		return 0, fault.Reasoned(fault.Invalid, "role_missing", "name at least one role: reader, payer, issuer, admin or gateway")
	}
	return r, nil
}

// Names lists the roles of a set.
func (r Roles) Names() []string {
	names := []string{}
	for at, name := range roleNames {
		if r&(1<<at) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Has reports whether r has one of the roles of some.
func (r Roles) Has(some Roles) bool { return r&some != 0 }
