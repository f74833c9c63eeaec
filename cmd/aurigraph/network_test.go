// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// shape writes what a JSON value is made of: field names and types, of lists the first item.
func shape(b *bytes.Buffer, indent string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if slices.Contains(optional, k) {
				continue
			}
			name := k
			if strings.HasPrefix(k, "0x") {
				name = "0x…"
			}
			fmt.Fprintf(b, "%s%s: ", indent, name)
			switch x := v[k].(type) {
			case map[string]any, []any:
				fmt.Fprintf(b, "%s\n", map[bool]string{true: "list", false: "object"}[isList(x)])
				shape(b, indent+"  ", x)
			default:
				fmt.Fprintf(b, "%T\n", x)
			}
			if name == "0x…" {
				break // the others are like it
			}
		}
	case []any:
		if len(v) > 0 {
			shape(b, indent, v[0])
		}
	default:
		fmt.Fprintf(b, "%s%T\n", indent, v)
	}
}

// optional are fields that hang on time: a block that carries a state root has a second signature, the newest block may be
// empty, an index may be a block behind.
var optional = []string{"ml_dsa_65", "notes"}

func isList(v any) bool { _, ok := v.([]any); return ok }

// The JSON of every command is a promise to programs: its fields and their types.
func TestJSONShapes(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "one.csv", "from,to,amount\n3,4,1\n")
	var b bytes.Buffer
	see := func(code int, line string) map[string]any {
		m := answer(t, code, shellWords(line)...)
		if list, ok := m["blocks"].([]any); ok {
			slices.Reverse(list) // the oldest has the payment
		}
		fmt.Fprintf(&b, "$ %s --json\n", line)
		shape(&b, "  ", m)
		return m
	}
	see(exitDone, "node init --dir other --demo")
	d := up(t, networkDefault)
	see(exitDone, "status")
	see(exitDone, "account new")
	see(exitDone, `account new --alias "ACME GmbH/EUR"`)
	see(exitDone, "account new --own-key ed25519")
	see(exitDone, "account show 3")
	see(exitDone, "account show 3 --proof")
	see(exitDone, "account list")
	see(exitDone, "asset create GOLD --scale 3")
	see(exitDone, "asset issue GOLD 2 5")
	see(exitDone, "asset redeem GOLD 0.5")
	see(exitDone, "asset show GOLD")
	see(exitDone, "asset list")
	see(exitDone, "pay --file one.csv")
	see(exitDone, "pay 3 4 1 --once rent")
	paid := see(exitDone, "pay 3 4 12.5")
	testTxShow(t, &b, paid["tx"].(string))
	see(exitDone, "block show 1")
	see(exitDone, "block list --limit 1000")
	see(exitRefused, "pay 3 4 99999999")
	d.stop(t)
	if d.code != exitDone {
		t.Errorf("up ended with %d", d.code)
	}
	see(exitDone, "verify --node .aurigraph/node0")
	t.Chdir(packageDir)
	testkit.Golden(t, "json-shapes.txt", b.Bytes())
}

// packageDir is the test's package, for golden files of tests that work elsewhere.
var packageDir = func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return dir
}()

func testTxShow(t *testing.T, b *bytes.Buffer, tx string) {
	t.Helper()
	for _, flags := range [][]string{nil, {"--proof"}} {
		m := answer(t, exitDone, append([]string{"tx", "show", tx}, flags...)...)
		fmt.Fprintf(b, "$ tx show ID %s--json\n", strings.Join(append(flags, ""), " "))
		shape(b, "  ", m)
		if m["verified"] != true || m["kind"] != "transfer" || m["detail"].(map[string]any)["amount"] != "12.5" || (m["proof"] != nil) != (flags != nil) {
			t.Error(m)
		}
	}
}

// What the help shows, works, line by line, in one network.
func TestExamplesWork(t *testing.T) {
	t.Chdir(t.TempDir())
	d := up(t, networkDefault)
	write(t, "payments.csv", "from,to,amount,asset,reference\n3,4,1.5,AUR,a\n4,5,0.25,AUR,b\n")
	custodial := want(t, exitDone, "account", "new", "--json")
	address := d.ready.Accounts[0]
	write(t, "salaries.pain001.xml", fmt.Sprintf(creditTransfer, address, d.ready.Accounts[1]))
	id := answer(t, exitDone, "pay", "3", "4", "1")["tx"].(string)
	if !strings.Contains(custodial.out, `"institution":2`) {
		t.Error(custodial.out)
	}
	ran := 0
	for _, c := range []string{"account new", "asset create", "asset issue", "asset redeem", "asset show", "asset list", "account show", "account list", "pay", "tx show", "block show", "block list", "status"} {
		for _, words := range examplesOf(t, c) {
			if slices.Contains(words, "ledger.example:7450") {
				continue
			}
			for i, w := range words {
				switch {
				case strings.HasPrefix(w, "0x"):
					words[i] = address
				case len(w) == 64:
					words[i] = id
				}
			}
			if c == "asset redeem" {
				want(t, exitDone, "asset", "issue", "GOLD", "2", "10.5")
			}
			if r := want(t, exitDone, words[1:]...); r.err != "" || r.out == "" {
				t.Errorf("%q: %q %q", words, r.out, r.err)
			}
			ran++
		}
	}
	if ran < 25 {
		t.Errorf("only %d examples ran", ran)
	}
	d.stop(t)
	want(t, exitDone, "verify", "--node", ".aurigraph/node0")
}

