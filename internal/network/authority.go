// SPDX-License-Identifier: Apache-2.0

package network

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// authorityKeyName is the key of who vouches for the nodes, kept so that later validators are known to the earlier ones.
const authorityKeyName = "keys/ca.key"

// Kinds of PEM blocks.
const (
	pemKey         = "PRIVATE KEY"
	pemCertificate = "CERTIFICATE"
)

// writeAuthority writes the authority's certificate, which is public, and its key.
func writeAuthority(dir string, a *transport.Authority) error {
	der, err := x509.MarshalPKCS8PrivateKey(a.Key)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode the authority's key")
	}
	text := pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der})
	defer clear(text)
	if err := os.WriteFile(filepath.Join(dir, authorityKeyName), text, 0o600); err != nil {
		return fault.Wrap(fault.Unavailable, err, "write the authority's key")
	}
	return transport.WriteAuthority(filepath.Join(dir, caName), a)
}

// authority reads who vouches for the network's nodes.
func (n *Network) authority() (*transport.Authority, error) {
	key, err := os.ReadFile(n.Path(authorityKeyName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "the key of the authority that vouches for this network's nodes, %s, is not there: without it no validator can be given a certificate; put it back, or make a new network", n.Path(authorityKeyName))
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the authority's key")
	}
	defer clear(key)
	cert, err := os.ReadFile(n.Path(n.CA))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the authority's certificate")
	}
	a, err := parseAuthority(key, cert)
	return a, fault.Wrap(fault.Invalid, err, "%s, %s", n.Path(authorityKeyName), n.CA)
}

func parseAuthority(keyPEM, certPEM []byte) (*transport.Authority, error) {
	keyBlock, _ := pem.Decode(keyPEM)
	certBlock, _ := pem.Decode(certPEM)
	if keyBlock == nil || keyBlock.Type != pemKey || certBlock == nil || certBlock.Type != pemCertificate {
		return nil, fault.New(fault.Invalid, "these are no PEM files of an authority's key and certificate")
	}
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if public, same := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !same || !public.Equal(signer.Public()) {
		return nil, fault.New(fault.Invalid, "the key is not that of the certificate")
	}
	return &transport.Authority{Certificate: cert, Key: signer}, nil
}

// apiHosts are the names by which clients of this machine reach an API.
var apiHosts = []string{"127.0.0.1", "localhost", "::1"}

// certifyNode writes the certificate of a node's API and, if it has peers, the one that they know it by.
func certifyNode(cfg *config.Node, id chain.ChainID, no chain.ValidatorNo, authority *transport.Authority) error {
	if _, _, err := server.IssueTLS(filepath.Dir(cfg.Path(cfg.TLS.CA)), apiHosts, authority); err != nil {
		return err
	}
	if !hasPeers(cfg) {
		return nil
	}
	if err := issuePeer(cfg.Path(cfg.Validators.Cert), cfg.Path(cfg.Validators.Key), id, no, authority); err != nil {
		return err
	}
	return transport.WriteAuthority(cfg.Path(cfg.Validators.CA), authority)
}

// issuePeer writes a new key and the certificate by which peers know a validator.
func issuePeer(certFile, keyFile string, id chain.ChainID, no chain.ValidatorNo, authority *transport.Authority) error {
	cert, err := authority.Issue(id, no, certificateLifetime)
	if err != nil {
		return err
	}
	return transport.WriteCertificate(certFile, keyFile, cert)
}
