// SPDX-License-Identifier: Apache-2.0

package devbroker

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// TestBrokerKeepsWhatItAcknowledged across a restart, on the same port, and says what it is.
func TestBrokerKeepsWhatItAcknowledged(t *testing.T) {
	var out bytes.Buffer
	cfg := Config{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(&out, nil))}
	b, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if host, _, err := net.SplitHostPort(b.Address()); err != nil || !net.ParseIP(host).IsLoopback() {
		t.Errorf("it listens on %s", b.Address())
	}
	if !strings.Contains(out.String(), "development broker") {
		t.Errorf("the log does not say what it is: %s", out.String())
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Address()), kgo.DefaultProduceTopic("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(t.Context(), kgo.StringRecord("kept")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	cfg.Port = portOf(t, b)
	b.Close()
	if b, err = Start(cfg); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	reader, err := kgo.NewClient(kgo.SeedBrokers(b.Address()), kgo.ConsumeTopics("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if got := reader.PollFetches(t.Context()).Records(); len(got) != 1 || string(got[0].Value) != "kept" {
		t.Errorf("after a restart: %v", got)
	}
	if _, err := Start(cfg); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a second broker on one port: %v", err)
	}
}

func portOf(t *testing.T, b *Broker) int {
	t.Helper()
	address, err := net.ResolveTCPAddr("tcp", b.Address())
	if err != nil {
		t.Fatal(err)
	}
	return address.Port
}
