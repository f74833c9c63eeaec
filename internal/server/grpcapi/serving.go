// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"sync/atomic"

	"google.golang.org/grpc/health/grpc_health_v1"

	custodyv1 "github.com/aurigraph/aurigraph/gen/aurigraph/custody/v1"
	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// serving says whether clients are let in. A node that is not let anything in takes no payments either: what it takes waits for it,
// while another node would have made it. Readers are answered. A stream of payments that is open already goes on: who wants no more of
// them ends the server.
type serving struct {
	now     atomic.Bool
	submits func(method string) bool // nil: none is refused
}

// admit refuses what pays while clients are not let in.
func (s *serving) admit(method string) error {
	if s.submits == nil || s.now.Load() || !s.submits(method) {
		return nil
	}
	return fault.Reasoned(fault.Unavailable, "not_serving", "this node takes no payments at the moment, nothing was done: send it to another, or again in a moment")
}

// submits reports whether a method, as it travels, changes something.
func submits(method string) bool { return paying[method] }

// deskReads are the methods of the Custody service that change nothing.
var deskReads = map[string]bool{"ResolveAccount": true, "NameAccounts": true}

var paying = func() map[string]bool {
	out := map[string]bool{}
	for _, m := range Methods() {
		out[m.Full] = !m.Reads && !m.Follows
	}
	for _, m := range custodyv1.Custody_ServiceDesc.Methods {
		out["/"+custodyv1.Custody_ServiceDesc.ServiceName+"/"+m.MethodName] = !deskReads[m.MethodName]
	}
	return out
}()

// SetServing sets what grpc.health.v1 answers, for the whole server and for the Ledger service. While it is false, payments are
// refused.
func (s *Server) SetServing(serving bool) {
	s.serving.now.Store(serving)
	state := grpc_health_v1.HealthCheckResponse_NOT_SERVING
	if serving {
		state = grpc_health_v1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", state)
	s.health.SetServingStatus(ledgerv1.Ledger_ServiceDesc.ServiceName, state)
}
