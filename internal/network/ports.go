// SPDX-License-Identifier: Apache-2.0

package network

import (
	"net"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// freeAddresses returns both addresses if one can listen there now; others on the same hosts if not, unless they must be
// kept.
func freeAddresses(a, b string, keep bool) (string, string, error) {
	first, err := freeAddress(a, keep)
	if err != nil {
		return "", "", err
	}
	second, err := freeAddress(b, keep)
	for err == nil && second == first {
		second, err = freeAddress(anyPort(b), false)
	}
	return first, second, err
}

func freeAddress(address string, keep bool) (string, error) {
	if address == "" {
		return "", nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil && !keep {
		l, err = net.Listen("tcp", anyPort(address))
	}
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "cannot listen on %s", address)
	}
	address = l.Addr().String()
	return address, l.Close()
}

func anyPort(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, "0")
}
