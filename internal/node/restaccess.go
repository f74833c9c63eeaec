// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"

	"google.golang.org/grpc/metadata"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/server/custodyapi"
)

// openAccess opens who may call, and the trail of what callers do.
func (r *rest) openAccess() (err error) {
	n, cfg := r.node, &r.node.cfg.Rest
	who, err := config.Access(n.cfg.Path(cfg.Access), cfg.Auth, cfg.Providers)
	if err != nil {
		return err
	}
	if r.guard, err = access.New(who, access.Parts{Log: n.log, Metrics: n.metrics}); err != nil || cfg.Audit == "" {
		return err
	}
	r.trail, err = trail.Open(trail.Config{Dir: n.cfg.Path(cfg.Audit), Tag: r.custody.AliasKey.Tag}, trail.Parts{Log: n.log, Metrics: n.metrics})
	return err
}

// runTrail writes the audit trail, if there is one, until ctx ends.
func (r *rest) runTrail(ctx context.Context) error {
	if r.trail == nil {
		return nil
	}
	return r.trail.Run(ctx)
}

// registerCustody adds the desk to the node's gRPC API, with the same trail as the REST edge.
func (r *rest) registerCustody() {
	n, door := r.node, custodyAccess{r.guard, r.serves}
	if r.trail == nil {
		custodyapi.Register(n.services.api, r.desk, door)
		return
	}
	custodyapi.RegisterAudited(n.services.api, r.desk, door, r.trail, n.log)
}

// custodyAccess says who calls the custody service: by the same headers as the REST edge, which gRPC has as metadata.
type custodyAccess struct {
	guard  *access.Guard
	serves func() bool
}

// rolesFor are the roles of which each act wants one; the REST edge has the same from its table.
var rolesFor = map[custodyapi.Act]access.Roles{
	custodyapi.ActRead:  access.Reader | access.Payer | access.Issuer | access.Admin | access.Gateway,
	custodyapi.ActOpen:  access.Payer | access.Issuer | access.Gateway,
	custodyapi.ActPay:   access.Payer | access.Gateway,
	custodyapi.ActIssue: access.Issuer | access.Gateway,
}

// Enter reads the caller from a call's metadata, and lets him in for what he has a role for.
func (a custodyAccess) Enter(ctx context.Context, what custodyapi.Act, payments int) (custodyapi.Caller, error) {
	if !a.serves() {
		return nil, fault.Reasoned(fault.Unavailable, "starting", "the node does not serve yet")
	}
	m, _ := metadata.FromIncomingContext(ctx)
	c, err := a.guard.EnterBy(ctx, access.Headers{APIKey: m.Get("x-api-key"), Authorization: m.Get("authorization")})
	if err != nil {
		return nil, err
	}
	if wanted := rolesFor[what]; !c.Roles().Has(wanted) {
		return nil, fault.Reasoned(fault.Denied, "role_denied", "this caller may not do this: it needs the role %s", wanted.Names()[0])
	}
	if payments > 0 {
		if err := c.Pay(payments); err != nil {
			return nil, err
		}
	}
	return c, nil
}