func examplesOf(t *testing.T, path string) [][]string {
	t.Helper()
	for _, c := range commands() {
		if c.CommandPath() == "aurigraph "+path {
			return examples(c)
		}
	}
	t.Fatal("no command " + path)
	return nil
}

const creditTransfer = `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn>
<GrpHdr><MsgId>M</MsgId><CreDtTm>2026-01-01T00:00:00</CreDtTm><NbOfTxs>1</NbOfTxs><CtrlSum>2.5</CtrlSum><InitgPty><Nm>A</Nm></InitgPty></GrpHdr>
<PmtInf><PmtInfId>P</PmtInfId><PmtMtd>TRF</PmtMtd><ReqdExctnDt><Dt>2026-01-01</Dt></ReqdExctnDt><Dbtr><Nm>A</Nm></Dbtr>
<DbtrAcct><Id><Othr><Id>%s</Id></Othr></Id></DbtrAcct><DbtrAgt><FinInstnId><Nm>N</Nm></FinInstnId></DbtrAgt>
<CdtTrfTxInf><PmtId><EndToEndId>E1</EndToEndId></PmtId><Amt><InstdAmt Ccy="AUR">2.5</InstdAmt></Amt><Cdtr><Nm>B</Nm></Cdtr>
<CdtrAcct><Id><Othr><Id>%s</Id></Othr></Id></CdtrAcct></CdtTrfTxInf></PmtInf></CstmrCdtTrfInitn></Document>
`

func TestPayRefusals(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	d := up(t, dir)
	encrypted := filepath.Join(t.TempDir(), "account1.key")
	signer, err := keys.ReadFile(filepath.Join(dir, "keys/account1.key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.WriteFile(encrypted, signer, []byte("correct horse")); err != nil {
		t.Fatal(err)
	}
	good, bad := write(t, encrypted+".good", "correct horse\n"), write(t, encrypted+".bad", "battery staple\n")
	other := filepath.Join(dir, "keys/account2.key")
	for _, x := range []struct {
		code        int
		line, words string
	}{
		{exitRefused, "3 4 0", "the amount is 0: it must be at least 0.00000001 AUR"},
		{exitRefused, "3 4 0.00", "the amount is 0"},
		{exitRefused, "3 4 0.123456789", "9 decimals, the asset has 8"},
		{exitRefused, "3 4 1e3", "write it as 12 or 12.50"},
		{exitRefused, "3 4 1,5", "write it as 12 or 12.50"},
		{exitRefused, "3 4 +1", "write it as 12 or 12.50"},
		{exitRefused, "3 4 .5", "write it as 12 or 12.50"},
		{exitRefused, "3 4 340282366920938463463374607431768211456", "does not fit 128 bits"},
		{exitRefused, "3 4 -- -5", "write it as 12 or 12.50"},
		{exitRefused, "3 3 1", "same account"},
		{exitRefused, "3 " + d.ready.Accounts[0] + " 1", "same account"},
		{exitRefused, "3 99 1", "there is no account 99 here"},
		{exitRefused, "99 3 1", "there is no account 99 here"},
		{exitRefused, "3 bob 1", "or alias: and its V10 name"},
		{exitRefused, "3 0x12 1", "must have 40 hex digits"},
		{exitRefused, "3 alias:bob 1", "there is no account alias:bob here"},
		{exitRefused, "3 4 1 --asset NOPE", "aurigraph asset list"},
		{exitRefused, "3 4 999999999", "holds less than the amount"},
		{exitFailed, "3 4 1 --key /none", "no such file"},
		{exitRefused, "3 4 1 --key " + other, "sign with its own key"},
		{exitRefused, "3 4 1 --key " + encrypted, "give its passphrase with --passphrase-file"},
		{exitRefused, "3 4 1 --key " + encrypted + " --passphrase-file " + bad, "passphrase"},
		{exitRefused, "3 4 1 --key " + encrypted + " --passphrase-file /none", "read --passphrase-file"},
		{exitRefused, "3 4 1 --key " + other + " --passphrase-file " + good, "not encrypted"},
		{exitFailed, "3 4 1 --once " + dir + "/none/x", "open the journal"},
	} {
		words := append([]string{"pay", "--network", dir}, strings.Fields(x.line)...)
		if r := cli(t, words...); r.code != x.code || !strings.Contains(r.err, x.words) {
			t.Errorf("pay %s: exit %d, said %q; must be %d and say %q", x.line, r.code, r.err, x.code, x.words)
		}
	}
	if sent := answer(t, exitDone, "status", "--network", dir)["transfers"]; sent != 0.0 {
		t.Errorf("%v transfers were done", sent)
	}
	want(t, exitDone, "pay", "3", "4", "1", "--network", dir, "--key", encrypted, "--passphrase-file", good)
	testElsewhere(t, d)
	testPaymentFiles(t, dir)
}

// A network is also reached without its folder, given its address, its authorities and its genesis.
func testElsewhere(t *testing.T, d *demo) {
	at := func(words ...string) []string { return append(words, d.online()...) }
	want(t, exitDone, at("status")...)
	want(t, exitDone, at("pay", "3", "4", "1", "--asset", "AUR", "--key", filepath.Join(d.dir, "keys/account1.key"))...)
	if r := want(t, exitDone, at("account", "show", "3", "--proof")...); !strings.Contains(r.out, "the account  by the state root of height") {
		t.Error(r.out)
	}
	for text, words := range map[string][]string{
		"name the asset with --asset":         at("pay", "3", "4", "1"),
		"there is no key for account 3":       at("pay", "3", "4", "1", "--asset", "AUR"),
		"run this where the network's":        at("account", "new"),
		"run it where the network's":          at("asset", "create", "X"),
		"--alias-key FILE":                    at("account", "show", "alias:x"),
		"give the right authorities with":     {"status", "--endpoint", d.ready.GRPC[0], "--trust", filepath.Join(d.dir, "genesis.json")},
		"the node is of chain":                {"status", "--endpoint", d.ready.GRPC[0], "--ca", d.ready.TLS.CA, "--trust", otherGenesis(t)},
		"runs already, at " + d.ready.GRPC[0]: {"up", "--network", d.dir},
	} {
		if r := cli(t, words...); r.code != exitRefused || !strings.Contains(r.err, text) {
			t.Errorf("%q: exit %d, said %q, must say %q", words, r.code, r.err, text)
		}
	}
	want(t, exitDone, at("status")...) // up did not take the address away
	want(t, exitDone, "status", "--network", d.dir)
}

func otherGenesis(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "other")
	want(t, exitDone, "node", "init", "--dir", dir)
	return filepath.Join(dir, "genesis.json")
}

