// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// leavesOf are the leaves of the present state.
func (l *ledger) leavesOf() (chain.Hash, *pages.StateLeaves) {
	sn := l.space.Snapshot()
	defer sn.Release()
	return l.tree.Update(sn), l.tree.StateLeaves(nil)
}

// asker is validator 3, which asks validator 0.
type asker struct {
	*Inquiry
	server *Server
	lie    func(Message) Message // what becomes of an answer on its way
	deaf   bool                  // asks do not arrive
}

// Send takes frames of both sides to the other one.
func (a *asker) Send(to chain.ValidatorNo, kind uint8, body []byte) error {
	m, err := Parse(kind, bytes.Clone(body))
	if err != nil {
		return err
	}
	if to == 3 {
		if a.lie != nil {
			m = a.lie(m)
		}
		a.Receive(0, m)
	} else if !a.deaf {
		a.server.Receive(3, m)
	}
	return nil
}

// inquire runs do with an asker and a server over a node, in a bubble.
func inquire(t *testing.T, n *node, leaves func(chain.Height) (*pages.StateLeaves, bool), do func(ctx context.Context, a *asker)) {
	synctest.Test(t, func(t *testing.T) {
		a := &asker{}
		var err error
		a.Inquiry, err = NewInquiry(InquiryConfig{Rules: testRules(), Peers: a, Metrics: prometheus.NewRegistry()})
		must(t, err)
		defer a.Close()
		a.server, err = NewServer(ServerConfig{Chain: testChain, Dir: n.dir, FS: checkpoint.OS{}, Store: n.blocks, Peers: a, Leaves: leaves, Metrics: prometheus.NewRegistry()})
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = a.server.Run(ctx) })
		do(ctx, a)
		cancel()
		wg.Wait()
	})
}

// TestInquiry changes one byte of a state, and wants its page named.
func TestInquiry(t *testing.T) {
	n, right := newNode(t), newLedger(1)
	n.write(right, 100, false)
	root, theirs := right.leavesOf()
	kept := func(at chain.Height) (*pages.StateLeaves, bool) { return theirs, at == 100 }
	for _, x := range []struct {
		name   string
		change func(l *ledger)
		want   []SectionDifference
	}{
		{"a byte", func(l *ledger) { l.hot.Mut(77 * 256)[5]++ }, []SectionDifference{{3, 64, 77, 1}}},
		{"bytes of two sections", func(l *ledger) { l.hot.Mut(78 * 256)[5]++; l.hot.Mut(90 * 256)[5]++; *l.cold.Mut(0)++ }, []SectionDifference{{3, 64, 78, 2}, {0x10001, 8, 0, 1}}},
		{"a later section", func(l *ledger) { *l.cold.Mut(2 * 9 * 2048)++ }, []SectionDifference{{0x10001, 8, 18, 1}}},
		{"a section that nobody else has", func(l *ledger) { *pages.NewColumn[uint32](l.space, 1, 8192).Mut(4096)++ }, []SectionDifference{{1, 4, 1, 1}}},
	} {
		odd := newLedger(1)
		x.change(odd)
		_, own := odd.leavesOf()
		inquire(t, n, kept, func(ctx context.Context, a *asker) {
			if have, err := a.Differences(ctx, 0, 100, root, own); err != nil || !slices.Equal(have, x.want) {
				t.Errorf("%s: %+v, %v", x.name, have, err)
			}
			if c := count(a.server.metrics.compared); c < 1 {
				t.Errorf("%s: %g answers were counted", x.name, c)
			}
		})
	}
	inquire(t, n, kept, func(ctx context.Context, a *asker) {
		if _, err := a.Differences(ctx, 0, 100, root, theirs); !fault.Is(err, fault.Conflict) {
			t.Errorf("the same state: %v", err)
		}
		if _, err := a.Differences(ctx, 0, 101, root, theirs); !fault.Is(err, fault.NotFound) {
			t.Errorf("a state that is not kept: %v", err)
		}
		h, hash, err := a.Header(ctx, 0, 100+chain.RootDelay)
		if err != nil || h.StateRoot != root || hash != codec.HeaderHash(h) {
			t.Errorf("%+v, %v", h, err)
		}
		if _, _, err := a.Header(ctx, 0, 999); !fault.Is(err, fault.NotFound) {
			t.Errorf("a header that is not there: %v", err)
		}
		a.deaf = true
		begin := time.Now()
		if _, _, err := a.Header(ctx, 0, 100); !fault.Is(err, fault.Timeout) || time.Since(begin) != 2*time.Second {
			t.Errorf("a silent peer: %v after %v", err, time.Since(begin))
		}
	})
	inquire(t, n, nil, func(ctx context.Context, a *asker) {
		if _, err := a.Differences(ctx, 0, 100, root, theirs); !fault.Is(err, fault.NotFound) {
			t.Errorf("a server without leaves: %v", err)
		}
	})
}

