// SPDX-License-Identifier: Apache-2.0

// Package devbroker is a Kafka broker inside the process, for one machine: what `up` and tests sync over where nobody has set up
// Kafka. It speaks Kafka's protocol over TCP on loopback, so everything else is as in production.
//
//	b, err := devbroker.Start(devbroker.Config{Dir: dir, Log: log})
//	defer b.Close()
//	cfg := bus.Config{Brokers: []string{b.Address()}, …}
//
// Invariants:
//
//  1. It says what it is: a development broker has one copy of everything, in one folder, and no second machine that goes on when this
//     one does not. The log names it so when it starts.
//  2. What it acknowledged is on disk, unless Config.Unsynced says that a crash of the machine may lose it.
//  3. It listens on loopback only.
package devbroker

import (
	"log/slog"
	"os"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// Config says where a broker keeps its records and where it listens.
type Config struct {
	// Dir is the folder of its records, made if it is missing; empty: they are kept in memory.
	Dir string
	// Port is where it listens on loopback; 0: a free one, another after each start.
	Port int
	// Unsynced leaves it to the system when records reach the disk, as Kafka does. It is several times as fast.
	Unsynced bool
	Log      *slog.Logger // nil: none
}

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	address string
}

// Start starts a broker.
func Start(cfg Config) (*Broker, error) {
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(cfg.Port), kfake.ClusterID("aurigraph-development")}
	if cfg.Dir != "" {
		if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "make the development broker's folder")
		}
		opts = append(opts, kfake.DataDir(cfg.Dir))
		if !cfg.Unsynced {
			opts = append(opts, kfake.SyncWrites())
		}
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "start the development broker")
	}
	b := &Broker{cluster: cluster, address: cluster.ListenAddrs()[0]}
	if cfg.Log != nil {
		cfg.Log.Warn("a development broker carries the sync: one copy, on this machine. Use Kafka in production",
			obs.KeyComponent, "sync/devbroker", obs.KeyAddress, b.address, obs.KeyDir, cfg.Dir)
	}
	return b, nil
}

// Address is host:port.
func (b *Broker) Address() string { return b.address }

// Close stops the broker. What it acknowledged is in its folder.
func (b *Broker) Close() { b.cluster.Close() }
