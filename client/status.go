// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"time"

	"google.golang.org/grpc"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// States of a node.
const (
	StateLeader     = "leader"
	StateFollower   = "follower"
	StateCandidate  = "candidate"   // it looks for a leader
	StateCatchingUp = "catching_up" // a follower that knows to be far behind
	StateStarting   = "starting"    // clients are not let in yet
	StateHalted     = "halted"      // its writer stopped for good
)

// Status is what a node says of itself and of its peers. Nothing of it is proved.
type Status struct {
	ChainID       ChainID
	Network       string
	GenesisHash   Hash
	Node, Version string
	Height        Height // certified
	Executed      Height
	RootHeight    Height
	StateRoot     Hash
	TimeUs        uint64
	Accounts      uint64
	Assets        uint64
	Legs          uint64 // transfers executed with outcome ok since genesis
	IndexHeight   Height
	IndexLagRows  uint64
	OldestPayload Height
	HomeVersion   uint64
	Keyed         KeyedCounts // idempotency keys
	Epoch         Epoch       // of the membership
	Validators    []Member    // in order of number; a number that no member has is left out
	Halted        bool
	HaltedReason  string

	Engine    string // solo, raft
	Validator uint16 // this node's number
	State     string
	Role      string // in ordering: leader, follower, candidate
	Term      uint64
	Leader    uint16 // if HasLeader
	HasLeader bool
	Decided   Height // newest that ordering decided, as far as this node knows
	Logged    Height // newest in its ordering log, decided or not
	// CertificatesCounted is in how many of the newest certificates the members' signatures were counted.
	CertificatesCounted uint32
	Peers               []Peer
	Evidence            []Evidence
	EvidenceLeftOut     uint32
	Divergence          *Divergence // the last one of the node, also before a restart; nil: there never was one
}

// Member is a validator of the present membership epoch.
type Member struct {
	Number    uint16 // by which all else names it; not its place in a list
	Name      string
	JoinEpoch Epoch // in which it joined under its present keys
	Ed25519   []byte
	// Signed counts its signatures in the newest certificates. A certificate names the first quorum that signed: who is not
	// in it may only have been slower.
	Signed Signed
}

// Signed is a validator's part in the newest certificates.
type Signed struct {
	Signatures uint32
	Height     Height // of the newest one; 0: none
}

// Member finds a member by its number, nil if the number is vacant.
func (s *Status) Member(number uint16) *Member {
	for i := range s.Validators {
		if s.Validators[i].Number == number {
			return &s.Validators[i]
		}
	}
	return nil
}

// Peer is another validator as the node is connected to it.
type Peer struct {
	Number     uint16
	Name       string
	Address    string
	Connected  bool // for consensus, in both directions
	RoundTrip  time.Duration
	Classes    []PeerClass // the most urgent first
	LastError  string      // why the most urgent connection that is missing is missing
	Log        *PeerLog    // known to the leader alone
	NeedsState bool        // so far behind that it must fetch a checkpoint
}

// PeerLog is a peer's ordering log as its leader knows it.
type PeerLog struct {
	Height     Height
	LagHeights uint64
}

// PeerClass is the connections of one priority class with a peer.
type PeerClass struct {
	Class         string
	Sending       bool
	Receiving     bool
	RoundTrip     time.Duration
	QueueFrames   uint32
	QueueBytes    uint64
	DroppedFrames uint64
	Reconnects    uint64
	Heard         bool          // of the peer, ever
	Silent        time.Duration // since then
	LastError     string
}

// EvidenceDrill is the kind of what is shown for a minute because somebody rehearses an alarm. Its sequence is the number of that drill.
const EvidenceDrill = "drill"

