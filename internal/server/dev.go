// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
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
// P-256, the key of mode 0600. What is there and still good for all hosts is kept; otherwise all three are made anew.
// The authority's key is thrown away at once, so ca.pem vouches for this one certificate only. It returns the server's
// files and the path of ca.pem, which clients are given.
func DevTLS(dir string, hosts []string) (files TLSFiles, ca string, err error) {
	ca = filepath.Join(dir, devCAFile)
	files = TLSFiles{Cert: filepath.Join(dir, devCertFile), Key: filepath.Join(dir, devKeyFile)}
	if len(hosts) == 0 {
		return files, ca, fault.New(fault.Invalid, "a certificate needs at least one host name")
	}
	if devTLSGood(files, ca, hosts) {
		return files, ca, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return files, ca, fault.Wrap(fault.Unavailable, err, "make the folder of certificates")
	}
	caDER, nodeDER, key, err := issue(hosts)
	if err != nil {
		return files, ca, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return files, ca, fault.Wrap(fault.Internal, err, "encode the certificate's key")
	}
	for _, f := range []struct {
		path, kind string
		der        []byte
		mode       os.FileMode
	}{
		{files.Key, "PRIVATE KEY", keyDER, 0o600},
		{files.Cert, "CERTIFICATE", nodeDER, 0o644},
		{ca, "CERTIFICATE", caDER, 0o644},
	} {
		if err := replacePEM(f.path, f.kind, f.der, f.mode); err != nil {
			return files, ca, err
		}
	}
	return files, ca, nil
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

// issue makes an authority and one certificate of it.
func issue(hosts []string) (caDER, nodeDER []byte, key *ecdsa.PrivateKey, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err == nil {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, nil, nil, fault.Wrap(fault.Unavailable, err, "make a key")
	}
	authority, node := devTemplate("aurigraph development authority"), devTemplate("aurigraph node")
	authority.IsCA, authority.BasicConstraintsValid, authority.KeyUsage = true, true, x509.KeyUsageCertSign
	node.KeyUsage, node.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			node.IPAddresses = append(node.IPAddresses, ip)
		} else {
			node.DNSNames = append(node.DNSNames, h)
		}
	}
	caDER, err = x509.CreateCertificate(rand.Reader, authority, authority, &caKey.PublicKey, caKey)
	if err == nil {
		nodeDER, err = x509.CreateCertificate(rand.Reader, node, authority, &key.PublicKey, caKey)
	}
	if err != nil {
		return nil, nil, nil, fault.Wrap(fault.Invalid, err, "make a certificate for %v", hosts)
	}
	return caDER, nodeDER, key, nil
}

func devTemplate(name string) *x509.Certificate {
	var serial [16]byte
	rand.Read(serial[:])
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:]),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour), // clocks differ
		NotAfter:     now.Add(devLifetime),
	}
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
