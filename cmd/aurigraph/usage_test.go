// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Command lines that make no sense are refused before anything is asked or made, and say what to do.
func TestUsageErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	for line, text := range map[string]string{
		"frob":                              "has no command \"frob\"",
		"acount new":                        "did you mean account",
		"account frob":                      "has no command \"frob\": see `aurigraph account --help`",
		"--frob":                            "unknown flag: --frob",
		"pay":                               "FROM is missing",
		"pay 3":                             "TO is missing",
		"pay 3 4":                           "AMOUNT is missing",
		"pay 3 4 5 6":                       `"6" is too many`,
		"pay 3 4 -5":                        "cannot begin with a minus sign",
		"pay 3 4 -.5":                       "cannot begin with a minus sign",
		"pay 3 4 1 --file a.csv":            "takes no arguments",
		"pay --file=":                       "--file is empty",
		"pay --file a.csv --once b":         "exclude each other",
		"pay --file a.csv --reference x":    "exclude each other",
		"pay 3 4 1 --once=":                 "--once is empty",
		"pay 3 4 1 --key=":                  "--key is empty",
		"tx show":                           "ID is missing",
		"account show":                      "ACCOUNT is missing",
		"account new x":                     `"x" is one`,
		"account new --own-key rsa":         "use ed25519, secp256k1 or ml-dsa-65",
		"account new --own-key=":            "--own-key",
		"account new --alias=":              "a V10 name has 1 to 256 bytes",
		"account new --alias a --own-key x": "exclude each other",
		"account list --limit 0":            "must be 1 to 1000",
		"asset list --limit -1":             "must be 1 to 1000",
		"block list --limit 1001":           "must be 1 to 1000",
		"block list --limit x":              `"x" is no good value for --limit`,
		"block show 1 2":                    `"2" is too many`,
		"asset create":                      "CODE is missing",
		"asset create X --scale 300":        `"300" is no good value for --scale`,
		"asset create X --scale 19":         "must be 0 to 18",
		"asset issue X 3":                   "AMOUNT is missing",
		"status --trust x":                  "--ca and --trust go with --endpoint",
		"status --endpoint=":                "--endpoint is empty",
		"status --endpoint a:1":             "needs --trust",
		"pay 3 4 1 --endpoint a:1 --trust g --network n": "exclude each other",
		"verify":                      "--node DIR",
		"node start":                  "--dir DIR",
		"node init":                   "--dir DIR",
		"node init --dir x --port 0":  "must be 1 to 65534",
		"up --port 70000":             "must be 1 to 65534",
		"up --validators 5":           "--validators 5, must be 1, 4 or 7",
		"up --nodes 0":                "must be 1, 4 or 7",
		"up --nodes 4 --validators 4": "give one of them",
		"up --port 65530":             "take a first one of 1 to 65517",
		"bench transfers --auth rsa":  "--auth",
		"bench transfers --nodes 17":  "--nodes 17",
		"completion tcsh":             "none of bash, zsh and fish",
	} {
		r := cli(t, strings.Fields(line)...)
		if r.code != exitRefused || !strings.Contains(r.err, text) || r.out != "" {
			t.Errorf("%s: exit %d, said %q, must be %d and say %q", line, r.code, r.err, exitRefused, text)
		}
		r = cli(t, append(strings.Fields(line), "--json")...)
		var e struct{ Error errorJSON }
		if err := json.Unmarshal([]byte(r.out), &e); err != nil || e.Error.Kind != "invalid" || r.err != "" {
			t.Errorf("%s --json: %q %q (%v)", line, r.out, r.err, err)
		}
	}
	left, err := os.ReadDir(".")
	if err != nil || len(left) != 0 {
		t.Errorf("a refused command line left %v behind (%v)", left, err)
	}
}

// What is missing or out of reach exits with 1 and says what to do.
func TestUnreachable(t *testing.T) {
	dir := t.TempDir()
	want(t, exitDone, "node", "init", "--dir", filepath.Join(dir, "net"), "--demo")
	genesis := filepath.Join(dir, "net", "genesis.json")
	for _, x := range []struct {
		code        int
		line, words string
	}{
		{exitFailed, "status --network " + dir + "/none", "aurigraph up --network"},
		{exitFailed, "status --network " + dir + "/net", "start the network with `aurigraph up --network"},
		{exitFailed, "status --endpoint 127.0.0.1:1 --trust " + genesis, "check host, port"},
		{exitRefused, "status --endpoint nonsense --trust " + genesis, "missing port"},
		{exitRefused, "status --endpoint 127.0.0.1:1 --trust " + dir + "/none", "read --trust"},
		{exitRefused, "status --endpoint 127.0.0.1:1 --trust " + dir + "/net/ca.pem", "read the genesis"},
		{exitRefused, "status --endpoint 127.0.0.1:1 --ca " + genesis + " --trust " + genesis, "no certificate in PEM"},
		{exitFailed, "verify --node " + dir + "/none", "no node's folder"},
		{exitRefused, "verify --node " + dir + "/net", "name its node's, --node " + dir + "/net/node0"},
		{exitFailed, "node start --dir " + dir, "no node's folder"},
		{exitRefused, "node init --dir " + dir + "/net", "holds a network already"},
		{exitRefused, "up --network " + dir, "not empty"},
		{exitRefused, "up --validators 4 --network " + dir + "/net", "has 1 validators, not 4"},
		{exitRefused, "pay --file " + dir + "/none.csv --network " + dir + "/net", "open the payment file"},
	} {
		if r := cli(t, strings.Fields(x.line)...); r.code != x.code || !strings.Contains(r.err, x.words) {
			t.Errorf("%s: exit %d, said %q; must be %d and say %q", x.line, r.code, r.err, x.code, x.words)
		}
	}
}

