// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// oneOfFour is a node whose status a test gives it.
type oneOfFour struct {
	*grpcapitest.Node
	status query.Status
}

func (n *oneOfFour) Status(ctx context.Context) (*query.Status, error) {
	s, err := n.Node.Status(ctx)
	if err != nil {
		return nil, err
	}
	n.status.Chain, n.status.Genesis = s.Chain, s.Genesis
	return &n.status, nil
}

func newOneOfFour() *oneOfFour {
	return &oneOfFour{grpcapitest.New(4), query.Status{
		Network: "n", Node: "node", Version: "v", Height: 3, Executed: 4, RootHeight: 5, StateRoot: chain.Hash{6}, TimeUs: 7, Accounts: 8, Assets: 9,
		Legs: 10, IndexHeight: 11, IndexLagRows: 12, OldestPayload: 13, HomeVersion: 14, Halted: true, HaltedReason: "reason",
		Keyed: ledger.KeyedCounts{Living: 61, Max: 62, Expired: 63, Evicted: 64, Duplicates: 65},
		Epoch: 51, Validators: []chain.Member{{Name: "a", JoinEpoch: 1}, {No: 2, JoinEpoch: 52, Name: "b", Ed25519: chain.HexBytes{53}}}, Engine: "raft", Validator: 16, State: query.StateCatchingUp,
		Order:  query.OrderStatus{Role: "follower", Term: 17, Leader: 18, HasLeader: true, Decided: 19, Logged: 20},
		Signed: []query.Signed{{Signatures: 21, Height: 22}, {Signatures: 54, Height: 55}, {Signatures: 23, Height: 24}}, CertificatesCounted: 25,
		Peers: []query.Peer{{
			Number: 26, Name: "peer", Address: "address", Connected: true, RoundTrip: 27 * time.Microsecond, LastError: "error",
			Log: &query.PeerLog{Height: 28, LagHeights: 29}, NeedsState: true,
			Classes: []query.PeerClass{{
				Class: "class", Sending: true, Receiving: true, RoundTrip: 30 * time.Microsecond, QueueFrames: 31, QueueBytes: 32, Dropped: 33,
				Reconnects: 34, Heard: true, Silent: 35 * time.Microsecond, LastError: "class error",
			}},
		}},
		Evidence:        []query.Evidence{{Kind: "kind", Validator: 36, From: 37, Height: 38, Sequence: 39, First: chain.Hash{40}, Second: chain.Hash{41}}},
		EvidenceLeftOut: 42,
		Divergence: &query.Divergence{
			Height: 43, Own: "own", Certified: "certified", TimeUs: 44, Fields: []query.FieldDifference{{Field: "field", Own: "a", Certified: "b"}}, StateHeight: 45,
			Pages:   []query.PageDifference{{Section: 46, Name: "name", Page: 47, Pages: 48, Record: "record", FirstRecord: 49, LastRecord: 50}},
			Unknown: "unknown",
		},
	}}
}

