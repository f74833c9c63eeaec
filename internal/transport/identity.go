// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// uriScheme begins the name of a validator in its certificate.
const uriScheme = "aurigraph"

// ValidatorURI names a validator of a chain, as its certificate's one URI: aurigraph://chain/<id>/validator/<no>, in
// decimal without leading zeros.
func ValidatorURI(id chain.ChainID, no chain.ValidatorNo) *url.URL {
	return &url.URL{Scheme: uriScheme, Host: "chain", Path: fmt.Sprintf("/%d/validator/%d", id, no)}
}

// CertifiedAs reads the validator's name out of a certificate. A certificate with none, several or a malformed one is
// Denied.
func CertifiedAs(c *x509.Certificate) (chain.ChainID, chain.ValidatorNo, error) {
	var id chain.ChainID
	var no chain.ValidatorNo
	if len(c.URIs) == 1 {
		n, err := fmt.Sscanf(c.URIs[0].Path, "/%d/validator/%d", &id, &no)
		if err == nil && n == 2 && c.URIs[0].String() == ValidatorURI(id, no).String() {
			return id, no, nil
		}
	}
	return 0, 0, fault.Reasoned(fault.Denied, "not_a_validator", "the certificate of %s names no validator: its one URI must be %s", c.Subject, ValidatorURI(1, 0))
}

// Identity is how a validator proves who it is, and whose proof it takes.
type Identity struct {
	Certificate tls.Certificate
	Authority   *x509.CertPool // the network's certificate authority
}

// LoadIdentity reads PEM files: the certificate chain, its key, and the network's authority. Invalid if they cannot be
// read or do not belong together.
func LoadIdentity(certFile, keyFile, authorityFile string) (Identity, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return Identity{}, fault.Wrap(fault.Invalid, err, "load certificate %s with key %s", certFile, keyFile)
	}
	text, err := os.ReadFile(authorityFile)
	if err != nil {
		return Identity{}, fault.Wrap(fault.Invalid, err, "read the network's certificate authority")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return Identity{}, fault.New(fault.Invalid, "%s holds no certificate in PEM", authorityFile)
	}
	return Identity{Certificate: cert, Authority: pool}, nil
}

// check makes sure that peers will take this identity for validator no, so that a wrong file is found at the start.
func (i Identity) check(id chain.ChainID, no chain.ValidatorNo) error {
	if len(i.Certificate.Certificate) == 0 || i.Authority == nil {
		return fault.New(fault.Invalid, "a validator needs a certificate and the network's authority")
	}
	var certs []*x509.Certificate
	for _, der := range i.Certificate.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "read this validator's certificate")
		}
		certs = append(certs, c)
	}
	for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		got, err := verifyPeer(certs, i.Authority, id, use)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "this validator's certificate is no good")
		}
		if got != no {
			return fault.New(fault.Invalid, "this validator is number %d, its certificate says %d", no, got)
		}
	}
	return nil
}

// verifyPeer checks a certificate chain and returns the validator it names.
func verifyPeer(certs []*x509.Certificate, authority *x509.CertPool, id chain.ChainID, use x509.ExtKeyUsage) (chain.ValidatorNo, error) {
	if len(certs) == 0 {
		return 0, fault.Reasoned(fault.Denied, "no_certificate", "the peer shows no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{
		Roots: authority, Intermediates: between, CurrentTime: time.Now(), KeyUsages: []x509.ExtKeyUsage{use},
	})
	if err != nil {
		return 0, &fault.Error{Kind: fault.Denied, Reason: verifyReason(err), Text: "the peer's certificate", Cause: err}
	}
	got, no, err := CertifiedAs(certs[0])
	if err != nil {
		return 0, err
	}
	if got != id {
		return 0, fault.Reasoned(fault.Denied, "wrong_chain", "the peer's certificate is for chain %d, this node is of %d", got, id)
	}
	return no, nil
}

func verifyReason(err error) string {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) {
		if invalid.Reason == x509.Expired {
			return "certificate_expired"
		}
		return "certificate_invalid"
	}
	return "wrong_authority"
}

// tlsConfig is mutual TLS 1.3. want judges the validator whom the peer's certificate names.
func (i Identity) tlsConfig(id chain.ChainID, peerUse x509.ExtKeyUsage, want func(chain.ValidatorNo) error) *tls.Config {
	return &tls.Config{
		MinVersion:                  tls.VersionTLS13,
		Certificates:                []tls.Certificate{i.Certificate},
		NextProtos:                  []string{protocolName},
		ClientAuth:                  tls.RequireAnyClientCert,
		InsecureSkipVerify:          true, // a validator is a URI, not a host name: VerifyConnection does it all
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			no, err := verifyPeer(s.PeerCertificates, i.Authority, id, peerUse)
			if err != nil {
				return err
			}
			return want(no)
		},
	}
}
