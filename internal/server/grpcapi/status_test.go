// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/query"
)

// wholeStatus has something else than zero in every field.
func wholeStatus() *query.Status {
	return &query.Status{
		Chain: 1, Network: "network", Genesis: chain.Hash{2}, Node: "node", Version: "version", Height: 3, Executed: 4, RootHeight: 5,
		StateRoot: chain.Hash{6}, TimeUs: 7, Accounts: 8, Assets: 9, Legs: 10, IndexHeight: 11, IndexLagRows: 12, OldestPayload: 13,
		HomeVersion: 14, Keyed: ledger.KeyedCounts{Living: 61, Max: 62, Expired: 63, Evicted: 64, Duplicates: 65}, Epoch: 43, Validators: []chain.Member{{Name: "a"}, {No: 2, JoinEpoch: 44, Name: "b", Ed25519: []byte{15}, MLDSA65: []byte{1}}},
		Halted: true, HaltedReason: "reason",
		Engine: "raft", Validator: 16, State: query.StateCatchingUp,
		Order:               query.OrderStatus{Role: "follower", Term: 17, Leader: 18, HasLeader: true, Decided: 19, Logged: 20},
		Signed:              []query.Signed{{Signatures: 21, Height: 22}, {Signatures: 45, Height: 46}, {Signatures: 23, Height: 24}},
		CertificatesCounted: 25,
		Peers: []query.Peer{{
			Number: 26, Name: "peer", Address: "address", Connected: true, RoundTrip: 27 * time.Microsecond, LastError: "peer error",
			Log: &query.PeerLog{Height: 28, LagHeights: 29}, NeedsState: true,
			Classes: []query.PeerClass{{
				Class: "class", Sending: true, Receiving: true, RoundTrip: 30 * time.Microsecond, QueueFrames: 31, QueueBytes: 32, Dropped: 33,
				Reconnects: 34, Heard: true, Silent: 35 * time.Microsecond, LastError: "class error",
			}},
		}},
		Evidence: []query.Evidence{{
			Kind: "kind", Validator: 36, From: 37, Height: 38, Sequence: 39, First: chain.Hash{40}, Second: chain.Hash{41},
		}},
		EvidenceLeftOut: 42,
		Divergence: &query.Divergence{
			Height: 47, Own: "own", Certified: "certified", TimeUs: 48, Fields: []query.FieldDifference{{Field: "field", Own: "a", Certified: "b"}}, StateHeight: 49,
			Pages:   []query.PageDifference{{Section: 50, Name: "name", Page: 51, Pages: 52, Record: "record", FirstRecord: 53, LastRecord: 54}},
			Unknown: "unknown",
		},
	}
}

