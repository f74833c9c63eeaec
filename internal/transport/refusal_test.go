// SPDX-License-Identifier: Apache-2.0

package transport_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/transport"
	"github.com/aurigraph/aurigraph/internal/transport/transporttest"
)

// certificate is one that the network's authority might make by mistake.
func certificate(t testing.TB, a *transport.Authority, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		URIs:        []*url.URL{transport.ValidatorURI(testChain, 1)},
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, a.Certificate, key.Public(), a.Key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func uris(texts ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.URIs = nil
		for _, s := range texts {
			u, err := url.Parse(s)
			if err != nil {
				panic(err)
			}
			c.URIs = append(c.URIs, u)
		}
	}
}

func strangerConfig(certs ...tls.Certificate) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, Certificates: certs, NextProtos: []string{"aurigraph-transport"}}
}

var goodHello = transport.Hello{Version: 1, Sender: 1, Receiver: 0, Chain: testChain}

func helloWith(change func(*transport.Hello)) []byte {
	h := goodHello
	change(&h)
	return h.Bytes()
}

// knock connects, says hello and returns the answer, or why there was none.
func knock(address string, config *tls.Config, hello []byte) (conn *tls.Conn, answer []byte, err error) {
	raw, err := net.Dial("tcp", address)
	if err != nil {
		return nil, nil, err
	}
	conn = tls.Client(raw, config)
	if err := raw.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return conn, nil, err
	}
	if _, err := conn.Write(hello); err != nil {
		return conn, nil, err
	}
	answer = make([]byte, len(goodHello.Bytes()))
	_, err = io.ReadFull(conn, answer)
	return conn, answer, err
}

// TestRefusals has strangers of all kinds knock at validator 0, which knows validator 1.
func TestRefusals(t *testing.T) {
	good := identity(t, authority(), testChain, 1).Certificate
	other := newAuthority()
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	old := strangerConfig(good)
	old.MaxVersion = tls.VersionTLS12
	tongue := strangerConfig(good)
	tongue.NextProtos = []string{"h2"}
	for _, c := range []struct {
		name    string
		config  *tls.Config
		hello   []byte
		reason  string // counted at the node
		verdict string // told to the stranger; empty: the connection just ends
	}{
		{"no certificate", strangerConfig(), goodHello.Bytes(), "handshake_failed", ""},
		{"other authority", strangerConfig(certificate(t, other, func(*x509.Certificate) {})), goodHello.Bytes(), "wrong_authority", ""},
		{"expired", strangerConfig(certificate(t, authority(), expired)), goodHello.Bytes(), "certificate_expired", ""},
		{"a server's", strangerConfig(certificate(t, authority(), func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] })), goodHello.Bytes(), "certificate_invalid", ""},
		{"other chain", strangerConfig(certificate(t, authority(), uris("aurigraph://chain/4712/validator/1"))), goodHello.Bytes(), "wrong_chain", ""},
		{"no validator", strangerConfig(certificate(t, authority(), uris())), goodHello.Bytes(), "not_a_validator", ""},
		{"two validators", strangerConfig(certificate(t, authority(), uris("aurigraph://chain/4711/validator/1", "aurigraph://chain/4711/validator/0"))), goodHello.Bytes(), "not_a_validator", ""},
		{"other scheme", strangerConfig(certificate(t, authority(), uris("https://chain/4711/validator/1"))), goodHello.Bytes(), "not_a_validator", ""},
		{"more path", strangerConfig(certificate(t, authority(), uris("aurigraph://chain/4711/validator/1/x"))), goodHello.Bytes(), "not_a_validator", ""},
		{"leading zero", strangerConfig(certificate(t, authority(), uris("aurigraph://chain/4711/validator/01"))), goodHello.Bytes(), "not_a_validator", ""},
		{"number too large", strangerConfig(certificate(t, authority(), uris("aurigraph://chain/4711/validator/65537"))), goodHello.Bytes(), "not_a_validator", ""},
		{"unknown validator", strangerConfig(identity(t, authority(), testChain, 5).Certificate), helloWith(func(h *transport.Hello) { h.Sender = 5 }), "unknown_peer", "unknown_peer"},
		{"itself", strangerConfig(identity(t, authority(), testChain, 0).Certificate), helloWith(func(h *transport.Hello) { h.Sender = 0 }), "unknown_peer", "unknown_peer"},
		{"TLS 1.2", old, goodHello.Bytes(), "handshake_failed", ""},
		{"other protocol", tongue, goodHello.Bytes(), "handshake_failed", ""},
		{"no hello", strangerConfig(good), make([]byte, 36), "hello_malformed", ""},
		{"version", strangerConfig(good), helloWith(func(h *transport.Hello) { h.Version = 2 }), "wrong_version", "wrong_version"},
		{"chain in the hello", strangerConfig(good), helloWith(func(h *transport.Hello) { h.Chain++ }), "wrong_chain", "wrong_chain"},
		{"another's name", strangerConfig(good), helloWith(func(h *transport.Hello) { h.Sender = 2 }), "wrong_sender", "wrong_sender"},
		{"other receiver", strangerConfig(good), helloWith(func(h *transport.Hello) { h.Receiver = 3 }), "wrong_receiver", "wrong_receiver"},
		{"class", strangerConfig(good), helloWith(func(h *transport.Hello) { h.Class = transport.ClassCount }), "unknown_class", "unknown_class"},
	} {
		t.Run(c.name, func(t *testing.T) {
			registry, lines := prometheus.NewRegistry(), &logLines{}
			o := options(t, 0)
			o.Metrics, o.Log = registry, lines.logger()
			node := listen(t, o)
			setPeers(t, node, transport.Peer{No: 1, Address: "127.0.0.1:1"}, transport.Peer{No: 2, Address: "127.0.0.1:1"})
			inbox := &transporttest.Inbox{}
			start(t, node, inbox)
			for range 3 {
				conn, answer, err := knock(node.Address(), c.config, c.hello)
				if verdict, _ := transport.Verdict(answer); c.verdict != verdict || (c.verdict == "") != (err != nil) {
					t.Errorf("the stranger was told %q, %v", verdict, err)
				}
				conn.Close()
			}
			until(t, func() bool {
				return metric(t, registry, "handshake_refusals_total", "reason="+c.reason, "direction=in") == 3
			})
			until(t, func() bool { return lines.count("a connection was refused") > 0 })
			if n := lines.count("a connection was refused"); n != 1 {
				t.Errorf("%d lines in the log for 3 refusals", n)
			}
			if n := metric(t, registry, "connections", "direction=in"); n != 0 || len(inbox.All()) != 0 {
				t.Errorf("%v connections, %d frames", n, len(inbox.All()))
			}
			conn, answer, err := knock(node.Address(), strangerConfig(good), goodHello.Bytes())
			if verdict, bad := transport.Verdict(answer); err != nil || bad != nil || verdict != "" {
				t.Errorf("a peer was refused: %v %v %q", err, bad, verdict)
			}
			conn.Close()
		})
	}
}

