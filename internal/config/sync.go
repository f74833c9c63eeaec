// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"time"

	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Sync is how a node that serves V10's dialect syncs with a running V10. It is off while Ledger is empty. Several nodes may.
type Sync struct {
	Ledger  string   `yaml:"ledger"`  // V10's name of itself, which never changes
	Brokers []string `yaml:"brokers"` // Kafka, host:port each
	// TopicPrefix stands before the names of the topics, the same at V10's side, for ever. Empty: the brokers serve this network alone.
	TopicPrefix string `yaml:"topic_prefix"`
	// Keys are paths of the sync keys: records are made with the first and read with any.
	Keys []string `yaml:"keys"`
	// Signer is the path of the key for which governance opened the inbox. Nothing else signs with it. EarlierKeys are the numbers of
	// those for which it was open before.
	Signer      string   `yaml:"signer"`
	EarlierKeys []uint32 `yaml:"earlier_keys"`
	// Channel of rest.institution carries the sync batches: none that the desk may lease.
	Channel uint8 `yaml:"channel"`
	// Start is the position, MAJOR.MINOR, from which V10 is told if it was told nothing yet: that of the state that V10 begins with.
	Start string `yaml:"start"`
	// Home is the URL of V10's REST. A request that debits an account which V10 owns is sent on to it, once; empty: it is refused. A node
	// that does not sync itself may have it as well.
	Home string `yaml:"home"`
	// Progress is the URL that tells how far V10 has applied V11's blocks: of V10's change port, or whatever answers its GET /applied. While V10
	// may become the home again, portable work is let in only as fast as V10 was seen to apply. Empty: nothing bounds it.
	Progress string `yaml:"progress"`
	// BehindMax is how long V10 may need, at that rate, for what it has not applied. 0: 10 s.
	BehindMax time.Duration `yaml:"behind_max"`
	TLS       SyncTLS       `yaml:"tls"`
	SASL      SyncSASL      `yaml:"sasl"`
}

// SyncTLS is how the brokers are known, and this node to them: paths of files.
type SyncTLS struct {
	Enabled    bool   `yaml:"enabled"`
	CA         string `yaml:"ca"`   // empty: the system's authorities
	Cert       string `yaml:"cert"` // empty: the node shows none
	Key        string `yaml:"key"`
	ServerName string `yaml:"server_name"` // empty: the host that is dialled
}

// SyncSASL is who the node is to the brokers. Mechanism is empty, PLAIN or SCRAM-SHA-512.
type SyncSASL struct {
	Mechanism    string `yaml:"mechanism"`
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
}

func (s *Sync) validate(rest *Rest, bad func(field, format string, args ...any) error) error {
	_, malformed := envelope.ParsePosition(s.Start)
	switch {
	case s.Home != "" && !urlOK(s.Home):
		return bad("sync.home", urlText, s.Home)
	case s.Progress != "" && !urlOK(s.Progress):
		return bad("sync.progress", urlText, s.Progress)
	case s.BehindMax != 0 && (s.BehindMax < time.Second || s.BehindMax > time.Hour):
		return bad("sync.behind_max", "%s is not between 1s and 1h", s.BehindMax)
	case s.Ledger == "":
		return nil
	case rest.Listen == "":
		return bad("sync.ledger", "only a node that serves V10's dialect (rest.listen) can sync with V10: it has the names")
	case len(s.Brokers) == 0 || !all(s.Brokers, addressOK):
		return bad("sync.brokers", "must be one or more of host:port")
	case len(s.Keys) == 0 || slices.Contains(s.Keys, ""):
		return bad("sync.keys", "must name one or more files")
	case s.Signer == "" || s.Signer == rest.CustodyKey:
		return bad("sync.signer", "must name a key that nothing else signs with")
	case s.Channel >= rest.ChannelFirst && s.Channel <= rest.ChannelLast || rest.ChannelFirst == 0 && rest.ChannelLast == 0:
		return bad("sync.channel", "%d may be leased by the desk: it must lie outside rest.channel_first to channel_last", s.Channel)
	case s.Start != "" && malformed != nil:
		return bad("sync.start", "%q is no position MAJOR.MINOR", s.Start)
	}
	return nil
}

func all(texts []string, ok func(string) bool) bool {
	return !slices.ContainsFunc(texts, func(s string) bool { return !ok(s) })
}
