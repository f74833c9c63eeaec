// SPDX-License-Identifier: Apache-2.0

package damage

import (
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/verifier"
	"github.com/aurigraph/aurigraph/internal/verifier/watch"
)

// What is planted can be named: by a scrub, or by who watches the topics.
func TestKinds(t *testing.T) {
	known := map[string]bool{}
	for _, k := range verifier.Kinds() {
		known[k.Name()] = true
	}
	for _, f := range []watch.Flaw{watch.Forged, watch.Garbled, watch.Unknown, watch.Foreign, watch.OtherLife, watch.Forked, watch.WrongTopic, watch.BadBeat} {
		known[TopicKind+string(f)] = true
	}
	ids, findings := map[string]bool{}, map[string]bool{}
	for _, k := range Kinds() {
		if k.ID == "" || k.What == "" || k.plant == nil || ids[k.ID] {
			t.Errorf("%+v: no id of its own, or nothing to plant", k)
		}
		ids[k.ID], findings[k.Finding] = true, true
		if (k.Group == 0) != (k.Where == InTopics) || !slices.Contains([]string{InV10, InIndex, InCopied, InTopics}, k.Where) {
			t.Errorf("%s: group %d, %q", k.ID, k.Group, k.Where)
		}
		for _, name := range append([]string{k.Finding}, k.Also...) {
			if !known[name] {
				t.Errorf("%s: nothing is known of findings %s", k.ID, name)
			}
		}
		if slices.Contains(k.Also, k.Finding) {
			t.Errorf("%s explains itself twice", k.ID)
		}
	}
	if len(ids) < 44 || len(findings) < 40 {
		t.Errorf("%d kinds, by %d findings", len(ids), len(findings))
	}
	for _, id := range passing {
		if !ids[id] {
			t.Errorf("nothing is known of %s", id)
		}
	}
}

// A finding is explained by damage of its kind at its row only.
func TestJudge(t *testing.T) {
	planted := []Planted{
		{ID: "a", Finding: "v10/transactions/amount", Also: []string{"v10/rounds/hash"}, Keys: []string{"*_00001", "17"}},
		{ID: "b", Finding: "v10/balances/spelling", Keys: []string{"# AUR"}},
		{ID: "c", Finding: "v11/index_blocks/gap", Keys: []string{"9"}},
	}
	v := Judge(planted, []Found{
		{"v10/transactions/amount", "tx_5_00001"}, {"v10/rounds/hash", "17"}, {"v10/balances/spelling", "0123456789abcdef AUR"},
		{"v10/rounds/hash", "18"}, {"v10/transactions/amount", "tx_5_00002"}, {"v10/transactions/payer", "tx_5_00001"}, {"v10/balances/spelling", "account 12 AUR"},
		{"v11/index_blocks/gap", "99"},
	})
	if got := strings.Join(v.Named, " "); got != "a b" {
		t.Errorf("named %q", got)
	}
	if got := strings.Join(v.Unnamed, " "); got != "c" || len(v.Unexplained) != 5 {
		t.Errorf("%+v", v)
	}
}

// Judge of nothing: what is found then follows from nothing.
func TestJudgeNothing(t *testing.T) {
	if v := Judge(nil, []Found{{"v10/transactions/amount", "x"}}); len(v.Unexplained) != 1 || v.Named != nil || v.Unnamed != nil {
		t.Errorf("%+v", v)
	}
}
