// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/tls"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// TLSFiles are the paths of a server's certificate chain and private key, PEM.
type TLSFiles struct{ Cert, Key string }

// Load reads the files into a server configuration: TLS 1.3 only. The key exchange is the Go default, which prefers
// X25519MLKEM768, so recorded traffic stays closed to a later quantum computer. Files that cannot be read or do not
// belong together are Invalid.
func (f TLSFiles) Load() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "load certificate %s with key %s", f.Cert, f.Key)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{cert},
		NextProtos:   []string{"h2"},
	}, nil
}
