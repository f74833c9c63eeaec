// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Bounds of a client.
const (
	secretFileBytesMax = 64 << 10
	prefixBytesMax     = 128 // a name has at most 249
	dialTimeout        = 5 * time.Second
	backoffMin         = 100 * time.Millisecond
	backoffMax         = time.Second
	// askTimeout bounds one question to the brokers about topics and offsets.
	askTimeout = 10 * time.Second
)

// The mechanisms of SASL.
const (
	Plain       = "PLAIN"
	ScramSHA512 = "SCRAM-SHA-512"
)

// Config is how the brokers are reached. Secrets are paths of files.
type Config struct {
	Brokers []string // host:port of some; the others are found
	TLS     TLS
	SASL    SASL
	// KeyFiles are the sync keys, as 64 or more hex digits each, readable by their owner only. Records are made with the first and
	// read with any, so that keys can be changed while both sides run.
	KeyFiles []string
	// Prefix stands before the name of each topic, so that networks can share brokers. Both sides of a sync have the same; it never
	// changes. Empty: none.
	Prefix string
	Log    *slog.Logger // nil: none
}

// CheckPrefix says why a prefix will not do, or nil.
func CheckPrefix(prefix string) error {
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-')
	}
	if len(prefix) > prefixBytesMax || strings.ContainsFunc(prefix, odd) {
		return fault.New(fault.Invalid, "%.80q begins no name of a topic: at most %d of a-z A-Z 0-9 . -", prefix, prefixBytesMax)
	}
	return nil
}

// topic is the name of a direction's topic.
func (c *Config) topic(t envelope.Topic, origin envelope.Origin) string {
	return c.Prefix + t.Name(origin)
}

// TLS is how the brokers are known, and the client to them.
type TLS struct {
	Enabled    bool
	CA         string // path of the authority's certificates; empty: the system's
	Cert, Key  string // paths of the client's certificate and key; empty: none
	ServerName string // in the brokers' certificates; empty: the host they are reached by
}

// SASL is who the client is. Mechanism is empty, Plain or ScramSHA512.
type SASL struct {
	Mechanism, User string
	PasswordFile    string
}

// NewKeyText makes the text of a key file from random bytes of at least envelope.SecretBytesMin.
func NewKeyText(secret []byte) string { return hex.EncodeToString(secret) + "\n" }

// Keys reads the sync keys.
func (c *Config) Keys() ([]envelope.Key, error) {
	if len(c.KeyFiles) == 0 {
		return nil, fault.New(fault.Invalid, "no sync key is named: name the file that both sides of the sync share")
	}
	keys := make([]envelope.Key, 0, len(c.KeyFiles))
	for _, path := range c.KeyFiles {
		text, err := readSecret(path)
		if err != nil {
			return nil, err
		}
		secret, err := hex.DecodeString(text)
		if err != nil {
			return nil, fault.New(fault.Invalid, "%s holds no sync key: %d or more hex digits", path, 2*envelope.SecretBytesMin)
		}
		k, err := envelope.NewKey(secret)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the sync key in %s", path)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// readSecret reads the one line of a file that only its owner may read.
func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "a file of a secret cannot be read")
	}
	if info.Size() > secretFileBytesMax || info.Mode().Perm()&0o077 != 0 {
		return "", fault.New(fault.Invalid, "%s must have mode 0600 and at most %d bytes: chmod 600 %s", path, secretFileBytesMax, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "a file of a secret cannot be read")
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

func (c *Config) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log.With(obs.KeyComponent, "sync/bus")
}

// connect makes a client; it reaches for no broker yet.
func (c *Config) connect(opts ...kgo.Opt) (*kgo.Client, error) {
	all := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID("aurigraph-sync"),
		kgo.WithLogger(clientLog{c.log()}),
		kgo.DisableClientMetrics(),
		// A broker that is back is found within about a second: sync must not lag for longer than the brokers were away.
		kgo.RetryBackoffFn(backoff),
		kgo.MetadataMinAge(backoffMin),
	}
	security, err := c.security()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(append(all, security...), opts...)...)
	return client, fault.Wrap(fault.Invalid, err, "these settings make no Kafka client")
}

// backoff is how long the client waits before it tries again for the nth time.
func backoff(n int) time.Duration {
	wait := backoffMin << min(max(n-1, 0), 4)
	return min(wait, backoffMax)/2 + rand.N(min(wait, backoffMax)/2)
}

func (c *Config) security() ([]kgo.Opt, error) {
	if len(c.Brokers) == 0 {
		return nil, fault.New(fault.Invalid, "no broker is named: name at least one as host:port")
	}
	if err := CheckPrefix(c.Prefix); err != nil {
		return nil, err
	}
	var opts []kgo.Opt
	if c.TLS.Enabled {
		settings, err := c.TLS.load()
		if err != nil {
			return nil, err
		}
		dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: settings}
		opts = append(opts, kgo.Dialer(dialer.DialContext))
	} else {
		opts = append(opts, kgo.DialTimeout(dialTimeout))
	}
	if c.SASL.Mechanism == "" {
		return opts, nil
	}
	mechanism, err := c.mechanism()
	if err != nil {
		return nil, err
	}
	return append(opts, kgo.SASL(mechanism)), nil
}

func (t *TLS) load() (*tls.Config, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the brokers' authority cannot be read")
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Invalid, "%s holds no certificate", t.CA)
		}
	}
	if t.Cert != "" || t.Key != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the client's certificate cannot be read")
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	return settings, nil
}

// mechanism reads the password when a connection is made, so that a changed file serves the next one.
func (c *Config) mechanism() (sasl.Mechanism, error) {
	if _, err := readSecret(c.SASL.PasswordFile); err != nil {
		return nil, err
	}
	user, path := c.SASL.User, c.SASL.PasswordFile
	switch c.SASL.Mechanism {
	case ScramSHA512:
		return scram.Sha512(func(context.Context) (scram.Auth, error) {
			pass, err := readSecret(path)
			return scram.Auth{User: user, Pass: pass}, err
		}), nil
	case Plain:
		if !c.TLS.Enabled && !c.loopback() {
			return nil, fault.New(fault.Invalid, "PLAIN sends the password as it is: turn TLS on, or use %s", ScramSHA512)
		}
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			pass, err := readSecret(path)
			return plain.Auth{User: user, Pass: pass}, err
		}), nil
	}
	return nil, fault.New(fault.Invalid, "there is no SASL mechanism %q: %s or %s", c.SASL.Mechanism, ScramSHA512, Plain)
}

func (c *Config) loopback() bool {
	for _, broker := range c.Brokers {
		host, _, err := net.SplitHostPort(broker)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			return false
		}
	}
	return true
}

// clientLog passes on what the client warns of. Its values may hold topics and addresses, never secrets.
type clientLog struct{ log *slog.Logger }

// Level implements kgo.Logger.
func (clientLog) Level() kgo.LogLevel { return kgo.LogLevelWarn }

// Log implements kgo.Logger.
func (l clientLog) Log(_ kgo.LogLevel, text string, values ...any) {
	var attrs []any
	for i := 0; i+1 < len(values); i += 2 {
		if err, ok := values[i+1].(error); ok && !errors.Is(err, context.Canceled) {
			attrs = append(attrs, obs.KeyErr, err.Error())
		}
	}
	l.log.Info("Kafka client: "+text, attrs...)
}