func testPaymentFiles(t *testing.T, dir string) {
	file := write(t, filepath.Join(t.TempDir(), "p.csv"), "from,to,amount\n3,4,1\n3,4,x\n")
	if r := want(t, exitRefused, "pay", "--file", file, "--network", dir); !strings.Contains(r.err, "nothing was sent") || !strings.Contains(r.err, "line 3") {
		t.Error(r.err)
	}
	write(t, file, "from,to,amount\n3,4,1\n3,4,99999999\n")
	r := want(t, exitRefused, "pay", "--file", file, "--network", dir)
	if !strings.Contains(r.out, "1 of 2") || !strings.Contains(r.out, "insufficient_funds") || r.err != "" {
		t.Error(r.out, r.err)
	}
	again := answer(t, exitRefused, "pay", "--file", file, "--network", dir)
	if again["resumed"] != true || again["ok"] != 1.0 {
		t.Error(again)
	}
}

// An account with a V10 name is found by it, shown with it, paid and pays; the ledger never learns the name.
func TestAlias(t *testing.T) {
	t.Chdir(t.TempDir())
	d := up(t, networkDefault)
	const name = "alias:0xACME GmbH/EUR, Zürich"
	alias := strings.TrimPrefix(name, "alias:")
	opened := answer(t, exitDone, "account", "new", "--alias", alias)
	if opened["address"] != keys.AliasAddress(alias).String() || opened["slot"] != float64(keys.AliasSlot(alias)) || opened["alias"] != alias {
		t.Error(opened)
	}
	want(t, exitDone, "pay", "3", name, "7")
	want(t, exitDone, "pay", name, "4", "2", "--once", "x")
	shown := answer(t, exitDone, "account", "show", name, "--proof", "--asset", "AUR")
	if shown["number"] != opened["number"] || shown["holdings"].([]any)[0].(map[string]any)["amount"] != "5" || shown["alias"] != alias {
		t.Error(shown)
	}
	if r := want(t, exitRefused, "account", "new", "--alias", alias); !strings.Contains(r.err, "an account has it already") {
		t.Error(r.err)
	}
	want(t, exitFailed, "account", "show", "alias:0xacme gmbh/eur, zürich") // another name
	online := append([]string{"account", "show", name, "--alias-key", ".aurigraph/keys/alias.key"}, d.online()...)
	if elsewhere := answer(t, exitDone, online...); elsewhere["number"] != opened["number"] || elsewhere["alias"] != nil || elsewhere["slot"] == nil {
		t.Error(elsewhere)
	}
	write(t, filepath.Join(networkDefault, aliasFolder, opened["address"].(string)), "another name")
	if forged := answer(t, exitDone, "account", "show", fmt.Sprint(opened["number"])); forged["alias"] != nil {
		t.Error("a name that is not the account's was shown", forged)
	}
	d.stop(t)
	for _, f := range nodeFiles(t, filepath.Join(networkDefault, "node0")) {
		if text, err := os.ReadFile(f); err != nil || bytes.Contains(text, []byte("ACME")) {
			t.Errorf("the node's %s holds the name (%v)", f, err)
		}
	}
}

func nodeFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	return files
}
