// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

func newSync(a *app) *cobra.Command {
	c := group("sync", "Keep a V10 and a V11 in step over Kafka", newSyncInit(a), newSyncStart(a), newSyncStatus(a), newSyncLag(a), newSyncConflicts(a),
		newSyncDLQ(a), newSyncRetry(a), newSyncSkip(a), newSyncSet(a), newSyncV10(a))
	c.Long = `Both ledgers tell each other what they did: each direction is one order of records on three topics, and what is applied is applied
once. V11's half runs in its validators (docs/sync-v11.md), V10's beside V10 ("aurigraph sync v10"). A change that cannot be made
holds its direction until a person has it tried again or passes over it: docs/runbooks/dlq.md.`
	c.Example = `  aurigraph sync status -w
  aurigraph sync init --brokers 127.0.0.1:9092
  aurigraph v10 serve --dir v10 --changes 127.0.0.1:4005 --sync-key sync.key --alias-key alias.key
  aurigraph sync v10 --brokers 127.0.0.1:9092 --port http://127.0.0.1:4005 --ledger production-v10 \
    --sync-key sync.key --alias-key alias.key --genesis genesis.json`
	return c
}

// busFlags are how the brokers are reached.
type busFlags struct{ cfg bus.Config }

func (f *busFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringSliceVar(&f.cfg.Brokers, "brokers", nil, "some of the brokers, host:port,… (required)")
	s.StringVar(&f.cfg.Prefix, "topic-prefix", "", "before the names of the topics, where brokers serve more than one network: the same on both sides, for ever")
	s.BoolVar(&f.cfg.TLS.Enabled, "tls", false, "reach the brokers over TLS")
	s.StringVar(&f.cfg.TLS.CA, "tls-ca", "", "file with the certificates of the brokers' authority (default: the system's)")
	s.StringVar(&f.cfg.TLS.Cert, "tls-cert", "", "file with the own certificate")
	s.StringVar(&f.cfg.TLS.Key, "tls-key", "", "file with its key")
	s.StringVar(&f.cfg.TLS.ServerName, "tls-server-name", "", "name in the brokers' certificates (default: the host that is dialled)")
	s.StringVar(&f.cfg.SASL.Mechanism, "sasl", "", "how to sign in: PLAIN or SCRAM-SHA-512 (default: not at all)")
	s.StringVar(&f.cfg.SASL.User, "sasl-user", "", "as whom")
	s.StringVar(&f.cfg.SASL.PasswordFile, "sasl-password-file", "", "file with the password, mode 0600")
}

// check is for what every command over the brokers needs.
func (f *busFlags) check(cmd *cobra.Command) error {
	if len(f.cfg.Brokers) == 0 {
		return usage(cmd, "name some of the brokers with --brokers HOST:PORT")
	}
	return nil
}

func newSyncInit(a *app) *cobra.Command {
	var f busFlags
	set := bus.DefaultSettings()
	c := &cobra.Command{
		Use:   "init",
		Short: "Make the topics of a sync, or set them right",
		Long: `Makes the topics of a sync (v10.transactions, v10.consensus, v10.assets, the dead letters in v10.dlq, and v11's) with one
partition each and the settings that order and durability need, and sets what differs in those that are there. Again it changes
nothing. Topics that cannot be right (several partitions, compacted) are refused: remove them first, if nothing in them is
needed.

Exit codes: 0 they are as they must be; 1 the brokers did not answer; 2 the options will not do, or a topic cannot be right.`,
		Example: `  aurigraph sync init --brokers 127.0.0.1:9092
  aurigraph sync init --brokers kafka1:9093,kafka2:9093 --tls --sasl PLAIN --sasl-user aurigraph --sasl-password-file kafka.pw`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), syncInitMax)
			defer cancel()
			if err := bus.Init(ctx, f.cfg, set); err != nil {
				return err
			}
			return a.print(syncTopics(f.cfg.Prefix), func(row func(...any)) {
				for _, name := range syncTopics(f.cfg.Prefix).Topics {
					row(name, "is as it must be")
				}
			})
		},
	}
	f.add(c)
	c.Flags().DurationVar(&set.Retention, "retention", set.Retention, "how long records stay: who is away for longer needs a new copy, and an erased name is gone after it")
	c.Flags().IntVar(&set.ReplicasMax, "replicas", set.ReplicasMax, "copies of a topic at most; there are never more than brokers")
	return c
}

// syncInitMax bounds the making of topics.
const syncInitMax = time.Minute

type topicsJSON struct {
	Topics []string `json:"topics"`
}

func syncTopics(prefix string) (all topicsJSON) {
	for _, o := range []envelope.Origin{envelope.V10, envelope.V11} {
		for _, t := range envelope.Topics() {
			all.Topics = append(all.Topics, prefix+t.Name(o))
		}
		all.Topics = append(all.Topics, (&bus.Config{Prefix: prefix}).LetterTopic(o))
	}
	return all
}

// parsePosition reads MAJOR.MINOR.
func parsePosition(flag, text string) (envelope.Position, error) {
	p, err := envelope.ParsePosition(text)
	if err != nil {
		return p, fmt.Errorf("--%s: %w", flag, err)
	}
	return p, nil
}
