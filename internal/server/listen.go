// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// ConnectionsMaxDefault is the usual bound of one listener.
const ConnectionsMaxDefault = 512

// Listen opens a TCP address ("host:port"; port 0 is a free one) for at most connectionsMax open connections (0: the
// default). At the bound new ones wait until one closes. An address in use is Unavailable.
func Listen(address string, connectionsMax int) (net.Listener, error) {
	if connectionsMax <= 0 {
		connectionsMax = ConnectionsMaxDefault
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "listen on %s: is another node running there?", address)
	}
	return Limit(l, connectionsMax), nil
}
