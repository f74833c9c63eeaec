// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// certificateLead is how far a certificate begins in the past, because clocks differ.
const certificateLead = time.Hour

// Authority is a certificate authority that vouches for validators.
type Authority struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// NewAuthority makes an authority with an ECDSA P-256 key, for networks that have none of their own.
func NewAuthority(name string, lifetime time.Duration) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the authority's key")
	}
	template := certificateTemplate(name, lifetime)
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "make the authority's certificate")
	}
	cert, err := x509.ParseCertificate(der)
	return &Authority{Certificate: cert, Key: key}, fault.Wrap(fault.Internal, err, "read the authority's certificate")
}

// Issue makes a new key and the certificate by which peers know a validator, as client and server.
func (a *Authority) Issue(id chain.ChainID, no chain.ValidatorNo, lifetime time.Duration) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fault.Wrap(fault.Unavailable, err, "make the key of validator %d", no)
	}
	template := certificateTemplate(fmt.Sprintf("aurigraph validator %d", no), lifetime)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.URIs = []*url.URL{ValidatorURI(id, no)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.Certificate, key.Public(), a.Key)
	if err != nil {
		return tls.Certificate{}, fault.Wrap(fault.Invalid, err, "certify validator %d", no)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// IssueServer makes a new key and the certificate by which clients know a server; hosts are its names and IP addresses.
// It names no validator, so peers do not take it.
func (a *Authority) IssueServer(name string, hosts []string, lifetime time.Duration) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fault.Wrap(fault.Unavailable, err, "make the key of %s", name)
	}
	template := certificateTemplate(name, lifetime)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.Certificate, key.Public(), a.Key)
	if err != nil {
		return tls.Certificate{}, fault.Wrap(fault.Invalid, err, "make a certificate for %v", hosts)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// Pool is the authority as an Identity holds it.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate)
	return pool
}

func certificateTemplate(name string, lifetime time.Duration) *x509.Certificate {
	var serial [16]byte
	rand.Read(serial[:])
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:]),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-certificateLead),
		NotAfter:     now.Add(lifetime),
	}
}

// WriteCertificate writes a certificate (mode 0644) and its key (0600) as the PEM files that LoadIdentity reads. Files
// that are there are not overwritten: Conflict.
func WriteCertificate(certFile, keyFile string, c tls.Certificate) error {
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "encode the key of %s", certFile)
	}
	if err := writePEM(keyFile, 0o600, "PRIVATE KEY", key); err != nil {
		return err
	}
	return writePEM(certFile, 0o644, "CERTIFICATE", c.Certificate...)
}

// WriteAuthority writes the authority's certificate, without its key, for LoadIdentity.
func WriteAuthority(file string, a *Authority) error {
	return writePEM(file, 0o644, "CERTIFICATE", a.Certificate.Raw)
}

func writePEM(file string, mode os.FileMode, kind string, blocks ...[]byte) error {
	var text []byte
	for _, der := range blocks {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if os.IsExist(err) {
		return fault.Wrap(fault.Conflict, err, "%s is there already: remove it to make a new one", file)
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "write %s", file)
	}
	_, err = f.Write(text)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return fault.Wrap(fault.Unavailable, err, "write %s", file)
}
