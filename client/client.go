// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // watches each endpoint's health
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Config says where the network is and whom to believe.
type Config struct {
	// Endpoints are the nodes, "host:port". Calls go round among those that are healthy; one that fails is left out and
	// tried again in the background.
	Endpoints []string
	// CAFile is a PEM file of the authorities that vouch for the nodes' TLS certificates. Empty: the system's.
	CAFile string
	// Insecure connects without TLS: to a proxy on this machine, and in tests.
	Insecure bool
	// Trust is what receipts are verified against. nil: nothing is verified, and receipts say so.
	Trust *Trust
	// Timeout bounds a call whose context has no deadline, retries included. Default 15 s.
	Timeout time.Duration
	// RetriesMax bounds the repetitions of a call that a node asked to try later or did not take. Default 8; negative: 0.
	RetriesMax int
}

func (c *Config) setDefaults() {
	if c.Timeout == 0 {
		c.Timeout = 15 * time.Second
	}
	if c.RetriesMax == 0 {
		c.RetriesMax = 8
	}
}

// Bounds of a connection; the server has the same window.
const (
	windowBytes      = 4 << 20
	receiveBytesMax  = 16 << 20
	writeBytes       = 128 << 10
	readBytes        = 32 << 10
	keepaliveIdle    = 20 * time.Second
	keepaliveTimeout = 10 * time.Second
	connectTimeout   = 5 * time.Second
	reconnectMin     = 100 * time.Millisecond
	reconnectMax     = 3 * time.Second
)

// serviceConfig spreads calls over the endpoints and leaves out those that do not serve.
const serviceConfig = `{"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":"aurigraph.ledger.v1.Ledger"}}`

// Client talks to a network. It is safe for concurrent use. Make it with Dial, end it with Close.
type Client struct {
	cfg      Config
	conn     *grpc.ClientConn
	ledger   ledgerv1.LedgerClient
	verifier *Verifier // nil without Trust
	index    *indexed

	following chan struct{} // full while new epochs are learned of
}

// Dial connects and, if there is a Trust, asks a node once whether it is of that network: another one is Conflict. A
// wrong configuration is Invalid; no node that answers within the timeout is Unavailable or Timeout.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	cfg.setDefaults()
	c := &Client{cfg: cfg, following: make(chan struct{}, 1)}
	if cfg.Trust != nil {
		var err error
		if c.verifier, err = NewVerifier(cfg.Trust); err != nil {
			return nil, err
		}
	}
	creds, err := cfg.credentials()
	if err != nil {
		return nil, err
	}
	nodes, err := endpoints(cfg.Endpoints)
	if err != nil {
		return nil, err
	}
	r := manual.NewBuilderWithScheme("aurigraph")
	r.InitialState(resolver.State{Endpoints: nodes})
	if c.conn, err = grpc.NewClient("aurigraph:///network", append(options(), grpc.WithResolvers(r), grpc.WithTransportCredentials(creds))...); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "set up the connection")
	}
	c.ledger = ledgerv1.NewLedgerClient(c.conn)
	c.index = newIndexed(cfg.Endpoints, creds)
	if err := c.checkNetwork(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Config) credentials() (credentials.TransportCredentials, error) {
	if c.Insecure {
		return insecure.NewCredentials(), nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS13}
	if c.CAFile != "" {
		text, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "read the certificate authorities")
		}
		if t.RootCAs = x509.NewCertPool(); !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, fault.New(fault.Invalid, "%s holds no certificate in PEM", c.CAFile)
		}
	}
	return gathering{credentials.NewTLS(t)}, nil
}

func endpoints(hostPorts []string) ([]resolver.Endpoint, error) {
	if len(hostPorts) == 0 {
		return nil, fault.New(fault.Invalid, "no endpoint is given: name at least one node as host:port")
	}
	var nodes []resolver.Endpoint
	for _, e := range hostPorts {
		host, _, err := net.SplitHostPort(e)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "endpoint %q", e)
		}
		nodes = append(nodes, resolver.Endpoint{Addresses: []resolver.Address{{Addr: e, ServerName: host}}})
	}
	return nodes, nil
}

func options() []grpc.DialOption {
	wait := backoff.DefaultConfig
	wait.BaseDelay, wait.MaxDelay = reconnectMin, reconnectMax
	return []grpc.DialOption{
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(), // call retries, and knows what is unknown
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(newWire()), grpc.MaxCallRecvMsgSize(receiveBytesMax)),
		grpc.WithInitialWindowSize(windowBytes),
		grpc.WithInitialConnWindowSize(windowBytes),
		grpc.WithReadBufferSize(readBytes),
		grpc.WithWriteBufferSize(writeBytes),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveIdle, Timeout: keepaliveTimeout, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: wait, MinConnectTimeout: connectTimeout}),
	}
}

// checkNetwork tells a wrong address from a lying node early; what proves anything are the signatures.
func (c *Client) checkNetwork(ctx context.Context) error {
	if c.verifier == nil {
		return nil
	}
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	return s.isOf(c.cfg.Trust)
}

// Close ends all connections. Streams that are open break.
func (c *Client) Close() error {
	c.index.close()
	return fault.Wrap(fault.Internal, c.conn.Close(), "close the connection")
}
