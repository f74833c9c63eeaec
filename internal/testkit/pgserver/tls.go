// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const certificateDays = 2

// CA is the file with the certificate of the authority that vouches for a server with TLS.
func (s *Server) CA() string { return filepath.Join(s.dir, "ca.pem") }

func (s *Server) tls() bool { return slices.Contains(s.settings, "ssl=on") }

// certify makes an authority and the server's certificate for 127.0.0.1.
func (s *Server) certify() {
	s.t.Helper()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(0, 0, certificateDays), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.must(err)
	s.write(s.CA(), ca, ca, caKey, caKey)
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "postgres"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.must(err)
	cert, private := filepath.Join(s.dir, "server.pem"), filepath.Join(s.dir, "server.key")
	s.write(cert, server, ca, key, caKey)
	der, err := x509.MarshalECPrivateKey(key)
	s.must(err)
	s.must(os.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600))
	s.own(cert)
	s.own(private)
	s.settings = append(s.settings, "ssl=on", "ssl_cert_file="+cert, "ssl_key_file="+private)
}

func (s *Server) write(path string, c, parent *x509.Certificate, key, by *ecdsa.PrivateKey) {
	s.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	s.must(err)
	s.must(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
}
