// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// Names and lifetimes of what DevTLS writes.
const (
	devCAFile    = "ca.pem"
	devCertFile  = "node.pem"
	devKeyFile   = "node.key"
	devLifetime  = 5 * 365 * 24 * time.Hour
	devRenewLeft = 30 * 24 * time.Hour
)

// DevTLS makes sure that dir holds a certificate for hosts (names or IP addresses): ca.pem, node.pem and node.key, ECDSA
// P-256, the key of mode 0600. What is there and still good for all hosts is kept; otherwise all three are made anew, with
// an authority whose key is thrown away at once: ca.pem then vouches for this one certificate only. It returns the server's
// files and the path of ca.pem, which clients are given.
func DevTLS(dir string, hosts []string) (files TLSFiles, ca string, err error) {
	files, ca = devFiles(dir)
	if len(hosts) == 0 {
		return files, ca, fault.New(fault.Invalid, "a certificate needs at least one host name")
	}
	if devTLSGood(files, ca, hosts) {
		return files, ca, nil
	}
	authority, err := DevAuthority()
	if err != nil {
		return files, ca, err
	}
	return IssueTLS(dir, hosts, authority)
}

// DevAuthority makes an authority that vouches for a network on one machine, as long as IssueTLS's certificates last.
func DevAuthority() (*transport.Authority, error) {
	return transport.NewAuthority("aurigraph development authority", devLifetime)
}

// IssueTLS writes the files of DevTLS, vouched for by an authority that several servers may share. It overwrites.
func IssueTLS(dir string, hosts []string, authority *transport.Authority) (files TLSFiles, ca string, err error) {
	files, ca = devFiles(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return files, ca, fault.Wrap(fault.Unavailable, err, "make the folder of certificates")
	}
	cert, err := authority.IssueServer("aurigraph node", hosts, devLifetime)
	if err != nil {
		return files, ca, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return files, ca, fault.Wrap(fault.Internal, err, "encode the certificate's key")
	}
	for _, f := range []struct {
		path, kind string
		der        []byte
		mode       os.FileMode
	}{
		{files.Key, "PRIVATE KEY", key, 0o600},
		{files.Cert, "CERTIFICATE", cert.Certificate[0], 0o644},
		{ca, "CERTIFICATE", authority.Certificate.Raw, 0o644},
	} {
		if err := replacePEM(f.path, f.kind, f.der, f.mode); err != nil {
			return files, ca, err
		}
	}
	return files, ca, nil
}

func devFiles(dir string) (files TLSFiles, ca string) {
	return TLSFiles{Cert: filepath.Join(dir, devCertFile), Key: filepath.Join(dir, devKeyFile)}, filepath.Join(dir, devCAFile)
}

// devTLSGood reports whether the files belong together and serve all hosts for a while yet.
func devTLSGood(files TLSFiles, ca string, hosts []string) bool {
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return false
	}
	text, err := os.ReadFile(ca)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(text) {
		return false
	}
	for _, h := range hosts {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: h, Roots: roots, CurrentTime: time.Now().Add(devRenewLeft)})
		if err != nil {
			return false
		}
	}
	return true
}

// replacePEM writes a file whole or not at all.
func replacePEM(path, kind string, der []byte, mode os.FileMode) error {
	next := path + ".new"
	if err := os.Remove(next); err != nil && !os.IsNotExist(err) {
		return fault.Wrap(fault.Unavailable, err, "write %s", path)
	}
	err := os.WriteFile(next, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
	if err == nil {
		err = os.Rename(next, path)
	}
	return fault.Wrap(fault.Unavailable, err, "write %s", path)
}
