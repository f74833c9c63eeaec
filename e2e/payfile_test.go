// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const paymentLines = 60_000

// A payment file is paid once, line by line, whatever is killed in the middle of it: the importer, or the node.
func TestPayFile(t *testing.T) {
	dir := t.TempDir()
	n := up(t, filepath.Join(dir, "net"))
	accounts := custodial(n, 4)
	file := filepath.Join(dir, "payments.csv")
	var text strings.Builder
	text.WriteString("from,to,amount,asset,reference\n")
	for i := range paymentLines {
		fmt.Fprintf(&text, "%s,%s,0.0%d,AUR,invoice %d\n", accounts[i%4], accounts[(i+1)%4], i%9+1, i)
	}
	write(t, file, text.String())
	before := n.run(0, "status")["transfers"].(float64)

	killImporter(t, n, file)
	_ = syscall.Kill(n.ready.Nodes[0].PID, syscall.SIGKILL)
	n.stop() // the killed node was coming back
	n = up(t, n.dir)
	paid := n.run(0, "pay", "--file", file)
	if paid["ok"].(float64) != paymentLines || paid["resumed"] != true {
		t.Error(paid)
	}
	if again := n.run(0, "pay", "--file", file); again["ok"].(float64) != paymentLines {
		t.Error(again)
	}
	if after := n.run(0, "status")["transfers"].(float64); after != before+paymentLines {
		t.Errorf("%v transfers were executed for %d lines", after-before, paymentLines)
	}
	outcomes, err := os.ReadFile(file + ".outcomes.csv")
	if err != nil || strings.Count(string(outcomes), "\n") != paymentLines+1 || strings.Count(string(outcomes), ",ok,") != paymentLines {
		t.Error("the outcomes file does not have a line ok for each payment", err)
	}
	write(t, file, text.String()+"x\n")
	n.run(2, "pay", "--file", file) // not a payment
	write(t, file, text.String()+fmt.Sprintf("%s,%s,1,AUR,one more\n", accounts[0], accounts[1]))
	if e := n.run(2, "pay", "--file", file)["error"].(map[string]any); e["kind"] != "conflict" {
		t.Error("a changed file was taken up under its old journal", e)
	}
}

// killImporter runs an import and kills it once its journal has grown.
func killImporter(t *testing.T, n *net, file string) {
	t.Helper()
	cmd := exec.Command(program, "pay", "--file", file, "--network", n.dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(commandMax); time.Now().Before(end); <-tick.C {
		if info, err := os.Stat(file + ".journal"); err == nil && info.Size() > 1<<20 {
			break
		}
	}
	_ = cmd.Process.Kill() // it may have finished
	_ = cmd.Wait()
}

// custodial opens accounts under the institution and funds them.
func custodial(n *net, count int) []string {
	var accounts []string
	for range count {
		address := n.run(0, "account", "new")["address"].(string)
		n.run(0, "pay", n.ready.Accounts[0], address, "10000")
		accounts = append(accounts, address)
	}
	return accounts
}

func TestPayCreditTransferFile(t *testing.T) {
	dir := t.TempDir()
	n := up(t, filepath.Join(dir, "net"))
	accounts := custodial(n, 2)
	file := filepath.Join(dir, "salaries.xml")
	write(t, file, fmt.Sprintf(creditTransfer, accounts[0], accounts[1], n.ready.Accounts[2]))
	if paid := n.run(0, "pay", "--file", file); paid["ok"].(float64) != 2 {
		t.Error(paid)
	}
	shown := n.run(0, "account", "show", accounts[0])
	if held := shown["holdings"].([]any)[0].(map[string]any)["amount"]; held != "9987.49" {
		t.Errorf("the debtor holds %v", held)
	}
	write(t, filepath.Join(dir, "wrong.xml"), strings.Replace(fmt.Sprintf(creditTransfer, accounts[0], accounts[1], accounts[1]), "<CtrlSum>12.51", "<CtrlSum>12.52", 1))
	n.run(2, "pay", "--file", filepath.Join(dir, "wrong.xml"))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// creditTransfer is a pain.001 message of two payments; its verbs are the debtor and the two creditors.
const creditTransfer = `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">
 <CstmrCdtTrfInitn>
  <GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-11-24T10:00:00</CreDtTm><NbOfTxs>2</NbOfTxs><CtrlSum>12.51</CtrlSum><InitgPty><Nm>ACME</Nm></InitgPty></GrpHdr>
  <PmtInf>
   <PmtInfId>P1</PmtInfId><PmtMtd>TRF</PmtMtd><NbOfTxs>2</NbOfTxs><CtrlSum>12.51</CtrlSum>
   <ReqdExctnDt><Dt>2026-11-24</Dt></ReqdExctnDt>
   <Dbtr><Nm>ACME</Nm></Dbtr><DbtrAcct><Id><Othr><Id>%s</Id></Othr></Id></DbtrAcct>
   <CdtTrfTxInf><PmtId><EndToEndId>SALARY-1</EndToEndId></PmtId><Amt><InstdAmt Ccy="AUR">10.01</InstdAmt></Amt>
    <Cdtr><Nm>A</Nm></Cdtr><CdtrAcct><Id><Othr><Id>%s</Id></Othr></Id></CdtrAcct></CdtTrfTxInf>
   <CdtTrfTxInf><PmtId><EndToEndId>SALARY-2</EndToEndId></PmtId><Amt><InstdAmt Ccy="AUR">2.50</InstdAmt></Amt>
    <Cdtr><Nm>B</Nm></Cdtr><CdtrAcct><Id><Othr><Id>%s</Id></Othr></Id></CdtrAcct></CdtTrfTxInf>
  </PmtInf>
 </CstmrCdtTrfInitn>
</Document>
`