// TestPlainText speaks no TLS.
func TestPlainText(t *testing.T) {
	registry := prometheus.NewRegistry()
	o := options(t, 0)
	o.Metrics = registry
	node := listen(t, o)
	start(t, node, &transporttest.Inbox{})
	conn, err := net.Dial("tcp", node.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Log(err)
	}
	until(t, func() bool { return metric(t, registry, "handshake_refusals_total", "reason=handshake_failed") == 1 })
}

// TestDialerRefuses has a validator dial those who are not whom it looks for.
func TestDialerRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		config *tls.Config
		answer []byte
		reason string
	}{
		{"another validator", strangerConfig(identity(t, authority(), testChain, 2).Certificate), nil, "wrong_validator"},
		{"other authority", strangerConfig(certificate(t, newAuthority(), func(*x509.Certificate) {})), nil, "wrong_authority"},
		{"a client's", strangerConfig(certificate(t, authority(), func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] })), nil, "certificate_invalid"},
		{"other chain", strangerConfig(certificate(t, authority(), uris("aurigraph://chain/1/validator/1"))), nil, "wrong_chain"},
		{"malformed answer", strangerConfig(identity(t, authority(), testChain, 1).Certificate), make([]byte, 36), "hello_malformed"},
		{"other version", strangerConfig(identity(t, authority(), testChain, 1).Certificate), helloWith(func(h *transport.Hello) { h.Version = 9 }), "wrong_version"},
		{"refusal", strangerConfig(identity(t, authority(), testChain, 1).Certificate), refusal(), "refused_wrong_chain"},
		{"end", strangerConfig(identity(t, authority(), testChain, 1).Certificate), []byte{}, "handshake_failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := c.config.Clone()
			config.ClientAuth = tls.RequireAnyClientCert
			l, err := tls.Listen("tcp", "127.0.0.1:0", config)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				serveAnswer(l, c.answer)
			}()
			defer func() { l.Close(); <-done }()
			registry := prometheus.NewRegistry()
			o := options(t, 0)
			o.Metrics = registry
			node := listen(t, o)
			setPeers(t, node, transport.Peer{No: 1, Address: l.Addr().String()})
			start(t, node, &transporttest.Inbox{})
			until(t, func() bool {
				return metric(t, registry, "handshake_refusals_total", "reason="+c.reason, "direction=out") > 0
			})
			until(t, func() bool { return node.Status()[0].Classes[transport.Consensus].LastError != "" })
			if s := node.Status()[0].Classes[transport.Consensus]; !s.SendingSince.IsZero() {
				t.Errorf("%+v", s)
			}
			node.Close()
		})
	}
}

