// SPDX-License-Identifier: Apache-2.0

package network

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"reflect"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Sync says with which V10 the network is kept in step, and how. Paths are relative to the network's folder. V10 runs beside it, from
// the folder Dir, and owns the accounts: their money comes to V11 by the initial copy.
type Sync struct {
	Ledger   string `json:"ledger"`           // V10's name of itself
	Key      string `json:"key"`              // file of the sync key, which seals what goes over the brokers
	Signer   string `json:"signer"`           // key file of the inbox, delegated by the network's institution
	Store    string `json:"store"`            // what keeps V10: pebble or rocksdb
	Dir      string `json:"dir"`              // V10's folder
	V10      string `json:"v10"`              // host:port of its REST
	Changes  string `json:"changes"`          // host:port of its change log
	Kafka    string `json:"kafka"`            // host:port of the brokers
	Embedded bool   `json:"embedded"`         // the broker is in the process that runs the network
	Prefix   string `json:"prefix,omitempty"` // before the names of the topics
	Copied   uint64 `json:"copied,omitempty"` // sequence of V10 that the initial copy is of; 0: it is not done
	OffMs    uint64 `json:"off_ms,omitempty"` // since 1970, when V10 was switched off: nothing of it is started any more; 0: it was not
	Metrics  string `json:"metrics"`          // host:port where V10's half of the sync shows its metrics
	Move     *Move  `json:"move,omitempty"`   // how slots move between the two; nil: they do not
}

// Move is what moves slots between V10 and V11: a guard before V10, a router before both.
type Move struct {
	Mover   string `json:"mover"`             // key file of who moves slots, delegated by the network's institution
	Key     string `json:"key"`               // key file of the guard
	Dir     string `json:"dir"`               // what the guard must not forget
	Rest    string `json:"rest"`              // host:port where the guard takes what V10's clients ask for
	Control string `json:"control"`           // host:port where it takes what its controller asks for
	Edge    string `json:"edge"`              // host:port of the router
	Router  string `json:"router,omitempty"`  // which it is: embedded or nginx; empty is embedded
	Journal string `json:"journal,omitempty"` // URL of the database that has the migration\'s journal, for several controllers; empty: a file in the folder
	Routes  string `json:"routes"`            // folder of its map, and of its log
	Door    string `json:"door,omitempty"`    // host:port at which the router reaches V11's REST; empty: the first validator's
	Admin   string `json:"admin,omitempty"`   // host:port where nginx takes its map and shows its metrics; the embedded router has none
	Shadow  string `json:"shadow"`            // host:port where the comparer of answers says what it found
	Metrics string `json:"metrics"`           // host:port where the migration's controller shows its metrics
}

// SyncOptions says how a network is kept in step with a V10 beside it.
type SyncOptions struct {
	Store string // what keeps V10; empty: as it is, storeDefault at first
	Kafka string // host:port of the brokers; empty: one in the process that runs the network
	// Prefix stands before the names of the topics of a new network, where brokers serve more than one.
	Prefix string
	// V10Slots are the slots that V10 owns at first; empty: all.
	V10Slots []chain.SlotRange
	// Moves is whether slots can move: a guard and a router run then. Of a new network only.
	Moves bool
	// Router is which router: embedded or nginx; empty: as it is, embedded at first.
	Router string
	// Journal is the URL of the database of the migration's journal; empty: as it is, a file at first.
	Journal string
	// Door is host:port at which the router reaches V11's REST, such as a balancer's; empty: as it is, the first validator at first.
	Door string
	// Named are the V10 accounts that get a slot of their own, in the order of the slots. Of a new network only.
	Named []string
}

