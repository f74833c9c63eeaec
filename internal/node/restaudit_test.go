// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	custodyv1 "github.com/aurigraph/aurigraph/gen/aurigraph/custody/v1"
	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/config"
)

// TestAuditOverGRPC pays over gRPC: each call of who was let in is in the trail of the REST edge, under the key of who paid and without his secret or a name, and
// the chain is whole.
func TestAuditOverGRPC(t *testing.T) {
	f := newFolder(t)
	f.withRest()
	f.cfg.Rest.Auth = config.AuthRequired
	must(t, os.MkdirAll(f.cfg.Path("access"), 0o700))
	key, secret, err := access.NewKey(f.cfg.Path("access/keys.json"), "shop", access.Grant{Roles: []string{"payer"}, Accounts: v10Names[:1]})
	must(t, err)
	r := f.start()
	c := r.custodyClient()
	pay := func(secret, from, id string) (*custodyv1.PayResponse, error) {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", id)
		if secret != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "x-api-key", secret)
		}
		return c.Pay(ctx, &custodyv1.PayRequest{From: []byte(from), To: []byte("AUR-bob"), Amount: "100000000", IdempotencyKey: id})
	}
	paid, err := pay(secret, "AUR-alice", "r-1")
	must(t, err)
	if again, err := pay(secret, "AUR-alice", "r-1"); err != nil || again.Fate.Height != paid.Fate.Height {
		t.Errorf("%v %v", again, err)
	}
	for _, x := range []struct{ secret, from string }{{secret, "AUR-carol"}, {"", "AUR-alice"}, {"ak_forged", "AUR-alice"}} {
		if _, err := pay(x.secret, x.from, "r-2"); status.Code(err) != codes.PermissionDenied {
			t.Errorf("from %s: %v", x.from, err)
		}
	}
	r.halt()
	files, err := trail.Files(f.cfg.Path("access/audit"))
	must(t, err)
	report, err := trail.Verify(nil, files...)
	must(t, err)
	text, err := os.ReadFile(files[0])
	must(t, err)
	var ours []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, custodyv1.Custody_Pay_FullMethodName) {
			ours = append(ours, line)
		}
	}
	if report.Lines != uint64(len(ours))+1 || len(ours) != 3 { // and the server's begin
		t.Fatalf("%+v\n%s", report, text)
	}
	for i, want := range []string{`"result":"ok","request":"r-1","height":`, `"result":"ok","request":"r-1","height":`, `"result":"account_denied","request":"r-2"}`} {
		if !strings.Contains(ours[i], want) || !strings.Contains(ours[i], `"who":"key/`+key.ID+`"`) {
			t.Errorf("%s does not say %s", ours[i], want)
		}
	}
	if bytes.Contains(text, []byte("AUR-")) || bytes.Contains(text, []byte(secret)) {
		t.Errorf("%s", text)
	}
}

// custodyClient calls the node's custody service as a client does.
func (r *running) custodyClient() custodyv1.CustodyClient {
	t := r.folder.t
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(r.folder.cfg.Path("tls"), "ca.pem"))
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	conn, err := grpc.NewClient(r.GRPCAddress(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13})))
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close()) })
	return custodyv1.NewCustodyClient(conn)
}