// refusal is an answer with the verdict wrong_chain.
func refusal() []byte {
	b := helloWith(func(h *transport.Hello) { h.Sender, h.Receiver = 1, 0 })
	b[11] = 3
	return b
}

func serveAnswer(l net.Listener, answer []byte) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if _, err := io.ReadFull(conn, make([]byte, 36)); err == nil {
			conn.Write(answer)
		}
		conn.Close()
	}
}

// TestCrowd opens more connections than may shake hands. A validator still gets in.
func TestCrowd(t *testing.T) {
	registry := prometheus.NewRegistry()
	o := options(t, 0)
	o.Metrics = registry
	node := listen(t, o)
	setPeers(t, node, transport.Peer{No: 1, Address: "127.0.0.1:1"})
	start(t, node, &transporttest.Inbox{})
	for range transport.HandshakesMax + 20 {
		conn, err := net.Dial("tcp", node.Address())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	until(t, func() bool { return metric(t, registry, "handshake_refusals_total", "reason=crowded_out") == 20 })
	if n := node.Pending(); n > transport.HandshakesMax {
		t.Errorf("%d connections shake hands", n)
	}
	conn, answer, err := knock(node.Address(), strangerConfig(identity(t, authority(), testChain, 1).Certificate), goodHello.Bytes())
	if verdict, bad := transport.Verdict(answer); err != nil || bad != nil || verdict != "" {
		t.Errorf("a peer was refused: %v %v %q", err, bad, verdict)
	}
	conn.Close()
}

func TestOwnIdentity(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*transport.Options)
	}{
		{"none", func(o *transport.Options) { o.Identity = transport.Identity{} }},
		{"another's", func(o *transport.Options) { o.Identity = identity(t, authority(), testChain, 1) }},
		{"other chain", func(o *transport.Options) { o.Chain++ }},
		{"other authority", func(o *transport.Options) { o.Identity.Authority = newAuthority().Pool() }},
		{"garbage", func(o *transport.Options) { o.Identity.Certificate.Certificate = [][]byte{{1, 2}} }},
		{"queue", func(o *transport.Options) { o.Limits[transport.Batches] = transport.Limits{Bytes: 1 << 20, Frames: 8} }},
		{"no frames", func(o *transport.Options) { o.Limits[transport.Sync] = transport.Limits{Bytes: 8 << 20, Frames: -1} }},
		{"link", func(o *transport.Options) { o.LinkBytesPerSecond = 1 << 20 }},
		{"pings", func(o *transport.Options) { o.DeadAfter = o.PingInterval }},
		{"address", func(o *transport.Options) { o.Address = "nowhere" }},
	} {
		o := options(t, 0)
		c.change(&o)
		if n, err := transport.Listen(o); err == nil {
			n.Close()
			t.Errorf("%s: it was taken", c.name)
		}
	}
	registry := prometheus.NewRegistry()
	o := options(t, 0)
	o.Metrics = registry
	first := listen(t, o)
	if _, err := transport.Listen(o); err == nil {
		t.Error("two transports share one registry")
	}
	first.Close()
	listen(t, o).Close()
}

func TestCertifiedAs(t *testing.T) {
	for _, no := range []chain.ValidatorNo{0, 7, 65535} {
		for _, id := range []chain.ChainID{0, 1, 1<<64 - 1} {
			cert, err := authority().Issue(id, no, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := x509.ParseCertificate(cert.Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			gotID, gotNo, err := transport.CertifiedAs(leaf)
			if err != nil || gotID != id || gotNo != no {
				t.Errorf("%d %d: %d %d %v", id, no, gotID, gotNo, err)
			}
		}
	}
}