// Names of what such a network has.
const (
	syncKeyName    = "keys/sync.key"
	syncSignerName = "keys/inbox.key"
	syncFolder     = "v10-ledger"
	nativeAsset    = "DEMO" // where AUR is V10's
	syncKeyBytes   = 32
	moverName      = "keys/mover.key"
	guardKeyName   = "keys/guard.key"
	guardFolder    = "v10-guard"
	routesName     = "router"
	outcomesName   = "outcomes.log" // of the embedded router
	nginxLogName   = "access.log"
	comparedName   = "compared.log"
	storeDefault   = "pebble"

	migrationFolder = "migration"
)

// Of the institution's channels the last ones are not the desks': the sync's, and the initial copy's.
const (
	CopyChannel    = chain.ChannelsMax - 1
	syncChannel    = chain.ChannelsMax - 2
	syncedDeskLast = chain.ChannelsMax - 3
)

// slots are those that V10 owns in the genesis.
func (o *SyncOptions) slots() []chain.SlotRange {
	if len(o.V10Slots) == 0 {
		return []chain.SlotRange{{From: 0, To: chain.SlotsMax - 1 + uint16(len(o.Named))}}
	}
	return o.V10Slots
}

// named are the accounts with a slot of their own, of options that there need not be.
func (o *SyncOptions) named() []string {
	if o == nil {
		return nil
	}
	return o.Named
}

// makeSync makes the keys of the sync, and gives V10 its slots.
func (b *builder) makeSync() error {
	o := b.options.Sync
	if o == nil {
		return nil
	}
	if b.network.V10 == nil {
		return fault.New(fault.Invalid, "only a network that serves V10's clients can be in step with a V10")
	}
	s := &Sync{
		Ledger: fmt.Sprintf("%s-v10-%x", b.options.Name, uint64(b.genesis.Chain)), Key: syncKeyName, Signer: syncSignerName, Store: cmp.Or(o.Store, storeDefault), Dir: syncFolder,
		V10: anyAddress, Changes: anyAddress, Metrics: anyAddress, Kafka: o.Kafka, Embedded: o.Kafka == "", Prefix: o.Prefix,
	}
	signer, err := b.newKey(s.Signer, keys.Ed25519)
	if err != nil {
		return err
	}
	in := &b.genesis.Institutions[b.network.Institution.ID-1]
	in.DelegatedKeys = append(in.DelegatedKeys, signer.Public().Bytes())
	b.genesis.V10Slots = o.slots()
	b.network.Sync = s
	if o.Moves {
		if err := b.makeMove(s); err != nil {
			return err
		}
	}
	return writeSyncKey(filepath.Join(b.dir, s.Key))
}

// makeMove makes the keys of who moves slots and of the guard. Governance names both when the network runs.
func (b *builder) makeMove(s *Sync) error {
	s.Move = &Move{Mover: moverName, Key: guardKeyName, Dir: guardFolder, Rest: anyAddress, Control: anyAddress, Edge: anyAddress, Shadow: anyAddress, Metrics: anyAddress, Routes: routesName}
	mover, err := b.newKey(moverName, keys.Ed25519)
	if err != nil {
		return err
	}
	in := &b.genesis.Institutions[b.network.Institution.ID-1]
	in.DelegatedKeys = append(in.DelegatedKeys, mover.Public().Bytes())
	_, err = b.newKey(guardKeyName, keys.Ed25519)
	return err
}

func writeSyncKey(path string) error {
	key := make([]byte, syncKeyBytes)
	if _, err := rand.Read(key); err != nil {
		return fault.Wrap(fault.Internal, err, "draw the sync key")
	}
	text := append(hex.AppendEncode(nil, key), '\n')
	defer clear(text)
	return fault.Wrap(fault.Unavailable, os.WriteFile(path, text, 0o600), "write the sync key")
}

