// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// authority makes a certificate for 127.0.0.1 that vouches for itself, and the file by which clients know it.
func authority(t *testing.T) (pair tls.Certificate, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kafka"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// TestSecuredBroker speaks to a broker with TLS that asks who comes, by each mechanism, and is refused with a wrong password, by a
// broker that it does not know, and without TLS.
func TestSecuredBroker(t *testing.T) {
	pair, ca := authority(t)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}),
		kfake.EnableSASL(), kfake.Superuser(ScramSHA512, "scrammer", "s3cret"), kfake.Superuser(Plain, "plainer", "pa55"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	_, otherCA := authority(t)
	base := Config{Brokers: cluster.ListenAddrs(), TLS: TLS{Enabled: true, CA: ca}, KeyFiles: []string{keyFile(t, 1)}}
	for name, c := range map[string]struct {
		change func(*Config)
		reason string // "": it works
	}{
		"scram":          {func(c *Config) { c.SASL = SASL{ScramSHA512, "scrammer", secretFile(t, "s3cret\n")} }, ""},
		"plain":          {func(c *Config) { c.SASL = SASL{Plain, "plainer", secretFile(t, "pa55")} }, ""},
		"wrong password": {func(c *Config) { c.SASL = SASL{ScramSHA512, "scrammer", secretFile(t, "guess")} }, ReasonUnreachable}, // this broker hangs up; Kafka says why: TestBrokerErrors
		"nobody":         {func(*Config) {}, ReasonUnreachable},
		"wrong authority": {func(c *Config) {
			c.TLS.CA, c.SASL = otherCA, SASL{Plain, "plainer", secretFile(t, "pa55")}
		}, ReasonUnreachable},
		"no TLS": {func(c *Config) { c.TLS, c.SASL = TLS{}, SASL{Plain, "plainer", secretFile(t, "pa55")} }, ReasonUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := base
			cfg.Prefix = strings.ReplaceAll(name, " ", "-") + "-" // both that work have topics of their own
			c.change(&cfg)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			err := Init(ctx, cfg, DefaultSettings())
			if c.reason != "" {
				if fault.ReasonOf(err) != c.reason {
					t.Errorf("%v (%s)", err, fault.ReasonOf(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			source := envelope.Source{Ledger: envelope.V10Ledger(name), Origin: envelope.V10, Incarnation: envelope.Incarnation{1}}
			p, err := OpenPublisher(t.Context(), PublisherConfig{Config: cfg, Source: source})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			publish(t, p, 30)
			flush(t, p)
			r, err := OpenReader(t.Context(), ReaderConfig{Config: cfg, Start: envelope.Start{Source: p.Source()}})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			read(t, r, 0, 30)
		})
	}
}

func TestConfigRefuses(t *testing.T) {
	good := Config{Brokers: []string{"kafka.example:9092"}, KeyFiles: []string{keyFile(t, 1)}}
	open := secretFile(t, "x")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"no broker":         func(c *Config) { c.Brokers = nil },
		"no key":            func(c *Config) { c.KeyFiles = nil },
		"a key missing":     func(c *Config) { c.KeyFiles = []string{filepath.Join(t.TempDir(), "none")} },
		"a short key":       func(c *Config) { c.KeyFiles = []string{secretFile(t, "abcd")} },
		"no hex":            func(c *Config) { c.KeyFiles = []string{secretFile(t, strings.Repeat("xy", 32))} },
		"open to all":       func(c *Config) { c.SASL = SASL{ScramSHA512, "u", open} },
		"PLAIN in clear":    func(c *Config) { c.SASL = SASL{Plain, "u", secretFile(t, "p")} },
		"another mechanism": func(c *Config) { c.SASL = SASL{"GSSAPI", "u", secretFile(t, "p")} },
		"no authority":      func(c *Config) { c.TLS = TLS{Enabled: true, CA: "none"} },
		"empty authority":   func(c *Config) { c.TLS = TLS{Enabled: true, CA: open} },
		"no certificate":    func(c *Config) { c.TLS = TLS{Enabled: true, Cert: "none", Key: "none"} },
		"an odd prefix":     func(c *Config) { c.Prefix = "a b" },
	} {
		cfg := good
		change(&cfg)
		_, err := OpenPublisher(t.Context(), PublisherConfig{Config: cfg})
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), NewKeyText(make([]byte, 1))) {
			t.Errorf("%s: the error holds a secret", name)
		}
	}
}

// TestTopicsAreSet: Init makes what is missing, sets what differs, and refuses a topic that cannot keep an order.
func TestTopicsAreSet(t *testing.T) {
	w := newWorld(t, startDev(t))
	admin := w.admin(t)
	wrong := "1000"
	name := envelope.Consensus.Name(envelope.V11)
	if _, err := admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &wrong}}, name); err != nil {
		t.Fatal(err)
	}
	w.init(t)
	set, err := admin.DescribeTopicConfigs(t.Context(), append(w.cfg.topicNames(envelope.V10), w.cfg.topicNames(envelope.V11)...)...)
	if err != nil || len(set) != 6 {
		t.Fatalf("%d topics: %v", len(set), err)
	}
	settings := DefaultSettings()
	for _, topic := range set {
		values := map[string]string{}
		for _, c := range topic.Configs {
			values[c.Key] = c.MaybeValue()
		}
		for key, want := range settings.configs(1) {
			if values[key] != want {
				t.Errorf("%s has %s %q, want %q", topic.Name, key, values[key], want)
			}
		}
	}
	w.deleteTopics(t, name)
	if _, err := admin.CreateTopic(t.Context(), 2, 1, nil, name); err != nil {
		t.Fatal(err)
	}
	if err := Init(t.Context(), w.cfg, settings); fault.ReasonOf(err) != ReasonTopicShape {
		t.Errorf("a topic of two partitions: %v", err)
	}
}

func TestCopies(t *testing.T) {
	s := DefaultSettings()
	for brokers, want := range map[int][2]int{1: {1, 1}, 2: {2, 2}, 3: {3, 2}, 9: {3, 2}} {
		if replicas, insync := s.copies(brokers); [2]int{replicas, insync} != want {
			t.Errorf("%d brokers: %d copies, %d of them must have a record", brokers, replicas, insync)
		}
	}
}

// TestBrokerErrors gives each answer of a broker after which nothing can be tried again its reason.
func TestBrokerErrors(t *testing.T) {
	for reason, errs := range map[string][]error{
		ReasonTopicMissing:   {kerr.UnknownTopicOrPartition},
		ReasonTopicRecreated: {kerr.UnknownTopicID, kerr.InconsistentTopicID},
		ReasonLogTruncated:   {kerr.OffsetOutOfRange, fmt.Errorf("fetch: %w", &kgo.ErrDataLoss{})},
		ReasonNotAuthorized:  {kerr.SaslAuthenticationFailed, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed},
		ReasonUnreachable:    {io.EOF, kerr.NotLeaderForPartition, kerr.NotEnoughReplicas},
	} {
		for _, err := range errs {
			if got := brokerError(err, "v10.assets"); fault.ReasonOf(got) != reason {
				t.Errorf("%v is %s, want %s", err, fault.ReasonOf(got), reason)
			}
		}
	}
}
