// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
)

// NewPass makes an edge, with New's bounds, whose calls somebody else answers: pass is called for every method that is not
// health or reflection, unary ones too, and receives and sends Frame or generated messages. It reports NOT_SERVING until
// SetServing. A unary call counts as an open stream of its peer.
func NewPass(cfg Config, pass grpc.StreamHandler, registerer prometheus.Registerer) *Server {
	cfg.setDefaults()
	s := newServer(&cfg, newGate(&cfg, registerer), grpc.UnknownServiceHandler(pass))
	reflectionv1.RegisterServerReflectionServer(s.grpc, reflection.NewServerV1(reflection.ServerOptions{Services: listed{}}))
	return s
}

// listed is the services that a passing edge answers for, as reflection lists them.
type listed struct{}

// GetServiceInfo lists them; the descriptors are those of the generated code.
func (listed) GetServiceInfo() map[string]grpc.ServiceInfo {
	return map[string]grpc.ServiceInfo{ledgerv1.Ledger_ServiceDesc.ServiceName: {}, grpc_health_v1.Health_ServiceDesc.ServiceName: {}}
}

// methodUnknown stands in counters for what no service here has: a client must not make series by inventing names.
const methodUnknown = "unknown"

var methodNames = func() map[string]string {
	names := map[string]string{}
	for _, s := range []grpc.ServiceDesc{
		ledgerv1.Ledger_ServiceDesc, grpc_health_v1.Health_ServiceDesc, reflectionv1.ServerReflection_ServiceDesc, reflectionv1alpha.ServerReflection_ServiceDesc,
	} {
		for _, m := range s.Methods {
			names["/"+s.ServiceName+"/"+m.MethodName] = m.MethodName
		}
		for _, m := range s.Streams {
			names["/"+s.ServiceName+"/"+m.StreamName] = m.StreamName
		}
	}
	return names
}()

// methodName is a method as counters name it.
func methodName(full string) string {
	if name, ok := methodNames[full]; ok {
		return name
	}
	return methodUnknown
}

// Method is a method of the Ledger service.
type Method struct {
	Name  string // without the service
	Full  string // as it travels
	Unary bool
	Reads bool // unary, and changes nothing: it may be asked of another node again
	// Follows: the client only listens, and the call ends when it leaves or the node stops.
	Follows bool
}

// Methods lists the methods of the Ledger service, by name.
func Methods() []Method {
	byName := map[string]Method{}
	full := func(name string) string { return "/" + ledgerv1.Ledger_ServiceDesc.ServiceName + "/" + name }
	for _, m := range ledgerv1.Ledger_ServiceDesc.Methods {
		byName[m.MethodName] = Method{Name: m.MethodName, Full: full(m.MethodName), Unary: true, Reads: m.MethodName != "SubmitTransaction"}
	}
	for _, m := range ledgerv1.Ledger_ServiceDesc.Streams {
		byName[m.StreamName] = Method{Name: m.StreamName, Full: full(m.StreamName), Follows: !m.ClientStreams}
	}
	var all []Method
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, byName[name])
	}
	return all
}