// noZeros fails for each field, however deep, that a test leaves empty.
func noZeros(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	if v.IsZero() && !strings.HasPrefix(path, "Status.Validators[0]") {
		t.Errorf("this test does not fill in %s", path)
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			noZeros(t, path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Pointer:
		noZeros(t, path, v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			if v.Index(i).Kind() == reflect.Struct {
				noZeros(t, path+"["+string(rune('0'+i))+"]", v.Index(i))
			}
		}
	}
}

// Every field of a status arrives, in its own place.
func TestStatusIsWhole(t *testing.T) {
	s := wholeStatus()
	noZeros(t, "Status", reflect.ValueOf(*s))
	got := nodeStatus(s)
	if got.ChainId != 1 || got.Network != "network" || !bytes.Equal(got.GenesisHash, s.Genesis[:]) || got.Node != "node" || got.Version != "version" {
		t.Errorf("%+v", got)
	}
	numbers := []uint64{got.Height, got.ExecutedHeight, got.RootHeight, got.TimeUs, got.Accounts, got.Assets, got.Legs, got.IndexHeight,
		got.IndexLagRows, got.OldestPayloadHeight, got.HomeVersion, got.MembershipEpoch, got.IdempotencyKeys.Living, got.IdempotencyKeys.LivingMax,
		got.IdempotencyKeys.Expired, got.IdempotencyKeys.Evicted, got.IdempotencyKeys.Duplicates}
	if want := []uint64{3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 43, 61, 62, 63, 64, 65}; !reflect.DeepEqual(numbers, want) || !bytes.Equal(got.StateRoot, s.StateRoot[:]) {
		t.Errorf("%v, must be %v", numbers, want)
	}
	if !got.Halted || got.HaltedReason != "reason" {
		t.Errorf("%+v", got)
	}
}

// What a network of several validators adds is as these words say.
func TestStatusOfSeveral(t *testing.T) {
	const want = `{
		"engine": "raft", "validator": 16, "state": "catching_up", "role": "follower", "term": "17", "leader": 18,
		"decidedHeight": "19", "loggedHeight": "20", "certificatesCounted": 25,
		"validators": [{"name": "a", "signatures": 21, "signedHeight": "22"}, {"number": 2, "name": "b", "ed25519": "Dw==", "signatures": 23, "signedHeight": "24", "joinEpoch": "44"}],
		"peers": [{
			"number": 26, "name": "peer", "address": "address", "connected": true, "roundTripUs": "27", "lastError": "peer error",
			"height": "28", "lagHeights": "29", "needsState": true,
			"classes": [{"class": "class", "sending": true, "receiving": true, "roundTripUs": "30", "queueFrames": 31, "queueBytes": "32",
				"droppedFrames": "33", "reconnects": "34", "silentUs": "35", "lastError": "class error"}]
		}],
		"evidence": [{"kind": "kind", "validator": 36, "from": 37, "height": "38", "sequence": "39",
			"first": "KAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "second": "KQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}],
		"evidenceLeftOut": 42,
		"divergence": {
			"height": "47", "ownHeader": "own", "certifiedHeader": "certified", "timeUs": "48", "stateHeight": "49", "unknown": "unknown",
			"fields": [{"field": "field", "own": "a", "certified": "b"}],
			"pages": [{"section": 50, "name": "name", "page": "51", "pagesThatDiffer": "52", "record": "record", "firstRecord": "53", "lastRecord": "54"}],
			"summary": "the header of height 47 differs in its field; the state of height 49 differs first in page 51 of section 50, name (record 53 to 54); unknown"
		}
	}`
	var expected ledgerv1.Status
	if err := protojson.Unmarshal([]byte(want), &expected); err != nil {
		t.Fatal(err)
	}
	all := nodeStatus(wholeStatus())
	got := &ledgerv1.Status{
		Engine: all.Engine, Validator: all.Validator, State: all.State, Role: all.Role, Term: all.Term, Leader: all.Leader,
		DecidedHeight: all.DecidedHeight, LoggedHeight: all.LoggedHeight, CertificatesCounted: all.CertificatesCounted,
		Validators: all.Validators, Peers: all.Peers, Evidence: all.Evidence, EvidenceLeftOut: all.EvidenceLeftOut,
		Divergence: all.Divergence,
	}
	if !proto.Equal(got, &expected) {
		t.Errorf("%s\nmust be\n%s", protojson.Format(got), protojson.Format(&expected))
	}
}

// What is not known is absent, and not zero: validator 0 may lead, a peer may lag by nothing, or have spoken just now.
func TestStatusSaysWhatIsNotKnown(t *testing.T) {
	s := wholeStatus()
	s.Order.HasLeader, s.Order.Leader = false, 0
	s.Peers[0].Log, s.Peers[0].Classes[0].Heard = nil, false
	s.Evidence[0].First = chain.Hash{}
	got := nodeStatus(s)
	if p := got.Peers[0]; got.Leader != nil || p.Height != nil || p.LagHeights != nil || p.Classes[0].SilentUs != nil || got.Evidence[0].First != nil {
		t.Error(protojson.Format(got))
	}
	s.Order.HasLeader = true
	s.Peers[0].Log, s.Peers[0].Classes[0] = &query.PeerLog{}, query.PeerClass{Heard: true, Silent: -time.Second}
	got = nodeStatus(s)
	p := got.Peers[0]
	if got.Leader == nil || *got.Leader != 0 || p.LagHeights == nil || *p.LagHeights != 0 || p.Classes[0].SilentUs == nil || *p.Classes[0].SilentUs != 0 {
		t.Error(protojson.Format(got))
	}
}
