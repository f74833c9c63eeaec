// SPDX-License-Identifier: Apache-2.0

package node

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/server/custodyapi"
)

// TestCustodyKeyComesLater starts a node whose custody key is not in the ledger: all but the dialect serves, which begins when the key
// is added. Then the node starts from the genesis again, whose state does not have the key: it is found when the node has caught up.
func TestCustodyKeyComesLater(t *testing.T) {
	f := newFolder(t)
	f.withRest()
	later := signer(t, keys.Ed25519, 8)
	must(t, os.Remove(f.cfg.Path(f.cfg.Rest.CustodyKey)))
	must(t, keys.WriteFile(f.cfg.Path(f.cfg.Rest.CustodyKey), later, nil))
	r := f.start()
	base := "http://" + r.RestAddress()
	balances := base + "/api/v10/accounts/" + v10Names[1] + "/balances"
	if code, text := get(t, balances); code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", code, text)
	}
	door := custodyAccess{r.services.rest.guard, r.services.rest.serves}
	if _, err := door.Enter(t.Context(), custodyapi.ActPay, 1); fault.ReasonOf(err) != "starting" {
		t.Error(err)
	}
	r.addDelegate(later)
	r.awaitKey()
	if code, text := get(t, balances); code != http.StatusOK {
		t.Errorf("%d %s", code, text)
	}
	if code, text := post(t, base+"/api/v10/transactions", `{"from":"AUR-alice","to":"AUR-bob","amount":1}`); code != http.StatusOK {
		t.Errorf("%d %s", code, text)
	}
	http.DefaultClient.CloseIdleConnections()
	r.halt()
	must(t, os.RemoveAll(f.cfg.Data("checkpoints")))
	r = f.start()
	r.awaitKey()
	if code, text := get(t, "http://"+r.RestAddress()+"/api/v10/accounts/"+v10Names[1]+"/balances"); code != http.StatusOK || !strings.Contains(text, "1000001") {
		t.Errorf("%d %s", code, text)
	}
	http.DefaultClient.CloseIdleConnections()
}

// awaitKey waits until the dialect serves.
func (r *running) awaitKey() {
	r.folder.t.Helper()
	select {
	case <-r.services.rest.keyed:
	case <-time.After(20 * time.Second):
		r.folder.t.Fatalf("the dialect never served\n%s", r.log)
	}
}

// addDelegate gives the gateway's institution one more delegated key, by its key with full rights.
func (r *running) addDelegate(s keys.Signer) {
	t := r.folder.t
	t.Helper()
	full := signer(t, keys.Ed25519, 6)
	in, err := r.services.query.Institution(t.Context(), 3, 0)
	must(t, err)
	no, err := keyNumber(in.Keys, full.Public().Bytes())
	must(t, err)
	tx := chain.Tx{Chain: testChain, Sender: in.House, Key: no, Nonce: 1, ValidUntil: 90_000, Body: &chain.AddDelegate{PublicKey: s.Public().Bytes()}}
	sig, err := full.Sign(keys.TxMessage(testChain, codec.TxID(&tx)))
	must(t, err)
	ticket := r.intake.SubmitTxs(t.Context(), [][]byte{codec.AppendSignedTx(nil, &chain.SignedTx{Tx: tx, Signature: sig})})[0]
	must(t, ticket.Refused())
	<-ticket.Done()
	receipt, _, err := ticket.Receipt()
	must(t, err)
	if o, err := codec.UnpackOutcomes(receipt.Outcomes); err != nil || o.Codes[ticket.Item()] != chain.OK {
		t.Fatalf("%+v %v", o, err)
	}
}

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	var text strings.Builder
	_, err = io.Copy(&text, resp.Body)
	must(t, err)
	return resp.StatusCode, text.String()
}