// Every field of a status arrives over the wire, in its own place.
func TestStatusIsWhole(t *testing.T) {
	node := newOneOfFour()
	c := dial(t, node, nil)
	got, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := &client.Status{
		ChainID: 7, Network: "n", GenesisHash: client.TrustGenesis(node.Genesis).GenesisHash, Node: "node", Version: "v", Height: 3, Executed: 4,
		RootHeight: 5, StateRoot: client.Hash{6}, TimeUs: 7, Accounts: 8, Assets: 9, Legs: 10, IndexHeight: 11, IndexLagRows: 12, OldestPayload: 13,
		HomeVersion: 14, Keyed: client.KeyedCounts{Living: 61, Max: 62, Expired: 63, Evicted: 64, Duplicates: 65}, Epoch: 51, Halted: true, HaltedReason: "reason",
		Engine: "raft", Validator: 16, State: client.StateCatchingUp, Role: "follower", Term: 17, Leader: 18, HasLeader: true, Decided: 19, Logged: 20,
		Validators: []client.Member{
			{Name: "a", JoinEpoch: 1, Signed: client.Signed{Signatures: 21, Height: 22}},
			{Number: 2, Name: "b", JoinEpoch: 52, Ed25519: []byte{53}, Signed: client.Signed{Signatures: 23, Height: 24}},
		}, CertificatesCounted: 25,
		Peers: []client.Peer{{
			Number: 26, Name: "peer", Address: "address", Connected: true, RoundTrip: 27 * time.Microsecond, LastError: "error",
			Log: &client.PeerLog{Height: 28, LagHeights: 29}, NeedsState: true,
			Classes: []client.PeerClass{{
				Class: "class", Sending: true, Receiving: true, RoundTrip: 30 * time.Microsecond, QueueFrames: 31, QueueBytes: 32, DroppedFrames: 33,
				Reconnects: 34, Heard: true, Silent: 35 * time.Microsecond, LastError: "class error",
			}},
		}},
		Evidence:        []client.Evidence{{Kind: "kind", Validator: 36, From: 37, Height: 38, Sequence: 39, First: client.Hash{40}, Second: client.Hash{41}}},
		EvidenceLeftOut: 42,
		Divergence: &client.Divergence{
			Height: 43, Own: "own", Certified: "certified", TimeUs: 44, Fields: []client.FieldDifference{{Field: "field", Own: "a", Certified: "b"}}, StateHeight: 45,
			Pages:   []client.PageDifference{{Section: 46, Name: "name", Page: 47, Pages: 48, Record: "record", FirstRecord: 49, LastRecord: 50}},
			Unknown: "unknown",
			Summary: "the header of height 43 differs in its field; the state of height 45 differs first in page 47 of section 46, name (record 49 to 50); unknown",
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nmust be\n%+v", got, want)
	}
	for i := range reflect.TypeOf(*want).NumField() {
		if reflect.ValueOf(*want).Field(i).IsZero() {
			t.Errorf("this test does not fill in %s", reflect.TypeOf(*want).Field(i).Name)
		}
	}
	if b := got.Member(2); b == nil || b.Name != "b" || got.Member(1) != nil {
		t.Errorf("members are not found by their numbers: %+v", b)
	}
	node.status.Order.HasLeader, node.status.Peers[0].Log, node.status.Peers[0].Classes[0].Heard = false, nil, false
	node.status.Evidence[0].First = chain.Hash{}
	got, err = c.Status(t.Context())
	if err != nil || got.HasLeader || got.Peers[0].Log != nil || got.Peers[0].Classes[0].Heard || !got.Evidence[0].First.IsZero() {
		t.Errorf("what is not known is said: %+v %v", got, err)
	}
}

// A node is asked also when it lets nobody in, and once.
func TestStatusOf(t *testing.T) {
	node := newOneOfFour()
	files, ca, err := server.DevTLS(t.TempDir(), []string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	tls, err := files.Load()
	if err != nil {
		t.Fatal(err)
	}
	l, err := server.Listen("127.0.0.1:0", 16)
	if err != nil {
		t.Fatal(err)
	}
	edge := grpcapi.New(grpcapi.Config{TLS: tls, ShutdownGrace: 50 * time.Millisecond}, node, nil) // and it does not serve
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- edge.Serve(ctx, l) }()
	defer func() { cancel(); <-done }()
	cfg := client.Config{CAFile: ca, Trust: client.TrustGenesis(node.Genesis)}
	s, err := client.StatusOf(t.Context(), cfg, l.Addr().String())
	if err != nil || s.State != client.StateCatchingUp || s.ChainID != 7 {
		t.Fatal(s, err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	other := client.Config{CAFile: ca, Trust: client.TrustGenesis(grpcapitest.New(1).Genesis)}
	for name, x := range map[string]struct {
		cfg  client.Config
		at   string
		kind client.Kind
	}{
		"another network":   {other, l.Addr().String(), client.Conflict},
		"nobody":            {cfg, "127.0.0.1:1", client.Unavailable},
		"silence":           {cfg, silent.Addr().String(), client.Timeout},
		"no address":        {cfg, "nowhere", client.Invalid},
		"no authority":      {client.Config{CAFile: ca + "x"}, l.Addr().String(), client.Invalid},
		"another authority": {client.Config{}, l.Addr().String(), client.Unavailable},
	} {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		_, err := client.StatusOf(ctx, x.cfg, x.at)
		cancel()
		if took := time.Since(begin); err == nil || client.KindOf(err) != x.kind || took > 2*time.Second {
			t.Errorf("%s: %v after %s", name, err, took)
		}
	}
}