// useSync gives V10 and the broker beside the network addresses that are free now, and the validator that syncs its settings. Brokers of
// its own a network has until others are named.
func (n *Network) useSync(o *SyncOptions) error {
	switch {
	case n.Sync == nil && o == nil:
		return nil
	case n.Sync == nil && n.Retired != nil:
		return fault.New(fault.Conflict, "the network in %s goes on without its V10, which is gone: leave --with-v10 out", n.Dir)
	case n.Sync == nil:
		return fault.New(fault.Conflict, "the network in %s was made without a V10: its V10 accounts are V11's own; name a new folder with --network", n.Dir)
	case o != nil && o.Store != "" && o.Store != n.Sync.Store:
		return fault.New(fault.Conflict, "V10 beside the network in %s is kept by %s, not by %s: leave --v10-store out, or name a new folder with --network", n.Dir, n.Sync.Store, o.Store)
	case o != nil && o.Kafka != "":
		n.Sync.Kafka, n.Sync.Embedded = o.Kafka, false
	}
	if err := n.sameNamed(o); err != nil {
		return err
	}
	if o != nil && (o.Door != "" || o.Router != "" || o.Journal != "") {
		if n.Sync.Move == nil {
			return fault.New(fault.Conflict, "the network in %s has no router: its slots do not move", n.Dir)
		}
		n.Sync.Move.Door, n.Sync.Move.Router = cmp.Or(o.Door, n.Sync.Move.Door), cmp.Or(o.Router, n.Sync.Move.Router)
		n.Sync.Move.Journal = cmp.Or(o.Journal, n.Sync.Move.Journal)
	}
	if err := n.Sync.assign(n.chosen(-1)); err != nil {
		return err
	}
	if n.Sync.OffMs != 0 {
		return n.clearSyncSettings()
	}
	return n.writeSyncSettings()
}

// sameNamed wants names that are given again to be those of the network, whose accounts have their slots.
func (n *Network) sameNamed(o *SyncOptions) error {
	if len(o.named()) == 0 {
		return nil
	}
	want, err := keys.NameAll(o.Named)
	if err != nil {
		return err
	}
	have, err := n.Named()
	if err == nil && !maps.Equal(want, have) {
		err = fault.New(fault.Conflict, "the network in %s was made with %d named accounts, and not with these: leave --named out, or name a new folder with --network", n.Dir, len(have))
	}
	return err
}

// addresses are those that this machine's processes of the sync listen at.
func (s *Sync) addresses() []*string {
	all := []*string{&s.V10, &s.Changes, &s.Metrics}
	if m := s.Move; m != nil {
		all = append(all, &m.Rest, &m.Control, &m.Edge, &m.Admin, &m.Shadow, &m.Metrics)
	}
	if s.Embedded {
		all = append(all, &s.Kafka)
	}
	return all
}

// chosen are those addresses, none of no sync.
func (s *Sync) chosen() (all []string) {
	if s == nil {
		return nil
	}
	for _, a := range s.addresses() {
		all = append(all, *a)
	}
	return all
}

// assign gives addresses that are free, and that others do not have, who may not listen yet.
func (s *Sync) assign(others []string) (err error) {
	held := reservation{others: others}
	defer func() { err = errors.Join(err, held.release()) }()
	s.Metrics = cmp.Or(s.Metrics, anyAddress) // networks of before had none
	if m := s.Move; m != nil {
		m.Shadow, m.Metrics = cmp.Or(m.Shadow, anyAddress), cmp.Or(m.Metrics, anyAddress)
		if m.Router == RouterNginx {
			m.Admin = cmp.Or(m.Admin, anyAddress)
		}
	}
	if s.Embedded {
		s.Kafka = cmp.Or(s.Kafka, anyAddress)
	}
	for _, a := range s.addresses() {
		if *a, err = held.take(*a, false); err != nil {
			return err
		}
	}
	return nil
}

