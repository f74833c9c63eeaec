// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of a change.
const (
	changeTriesMax = 4 // each for another present epoch
	changeWaitMax  = 60 * time.Second
	changeGrace    = 5 * time.Second // for the last ones, once a quorum serves
	changeLook     = 100 * time.Millisecond
)

// Ledger is what a change of the membership asks of the running network.
type Ledger interface {
	// Handovers are all since the genesis, in order.
	Handovers(ctx context.Context) ([]*chain.ProvedHandover, error)
	// Change submits a change for governance. Refused, with the outcome as reason, if the ledger does not make it; Timeout if
	// it is not known whether it did.
	Change(ctx context.Context, change *chain.ChangeValidator) error
	// Serving lists the validators that serve in an epoch.
	Serving(ctx context.Context, e chain.Epoch) []chain.ValidatorNo
}

// Changed is what came of a change.
type Changed struct {
	Change    string            `json:"change"` // add, remove, rekey
	Validator chain.ValidatorNo `json:"validator"`
	ID        string            `json:"id"`
	Dir       string            `json:"dir"`
	Already   bool              `json:"already"` // it was made before this call
	Epoch     chain.Epoch       `json:"epoch"`   // the newest, in which the change is in force
	Height    chain.Height      `json:"height"`  // the last one of the epoch before
	Members   int               `json:"validators"`
	Quorum    int               `json:"quorum"`
	Serving   int               `json:"serving"`             // of the members, in the new epoch
	OldFiles  []string          `json:"old_files,omitempty"` // of a validator with new keys
}

// Changer changes the membership of a network whose keys lie in its folder. Each of its changes may be made again after a
// crash at any step: what was begun is in the folder, and what the ledger did is in its handovers.
type Changer struct {
	network *Network
	ledger  Ledger
	say     func(format string, args ...any)
	wait    time.Duration
	grace   time.Duration
}

// NewChanger makes a Changer that says what it does.
func NewChanger(n *Network, l Ledger, say func(format string, args ...any)) *Changer {
	return &Changer{network: n, ledger: l, say: say, wait: changeWaitMax, grace: changeGrace}
}

// Add admits a new validator. An empty name is that of its folder.
func (c *Changer) Add(ctx context.Context, name string) (*Changed, error) {
	present, err := c.present(ctx)
	if err != nil {
		return nil, err
	}
	p, err := c.beginAdd(present.Current().Membership(), name)
	if err != nil {
		return nil, err
	}
	n := c.network
	if err := n.newcomer(p); err != nil {
		return nil, err
	}
	i := int(p.Validator)
	change, err := n.changeOf(i, p.Name, "")
	if err != nil {
		return nil, err
	}
	c.say("validator %d is %s, in %s; the others have its address", p.Validator, p.Name, n.Path(n.Nodes[i].Dir))
	done, err := c.enact(ctx, p, change)
	if err != nil {
		return nil, err
	}
	if err := c.introduce(ctx, i); err != nil {
		return nil, err
	}
	n.Nodes[i].JoinEpoch, n.Nodes[i].LeftEpoch = done.Epoch, 0
	if err := n.Save(); err != nil {
		return nil, err
	}
	if err := n.updateGateway(); err != nil {
		return nil, err
	}
	return c.settle(ctx, done)
}

// beginAdd chooses the newcomer's number and name, once.
func (c *Changer) beginAdd(m *chain.Membership, name string) (*pending, error) {
	begun, err := c.network.readPending()
	if err != nil {
		return nil, err
	}
	p := &pending{Kind: changeAdd, Name: name}
	if begun == nil {
		if p.Validator, err = numberOf(m); err != nil {
			return nil, err
		}
		if p.Name == "" {
			p.Name = nodeName(int(p.Validator))
		}
		if slices.ContainsFunc(c.network.Nodes, func(x Node) bool { return x.ID == p.Name && !x.Left() }) {
			return nil, fault.New(fault.Conflict, "%s is a validator of the network already: choose another name with --name", p.Name)
		}
		if len(p.Name) > chain.NameBytesMax {
			return nil, fault.New(fault.Invalid, "the name has %d bytes, must have at most %d", len(p.Name), chain.NameBytesMax)
		}
		if int(p.Validator) > len(c.network.Nodes) {
			return nil, fault.New(fault.Conflict, "the network has validators that are not in %s: add validator %d with `aurigraph validators propose`", c.network.Path(FileName), p.Validator)
		}
	}
	return c.network.begin(p)
}