// Evidence says that somebody did what an honest validator does not. It convinces the node that found it.
type Evidence struct {
	Kind      string // about a lane: fork, parent, ack, ahead, decided; about a height: two_headers; EvidenceDrill: it is none
	Validator uint16 // who signed two headers, or whose lane it is
	From      uint16 // who said so
	Height    Height // of two_headers
	Sequence  uint64 // the place in the lane
	First     Hash   // zero: no longer known
	Second    Hash
}

// Status asks one node how it is.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	a, err := read(ctx, c, c.ledger.GetStatus, &ledgerv1.GetStatusRequest{})
	if err != nil {
		return nil, err
	}
	return statusOf(a)
}

// StatusOf asks the node at an endpoint how it is, once, and also when it lets no clients in: while it starts, or after it
// halted. It is for whoever looks after nodes; of cfg it uses what says how to connect and whom to believe. Conflict: the
// node is of another network.
func StatusOf(ctx context.Context, cfg Config, endpoint string) (*Status, error) {
	cfg.setDefaults()
	creds, err := cfg.credentials()
	if err != nil {
		return nil, err
	}
	if _, err := endpoints([]string{endpoint}); err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("passthrough:///"+endpoint, append(options(), grpc.WithTransportCredentials(creds), grpc.WithDisableHealthCheck())...)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "set up the connection")
	}
	defer conn.Close()
	c := &Client{cfg: cfg, conn: conn, ledger: ledgerv1.NewLedgerClient(conn)}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	a, err := c.ledger.GetStatus(ctx, &ledgerv1.GetStatusRequest{})
	if err != nil {
		err, _ = faultOf(err)
		return nil, err
	}
	s, err := statusOf(a)
	if err != nil {
		return nil, err
	}
	if err := s.isOf(cfg.Trust); err != nil {
		return nil, err
	}
	return s, nil
}

// Divergence says where a node's history left the one that a quorum certified. A node that diverged writes no more.
type Divergence struct {
	Height      Height // the lowest one whose header is known to differ
	Own         string // hash of its header, hex
	Certified   string
	TimeUs      uint64            // when the node found out, by its clock
	Fields      []FieldDifference // of the header, the first ones
	StateHeight Height            // whose states were compared; 0: none were
	Pages       []PageDifference  // of the state: the first differing page of each section that differs
	Unknown     string            // why not all of it is known; empty if it is
	Summary     string            // all of it in one line
}

// FieldDifference is a field of an executed header that differs.
type FieldDifference struct{ Field, Own, Certified string }

// PageDifference is the first page of a section that differs.
type PageDifference struct {
	Section     uint32
	Name        string // what the section holds
	Page        uint64
	Pages       uint64 // how many differ
	Record      string // by what the section's records are numbered
	FirstRecord uint64
	LastRecord  uint64
}

// isOf is Conflict for a node of another network than the trusted one.
func (s *Status) isOf(t *Trust) error {
	if t == nil || s.ChainID == t.ChainID && s.GenesisHash == t.GenesisHash {
		return nil
	}
	return fault.Reasoned(fault.Conflict, "other_chain", "the node is of chain %d, genesis %s; the trust is of chain %d, genesis %s",
		s.ChainID, s.GenesisHash, t.ChainID, t.GenesisHash)
}

