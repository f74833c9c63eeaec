// SPDX-License-Identifier: Apache-2.0

package network

import (
	"crypto/rand"
	"net"
	"path/filepath"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// V10 says how clients of V10 are served: every validator has the dialect, and signs for them with a delegated key of the network's
// institution, which has V10's accounts in custody. Paths are relative to the network's folder.
type V10 struct {
	CustodyKey string   `json:"custody_key"` // delegated
	AliasKey   string   `json:"alias_key"`
	Names      string   `json:"names"`    // folder of the names vault
	Accounts   []string `json:"accounts"` // V10 names that were funded at the genesis
}

// Names of what a network has for V10.
const (
	aliasKeyName   = "keys/alias.key"
	custodyKeyName = "keys/gateway-custody.key"
	namesFolder    = "v10"
	accessFolder   = "access" // where "aurigraph apikey" keeps its files
)

// The institution's channels from DeskChannelFirst on are for the desks that pay for V10's clients; others are for its own batches.
const (
	DeskChannelFirst = 192
	deskChannelLast  = chain.ChannelsMax - 1
)

// v10Names are the funded accounts of a demo network.
var v10Names = []string{"AUR-alice", "AUR-bob", "AUR-carol"}

// makeV10Keys makes the institution's delegated key, with which V10's clients are paid for, and the network's alias key.
func (b *builder) makeV10Keys() error {
	if !b.options.V10 {
		return nil
	}
	b.network.V10 = &V10{CustodyKey: custodyKeyName, AliasKey: aliasKeyName, Names: namesFolder, Accounts: v10Names}
	delegate, err := b.newKey(custodyKeyName, keys.Ed25519)
	if err != nil {
		return err
	}
	in := &b.genesis.Institutions[b.network.Institution.ID-1]
	in.DelegatedKeys = append(in.DelegatedKeys, delegate.Public().Bytes())
	return keys.WriteAliasKey(filepath.Join(b.dir, aliasKeyName), rand.Reader, b.options.Sync.named()...)
}

// makeV10Accounts opens and funds accounts in the institution's custody. It comes after all others. Those of a V10 beside the network come
// with the copy.
func (b *builder) makeV10Accounts() error {
	if b.network.V10 == nil || b.network.Sync != nil {
		return nil
	}
	alias, err := keys.ReadAliasKey(filepath.Join(b.dir, aliasKeyName))
	if err != nil {
		return err
	}
	for _, name := range b.network.V10.Accounts {
		tag, address := alias.Tag(name), keys.AliasAddress(name)
		b.genesis.Accounts = append(b.genesis.Accounts, chain.GenesisAccount{
			Institution: chain.InstitutionNo(b.network.Institution.ID), AliasTag: tag[:], Address: address[:], Slot: alias.Slot(name),
		})
		no := chain.AccountNo(len(b.genesis.Institutions) + len(b.genesis.Accounts))
		b.genesis.Holdings = append(b.genesis.Holdings, chain.GenesisHolding{Account: no, Asset: 1, Amount: DemoBalance().String()})
	}
	return nil
}

// rest is a validator's settings of the dialect: open, since only this machine reaches it.
func (b *builder) rest() config.Rest {
	if !b.options.V10 {
		return config.Default().Rest
	}
	const up = ".." // from a node's folder
	r := config.Default().Rest
	r.Listen, r.Auth, r.Access = anyAddress, config.AuthOpen, filepath.Join(up, accessFolder)
	r.ChannelFirst, r.ChannelLast = DeskChannelFirst, deskChannelLast
	r.Institution, r.CustodyKey, r.AliasKey = v10Custodian, filepath.Join(up, custodyKeyName), filepath.Join(up, aliasKeyName)
	r.Names, r.Accounts = filepath.Join(up, namesFolder), v10Names
	if b.options.Sync != nil {
		r.ChannelLast, r.Accounts = syncedDeskLast, nil
	}
	return r
}

// v10Custodian is the institution behind governance.
const v10Custodian = 2

// numberRest gives the dialects of the nodes ports from one on, and returns the next one.
func numberRest(configs []config.Node, port int) int {
	for i := range configs {
		if configs[i].Rest.Listen != "" {
			configs[i].Rest.Listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
			port++
		}
	}
	return port
}

// REST are the URLs at which the validators serve the V10 dialect, by number; empty if they do not.
func (n *Network) REST() []string {
	var out []string
	for _, node := range n.Nodes {
		if !node.Left() && node.REST != "" {
			out = append(out, "http://"+node.REST)
		}
	}
	return out
}

// Named are the V10 accounts that have a slot of their own.
func (n *Network) Named() (keys.Named, error) {
	if n.V10 == nil {
		return nil, nil
	}
	key, err := keys.ReadAliasKey(n.Path(n.V10.AliasKey))
	if err != nil {
		return nil, err
	}
	return key.Named, nil
}