// Remove removes a validator, named by its id or number.
func (c *Changer) Remove(ctx context.Context, id string) (*Changed, error) {
	present, err := c.present(ctx)
	if err != nil {
		return nil, err
	}
	n := c.network
	i, err := n.find(id)
	if err != nil {
		return nil, err
	}
	if n.Nodes[i].Left() {
		return c.alreadyLeft(i, present), n.removePendingOf(changeRemove, i)
	}
	p, err := n.begin(&pending{Kind: changeRemove, Validator: chain.ValidatorNo(i), Name: n.Nodes[i].ID})
	if err != nil {
		return nil, err
	}
	done, err := c.enact(ctx, p, &chain.ChangeValidator{Validator: p.Validator})
	if err != nil {
		return nil, err
	}
	n.Nodes[i] = Node{ID: n.Nodes[i].ID, Dir: n.Nodes[i].Dir, JoinEpoch: n.Nodes[i].JoinEpoch, LeftEpoch: done.Epoch}
	if err := n.Save(); err != nil {
		return nil, err
	}
	if err := n.writeAddresses(); err != nil {
		return nil, err
	}
	if err := n.updateGateway(); err != nil {
		return nil, err
	}
	return c.settle(ctx, done)
}

func (c *Changer) alreadyLeft(i int, present *epoch.History) *Changed {
	node, m := c.network.Nodes[i], present.Current().Membership()
	done := c.changed(&pending{Kind: changeRemove, Validator: chain.ValidatorNo(i), Name: node.ID}, m, present)
	done.Already = true
	return done
}

// find finds a node by its id or number.
func (n *Network) find(id string) (int, error) {
	for i, node := range n.Nodes {
		if node.ID == id {
			return i, nil
		}
	}
	if i, err := strconv.Atoi(id); err == nil && i >= 0 && i < len(n.Nodes) {
		return i, nil
	}
	var ids []string
	for _, node := range n.Nodes {
		if !node.Left() {
			ids = append(ids, node.ID)
		}
	}
	return 0, fault.New(fault.NotFound, "the network in %s has no validator %q, but %v", n.Dir, id, ids)
}

// present is who validated when until now. Refused: the network has one validator that orders alone.
func (c *Changer) present(ctx context.Context) (*epoch.History, error) {
	cfg, err := c.network.template()
	if err != nil {
		return nil, err
	}
	if cfg.Order.Engine == config.EngineSolo {
		return nil, fault.New(fault.Refused, "the network in %s has one validator that orders alone (engine solo), and cannot change its membership: make one of several with `aurigraph up --validators 4` in another folder", c.network.Dir)
	}
	return c.history(ctx)
}

func (c *Changer) changed(p *pending, m *chain.Membership, h *epoch.History) *Changed {
	done := &Changed{
		Change: p.Kind, Validator: p.Validator, ID: p.Name, Epoch: m.Epoch, Members: len(m.Members), Quorum: m.Quorum(),
	}
	if int(p.Validator) < len(c.network.Nodes) {
		done.Dir = c.network.Path(c.network.Nodes[p.Validator].Dir)
	}
	if end, ok := h.End(m.Epoch - 1); ok {
		done.Height = end.Height
	}
	return done
}

// introduce gives a node all handovers, by which it finds its place.
func (c *Changer) introduce(ctx context.Context, i int) error {
	list, err := c.ledger.Handovers(ctx)
	if err != nil {
		return err
	}
	cfg, err := config.Load(c.network.Path(c.network.Nodes[i].Dir))
	if err != nil {
		return err
	}
	return WriteHandovers(cfg.Data(handoversName), list)
}