// TestInquiryOfALiar has a peer that changes its answers: none of them is believed.
func TestInquiryOfALiar(t *testing.T) {
	n, right, odd := newNode(t), newLedger(1), newLedger(2)
	n.write(right, 100, false)
	root, theirs := right.leavesOf()
	_, own := odd.leavesOf()
	kept := func(chain.Height) (*pages.StateLeaves, bool) { return theirs, true }
	for reason, lie := range map[string]func(Message) Message{
		"wrong_table": func(m Message) Message {
			if t, ok := m.(Table); ok {
				t.Rows[0].Pages++
				return t
			}
			return m
		},
		"wrong_leaves": func(m Message) Message {
			if l, ok := m.(RootLeaves); ok {
				l.Hashes[len(l.Hashes)-1][7]++
				return l
			}
			return m
		},
		"wrong_certificate": func(m Message) Message {
			if h, ok := m.(HeaderOf); ok {
				header, err := codec.DecodeHeader(h.Header)
				must(t, err)
				header.TimeUs++
				return HeaderOf{h.Height, codec.AppendHeader(nil, header), certify(header, 0, 1)} // two of four
			}
			return m
		},
		"wrong_headers": func(m Message) Message {
			if h, ok := m.(HeaderOf); ok {
				h.Header = h.Header[:9]
				return h
			}
			return m
		},
	} {
		inquire(t, n, kept, func(ctx context.Context, a *asker) {
			a.lie = lie
			_, err := a.Differences(ctx, 0, 100, root, own)
			if reason == "wrong_certificate" || reason == "wrong_headers" {
				_, _, err = a.Header(ctx, 0, 100)
			}
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", reason, err)
			}
		})
	}
}

// TestInquiryTakesWhatItAsked has answers that nobody asked for.
func TestInquiryTakesWhatItAsked(t *testing.T) {
	n, l := newNode(t), newLedger(1)
	n.write(l, 100, false)
	inquire(t, n, nil, func(ctx context.Context, a *asker) {
		a.Receive(0, AskHeader{100})
		first := true
		a.lie = func(m Message) Message {
			if first {
				first = false
				a.Receive(1, m) // of another peer
				a.Receive(0, Unheld{KindAskTable, 100})
				a.Receive(0, Done{1})
			}
			return m
		}
		if _, _, err := a.Header(ctx, 0, 100); err != nil {
			t.Error(err)
		}
		if c := count(a.refused.WithLabelValues("unasked")); c != 4 {
			t.Errorf("%g answers were refused", c)
		}
	})
}

// TestComparisonsAreBounded asks faster than the server answers: what does not fit is dropped and counted.
func TestComparisonsAreBounded(t *testing.T) {
	n := newNode(t)
	s, err := NewServer(ServerConfig{Chain: testChain, Dir: n.dir, FS: checkpoint.OS{}, Store: n.blocks, Metrics: prometheus.NewRegistry()})
	must(t, err)
	defer s.metrics.unregister()
	for range requestsMax + 7 {
		s.Receive(3, AskTable{1})
	}
	if c := count(s.metrics.refused.WithLabelValues("requests_full")); c != 7 {
		t.Errorf("%g asks were dropped", c)
	}
}