func statusOf(a *ledgerv1.Status) (*Status, error) {
	s := &Status{
		ChainID: ChainID(a.ChainId), Network: a.Network, Node: a.Node, Version: a.Version,
		Height: Height(a.Height), Executed: Height(a.ExecutedHeight), RootHeight: Height(a.RootHeight), TimeUs: a.TimeUs,
		Accounts: a.Accounts, Assets: a.Assets, Legs: a.Legs,
		IndexHeight: Height(a.IndexHeight), IndexLagRows: a.IndexLagRows, OldestPayload: Height(a.OldestPayloadHeight),
		HomeVersion: a.HomeVersion, Keyed: keyedCountsOf(a.IdempotencyKeys), Epoch: Epoch(a.MembershipEpoch), Halted: a.Halted, HaltedReason: a.HaltedReason,
		Engine: a.Engine, Validator: uint16(a.Validator), State: a.State, Role: a.Role, Term: a.Term,
		Leader: uint16(a.GetLeader()), HasLeader: a.Leader != nil, Decided: Height(a.DecidedHeight), Logged: Height(a.LoggedHeight),
		CertificatesCounted: a.CertificatesCounted, EvidenceLeftOut: a.EvidenceLeftOut, Divergence: divergenceOf(a.Divergence),
	}
	if err := putHash(&s.StateRoot, a.StateRoot); err != nil {
		return nil, err
	}
	if err := putHash(&s.GenesisHash, a.GenesisHash); err != nil {
		return nil, err
	}
	if err := s.putLists(a); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Status) putLists(a *ledgerv1.Status) error {
	next := uint32(0)
	for _, v := range a.Validators {
		if v.Number < next || v.Number >= chain.ValidatorsMax {
			return malformed("validator %d in the node's answer is out of place", v.Number)
		}
		next = v.Number + 1
		s.Validators = append(s.Validators, Member{
			Number: uint16(v.Number), Name: v.Name, JoinEpoch: Epoch(v.JoinEpoch), Ed25519: v.Ed25519, Signed: Signed{v.Signatures, Height(v.SignedHeight)},
		})
	}
	for _, p := range a.Peers {
		s.Peers = append(s.Peers, peerOf(p))
	}
	for _, e := range a.Evidence {
		x, err := evidenceOf(e)
		if err != nil {
			return err
		}
		s.Evidence = append(s.Evidence, x)
	}
	return nil
}

func peerOf(p *ledgerv1.PeerInfo) Peer {
	out := Peer{
		Number: uint16(p.Number), Name: p.Name, Address: p.Address, Connected: p.Connected, RoundTrip: us(p.RoundTripUs),
		LastError: p.LastError, NeedsState: p.NeedsState,
	}
	if p.Height != nil {
		out.Log = &PeerLog{Height(p.GetHeight()), p.GetLagHeights()}
	}
	for _, k := range p.Classes {
		out.Classes = append(out.Classes, PeerClass{
			Class: k.Class, Sending: k.Sending, Receiving: k.Receiving, RoundTrip: us(k.RoundTripUs),
			QueueFrames: k.QueueFrames, QueueBytes: k.QueueBytes, DroppedFrames: k.DroppedFrames, Reconnects: k.Reconnects,
			Heard: k.SilentUs != nil, Silent: us(k.GetSilentUs()), LastError: k.LastError,
		})
	}
	return out
}

func evidenceOf(e *ledgerv1.Evidence) (Evidence, error) {
	out := Evidence{Kind: e.Kind, Validator: uint16(e.Validator), From: uint16(e.From), Height: Height(e.Height), Sequence: e.Sequence}
	if err := putKnown(&out.First, e.First); err != nil {
		return out, err
	}
	return out, putKnown(&out.Second, e.Second)
}

func divergenceOf(a *ledgerv1.Divergence) *Divergence {
	if a == nil {
		return nil
	}
	d := &Divergence{
		Height: Height(a.Height), Own: a.OwnHeader, Certified: a.CertifiedHeader, TimeUs: a.TimeUs, StateHeight: Height(a.StateHeight),
		Unknown: a.Unknown, Summary: a.Summary,
	}
	for _, f := range a.Fields {
		d.Fields = append(d.Fields, FieldDifference{f.Field, f.Own, f.Certified})
	}
	for _, p := range a.Pages {
		d.Pages = append(d.Pages, PageDifference{p.Section, p.Name, p.Page, p.PagesThatDiffer, p.Record, p.FirstRecord, p.LastRecord})
	}
	return d
}

// putKnown is putHash for what may be absent.
func putKnown(dst *Hash, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return putHash(dst, b)
}

func us(n uint64) time.Duration { return time.Duration(n) * time.Microsecond }
