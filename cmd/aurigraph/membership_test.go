// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/network"
)

// A command line that makes no sense is refused before anything is done.
func TestChangeUsage(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "p.json")
	for line, says := range map[string]string{
		"add x":                                 "takes no arguments",
		"remove":                                "ID is missing",
		"rekey":                                 "ID is missing",
		"add --endpoint a:1 --trust g.json":     "this changes a network whose folder is here",
		"propose":                               "FILE is missing",
		"propose p":                             "give one of --admit",
		"propose p --admit --remove 1":          "give one of --admit",
		"propose p --admit --keys k":            "needs the validator's --name",
		"propose p --rekey 1 --keys k --name n": "--name goes with --admit",
		"propose p --rekey 1":                   "--keys DIR",
		"propose p --remove 1 --keys k":         "--keys goes with",
		"approve " + file:                       "--dir",
		"submit":                                "FILE is missing",
	} {
		if r := want(t, exitRefused, append([]string{"validators"}, strings.Fields(line)...)...); !strings.Contains(r.err, says) {
			t.Errorf("%s: %s", line, r.err)
		}
	}
	want(t, exitFailed, "validators", "submit", file, "--network", dir)
	want(t, exitFailed, "validators", "add", "--network", dir)
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if r := want(t, exitRefused, "validators", "propose", file, "--remove", "1", "--network", dir); !strings.Contains(r.err, "is there already") {
		t.Error(r.err)
	}
}

// A network of one validator that orders alone keeps it, whatever way the change comes.
func TestOneAloneIsNotChanged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	up(t, dir)
	file := filepath.Join(t.TempDir(), "p.json")
	for _, line := range []string{"add", "remove node0", "rekey 0", "rekey node0 --lost-disk", "propose " + file + " --remove 0"} {
		if r := want(t, exitRefused, append(strings.Fields("validators "+line), "--network", dir)...); !strings.Contains(r.err, "engine solo") {
			t.Errorf("%s: %s", line, r.err)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a proposal was written")
	}
}

// A proposal is approved by those whose keys count, for their chain, as often as they like.
func TestApprove(t *testing.T) {
	n, err := network.Create(filepath.Join(t.TempDir(), "net"), network.Options{Name: "approve", Nodes: 4})
	if err != nil {
		t.Fatal(err)
	}
	other, err := network.Create(filepath.Join(t.TempDir(), "net"), network.Options{Name: "other", Nodes: 4})
	if err != nil {
		t.Fatal(err)
	}
	h, err := n.History(nil)
	if err != nil {
		t.Fatal(err)
	}
	f := proposeFlags{admit: true, name: "berlin", keys: filepath.Join(t.TempDir(), "keys")}
	change, err := f.change(h.Current().Membership())
	if err != nil {
		t.Fatal(err)
	}
	p, err := network.NewProposal(n.Chain, h.Current().Membership(), change)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "p.json")
	if err := p.Write(file); err != nil {
		t.Fatal(err)
	}
	for i, missing := range []float64{2, 1, 1, 0} {
		node := []string{"node3", "node0", "node0", "node1"}[i]
		if a := answer(t, exitDone, "validators", "approve", file, "--dir", n.Path(node)); a["missing"] != missing {
			t.Error(a)
		}
	}
	r := want(t, exitDone, "validators", "approve", file, "--dir", n.Path("node2"))
	for _, says := range []string{"validator 2 (node2) signs", "admit validator 4 (berlin)", "its keys: Ed25519", "by 4 of 4, a quorum is 3: node0, node1, node2, node3", "validators submit " + file} {
		if !strings.Contains(r.out, says) {
			t.Errorf("it does not say %q:\n%s", says, r.out)
		}
	}
	if r := want(t, exitRefused, "validators", "approve", file, "--dir", other.Path("node0")); !strings.Contains(r.err, "it is not approved") {
		t.Error(r.err)
	}
	if r := want(t, exitFailed, "validators", "submit", file, "--network", n.Dir); !strings.Contains(r.err, "no node answers") {
		t.Error(r.err)
	}
}

// Members are found by number or name, and a newcomer gets the next number.
func TestProposed(t *testing.T) {
	n, err := network.Create(filepath.Join(t.TempDir(), "net"), network.Options{Name: "proposed", Nodes: 4})
	if err != nil {
		t.Fatal(err)
	}
	h, err := n.History(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := h.Current().Membership()
	keys := filepath.Join(t.TempDir(), "keys")
	for _, x := range []struct {
		flags   proposeFlags
		number  int
		name    string
		removes bool
	}{
		{proposeFlags{remove: "node2"}, 2, "", true}, {proposeFlags{remove: "1"}, 1, "", true},
		{proposeFlags{rekey: "3", keys: keys}, 3, "node3", false}, {proposeFlags{admit: true, name: "x", keys: keys}, 4, "x", false},
	} {
		c, err := x.flags.change(m)
		if err != nil || int(c.Validator) != x.number || c.Name != x.name || c.Removes() != x.removes {
			t.Errorf("%+v: %+v, %v", x.flags, c, err)
		}
	}
	for _, f := range []proposeFlags{{remove: "node9"}, {rekey: "4", keys: keys}} {
		if _, err := f.change(m); err == nil {
			t.Errorf("%+v", f)
		}
	}
	if v := vacantNumber(m); v != 4 {
		t.Error(v)
	}
}