// writeSyncSettings writes the settings of the validator that syncs: the first that is still one. The others know where V10 is.
func (n *Network) writeSyncSettings() error {
	const up = ".." // from a node's folder
	s := n.Sync
	want := config.Sync{
		Ledger: s.Ledger, Brokers: []string{s.Kafka}, TopicPrefix: s.Prefix, Keys: []string{filepath.Join(up, s.Key)}, Signer: filepath.Join(up, s.Signer), Channel: syncChannel,
		Home: s.V10URL(), Progress: s.ChangesURL(),
	}
	for _, node := range n.Nodes {
		if node.Left() {
			continue
		}
		if err := n.setSync(node, want); err != nil {
			return err
		}
		want = config.Default().Sync
		want.Home, want.Progress = s.V10URL(), s.ChangesURL()
	}
	return n.writeGatewayHome(s.V10URL())
}

// clearSyncSettings writes settings that name no V10.
func (n *Network) clearSyncSettings() error {
	for _, node := range n.Nodes {
		if node.Left() {
			continue
		}
		if err := n.setSync(node, config.Default().Sync); err != nil {
			return err
		}
	}
	return n.writeGatewayHome("")
}

func (n *Network) setSync(node Node, want config.Sync) error {
	cfg, err := config.Load(n.Path(node.Dir))
	if err == nil {
		want.BehindMax = cfg.Sync.BehindMax // whoever runs the network sets it
	}
	if err != nil || reflect.DeepEqual(cfg.Sync, want) {
		return err
	}
	cfg.Sync = want
	return config.Replace(cfg.Dir, cfg)
}

// writeGatewayHome tells the gateway where V10 is; empty: nowhere.
func (n *Network) writeGatewayHome(home string) error {
	if n.Gateway == nil {
		return nil
	}
	cfg, err := config.LoadGateway(n.Path(n.Gateway.Dir))
	if err != nil || cfg.Rest.Home == home {
		return err
	}
	cfg.Rest.Home = home
	return config.ReplaceGateway(cfg.Dir, cfg)
}

// NoteCopied notes durably that the initial copy is done, of V10 as it was at a sequence.
func (n *Network) NoteCopied(sequence uint64) error {
	now, err := Open(n.Dir) // a change of the validators may have been written meanwhile
	if err != nil {
		return err
	}
	now.Sync.Copied, n.Sync.Copied = sequence, sequence
	return now.Save()
}

// V11Door is the URL at which the router reaches V11's REST; empty: V11 serves none.
func (n *Network) V11Door() string {
	if m := n.Sync.Move; m != nil && m.Door != "" {
		return "http://" + m.Door
	}
	if rest := n.REST(); len(rest) > 0 {
		return rest[0]
	}
	return ""
}

// The routers.
const (
	RouterEmbedded = "embedded"
	RouterNginx    = "nginx"
)

// Outcomes is the file in which the router says how each request ended.
func (n *Network) Outcomes() string {
	name := outcomesName
	if n.Sync.Move.Router == RouterNginx {
		name = nginxLogName
	}
	return n.Path(filepath.Join(n.Sync.Move.Routes, name))
}

// Compared is the file in which the shadow says how each comparison of answers ended.
func (n *Network) Compared() string { return n.Path(filepath.Join(n.Sync.Move.Routes, comparedName)) }

// Migration is the folder of the migration's journal.
func (n *Network) Migration() string { return n.Path(migrationFolder) }

// Door is host:port where V10's clients are served: the guard's, if there is one.
func (s *Sync) Door() string {
	if s.Move != nil {
		return s.Move.Rest
	}
	return s.V10
}

// V10URL is that of V10's REST, for its clients.
func (s *Sync) V10URL() string { return "http://" + s.Door() }

// ChangesURL is that of V10's change log.
func (s *Sync) ChangesURL() string { return "http://" + s.Changes }

// Port is the embedded broker's.
func (s *Sync) Port() (port int, err error) {
	_, text, err := net.SplitHostPort(s.Kafka)
	if err == nil {
		port, err = net.LookupPort("tcp", text)
	}
	return port, fault.Wrap(fault.Invalid, err, "the broker's address in %s", FileName)
}