func TestExitCode(t *testing.T) {
	codes := map[fault.Kind]int{
		fault.Internal: 1, fault.Invalid: 2, fault.Denied: 2, fault.NotFound: 1, fault.Conflict: 2, fault.Refused: 2, fault.TryLater: 2,
		fault.Unavailable: 1, fault.Timeout: 3, fault.Pruned: 1, fault.Corrupt: 1, fault.Halted: 1,
	}
	for _, k := range fault.Kinds() {
		if code, ok := codes[k]; !ok || exitCode(fmt.Errorf("about it: %w", fault.New(k, "x"))) != code {
			t.Errorf("%s exits with %d, must be %d", k, exitCode(fault.New(k, "x")), code)
		}
	}
	for err, code := range map[error]int{
		nil: 0, errors.New("x"): 1, context.Canceled: 3, &usageError{errors.New("x")}: 2, &client.UnknownOutcomeError{}: 3,
		&reported{fault.New(fault.Refused, "x")}: 2,
	} {
		if exitCode(err) != code {
			t.Errorf("%v exits with %d, must be %d", err, exitCode(err), code)
		}
	}
}

// docs/errors.md has the exit code of every kind.
func TestExitCodesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range fault.Kinds() {
		_, row, _ := strings.Cut(string(doc), "| `"+k.String()+"` | ")
		if cells := strings.Split(row, " | "); len(cells) < 2 || cells[1] != fmt.Sprint(exitCode(fault.New(k, "x"))) {
			t.Errorf("docs/errors.md says otherwise of %s than exit code %d", k, exitCode(fault.New(k, "x")))
		}
	}
}

// Every outcome that people meet has advice of its own.
func TestAdvice(t *testing.T) {
	for _, o := range chain.Outcomes() {
		if o == chain.OK {
			continue
		}
		err := refused(chain.Hash{1}, o)
		if fault.ReasonOf(err) != o.String() || !fault.Is(err, fault.Refused) || !strings.Contains(err.Error(), adviceOf(o)) {
			t.Error(o, err)
		}
	}
	if adviceOf(chain.InsufficientFunds) == adviceOf(chain.HoldUnknown) || !strings.Contains(adviceOf(chain.HoldUnknown), "docs/outcomes.md") {
		t.Error(adviceOf(chain.HoldUnknown))
	}
}

func TestAskCommand(t *testing.T) {
	for want, a := range map[string]*app{
		"bin/aurigraph tx show 7f":                                               {self: "bin/aurigraph", network: ".aurigraph"},
		"aurigraph tx show 7f --network '/tmp/my net'":                           {self: "aurigraph", network: "/tmp/my net"},
		"aurigraph tx show 7f --endpoint h:1 --trust g.json":                     {self: "aurigraph", network: ".aurigraph", endpoint: "h:1", trust: "g.json"},
		`aurigraph tx show 7f --endpoint h:1 --trust g.json --ca 'it'\''s mine'`: {self: "aurigraph", endpoint: "h:1", trust: "g.json", ca: "it's mine"},
	} {
		if got := a.askCommand("7f"); got != want {
			t.Errorf("%s, must be %s", got, want)
		}
	}
	if got := shellLine("a", "", "b c"); got != "a '' 'b c'" {
		t.Error(got)
	}
}

// A node that answers a V10 name with somebody else's account is found out.
func TestAliasOfAnotherAccount(t *testing.T) {
	right := &client.Account{Number: 6, Address: keys.AliasAddress("ACME")}
	wrong := &client.Account{Number: 7, Address: keys.AliasAddress("acme")}
	if err := checkAlias("alias:ACME", right); err != nil {
		t.Error(err)
	}
	if err := checkAlias("alias:ACME", wrong); !fault.Is(err, fault.Corrupt) || fault.ReasonOf(err) != "other_account" {
		t.Error(err)
	}
	if err := checkAlias("7", wrong); err != nil {
		t.Error(err)
	}
}

func TestReferenceText(t *testing.T) {
	for text, want := range map[string]string{
		"invoice 42":            "invoice 42",
		"Grüße":                 "Grüße",
		"tab\there":             "7461620968657265" + strings.Repeat("0", 48),
		strings.Repeat("x", 33): chain.Hash(referenceOf(strings.Repeat("x", 33))).String(),
	} {
		if got := referenceText(referenceOf(text)); got != want && !(len(text) > 32 && len(got) != 0) {
			t.Errorf("%q is shown as %q, must be %q", text, got, want)
		}
	}
	var d details
	d.reference([32]byte{})
	d.add("to", 4)
	if text, err := json.Marshal(d); err != nil || string(text) != `{"to":4}` {
		t.Error(string(text), err)
	}
}
