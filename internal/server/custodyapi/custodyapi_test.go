// SPDX-License-Identifier: Apache-2.0

package custodyapi_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	custodyv1 "github.com/aurigraph/aurigraph/gen/aurigraph/custody/v1"
	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/server/custodyapi"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// desk notes what it is asked, and answers by the payer's name.
type desk struct {
	payments []custody.Payment
	asked    []string
}

func (d *desk) PayMany(_ context.Context, ps []custody.Payment) []custody.Answer {
	d.payments = append(d.payments, ps...)
	out := make([]custody.Answer, len(ps))
	for i, p := range ps {
		switch p.From {
		case "poor":
			out[i].Result = custody.Result{Height: 9, TimeUs: 99, Batch: 1, Item: 2, Outcome: chain.InsufficientFunds, First: true}
		case "nobody":
			out[i].Err = fault.Reasoned(fault.NotFound, "unknown_payer", "there is no account of the payer's name")
		case "v10":
			out[i].Err = fault.Reasoned(fault.Refused, custody.ReasonNotHome, "V10 serves this account: nothing was done, send it to http://v10:9003")
		case "late":
			out[i].Err = fault.Reasoned(fault.Timeout, "unknown_outcome", "nobody knows")
		case "bug":
			out[i].Err = fault.Wrap(fault.Internal, context.Canceled, "secret path /var/lib")
		default:
			out[i].Result = custody.Result{Height: 10, TimeUs: 100, Item: uint32(i), First: !p.Keyed}
		}
	}
	return out
}

func (d *desk) Key(caller, key string) (k chain.IdempotencyKey) {
	copy(k[:], caller+"/"+key)
	return k
}

func (d *desk) Body(p *custody.Payment) (b [16]byte) {
	copy(b[:], p.From+p.To+p.Amount.String())
	return b
}

func (d *desk) note(parts ...string) { d.asked = append(d.asked, strings.Join(parts, " ")) }

func (d *desk) Open(_ context.Context, name string) (custody.Opened, error) {
	d.note("open", name)
	return custody.Opened{Number: 12, New: true}, nil
}

func (d *desk) Away(_ context.Context, ds []custody.Debit) ([]bool, error) {
	out := make([]bool, len(ds))
	for i, one := range ds {
		d.note("home", one.Account, one.Asset)
		out[i] = one.Account == "v10"
	}
	return out, nil
}

func (d *desk) Home() string { return "http://v10:9003" }

func (d *desk) Resolve(_ context.Context, name string) (chain.AccountNo, error) {
	if name == "nobody" {
		return 0, fault.Reasoned(fault.NotFound, "unknown_account", "there is no account of this name")
	}
	return 12, nil
}

func (d *desk) Names(_ context.Context, numbers []chain.AccountNo) (map[chain.AccountNo]string, error) {
	return map[chain.AccountNo]string{numbers[0]: "\xff name"}, nil
}

func (d *desk) CreateAsset(_ context.Context, issuer string, a custody.NewAsset) (chain.AssetNo, custody.Result, error) {
	d.note("create", issuer, a.Code, a.Name)
	if a.Flags != chain.AssetPortable || a.Scale != 8 {
		return 0, custody.Result{}, fault.New(fault.Invalid, "another asset")
	}
	return 7, custody.Result{Height: 10}, nil
}

func (d *desk) Issue(_ context.Context, issuer, to, asset string, amount chain.Amount) (custody.Result, error) {
	d.note("issue", issuer, to, asset, amount.String())
	return custody.Result{Height: 11}, nil
}

func (d *desk) Redeem(_ context.Context, issuer, asset string, amount chain.Amount) (custody.Result, error) {
	d.note("redeem", issuer, asset, amount.String())
	return custody.Result{Height: 12, Outcome: chain.InsufficientFunds}, nil
}

// tokens lets in who sends a token, and act for the account of that name and a few others.
type tokens struct{}

type token string

func (tokens) Enter(ctx context.Context, what custodyapi.Act, payments int) (custodyapi.Caller, error) {
	if (what == custodyapi.ActPay) != (payments > 0) {
		return nil, fault.New(fault.Internal, "act %d with %d payments", what, payments)
	}
	md, _ := metadata.FromIncomingContext(ctx)
	if len(md.Get("token")) != 1 {
		return nil, fault.Reasoned(fault.Denied, "no_token", "send a token")
	}
	return token(md.Get("token")[0]), nil
}

func (t token) ID() string { return string(t) }

func (t token) Who() (clear, person string) { return "key/" + string(t), "" }

func (t token) Behalf() error {
	if t != "gateway" {
		return fault.Reasoned(fault.Denied, "behalf_denied", "speaks for itself alone")
	}
	return nil
}

func (t token) May(account string) error {
	if account == "forbidden" {
		return fault.Reasoned(fault.Denied, "not_yours", "the account is another's")
	}
	return nil
}

// serve serves a desk on the edge as a node has it.
func serve(t *testing.T, a custodyapi.Access) (*desk, custodyv1.CustodyClient) {
	t.Helper()
	return serveBy(t, func(r grpc.ServiceRegistrar, d *desk) { custodyapi.Register(r, d, a) })
}

func serveBy(t *testing.T, register func(grpc.ServiceRegistrar, *desk)) (*desk, custodyv1.CustodyClient) {
	t.Helper()
	d := &desk{}
	s := grpcapi.New(grpcapi.Config{}, nil, prometheus.NewRegistry())
	s.SetServing(true)
	register(s, d)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	t.Cleanup(func() {
		must(t, conn.Close())
		stop()
		must(t, <-ended)
	})
	return d, custodyv1.NewCustodyClient(conn)
}

func as(t *testing.T, name string) context.Context {
	return metadata.AppendToOutgoingContext(t.Context(), "token", name)
}

func wants(t *testing.T, err error, code codes.Code, reason string) {
	t.Helper()
	s := status.Convert(err)
	got := ""
	for _, d := range s.Details() {
		if f, ok := d.(*ledgerv1.Fault); ok {
			got = f.Reason
		}
	}
	if s.Code() != code || got != reason {
		t.Errorf("%v, reason %q; want %v, %q", err, got, code, reason)
	}
}

func TestPay(t *testing.T) {
	d, c := serve(t, tokens{})
	a, err := c.Pay(as(t, "me"), &custodyv1.PayRequest{From: []byte("al\xff"), To: []byte(" bob "), Amount: "340282366920938463463374607431768211455", Asset: "GOLD", IdempotencyKey: "k"})
	must(t, err)
	if a.Fate.Height != 10 || a.Fate.TimeUs != 100 || a.Fate.First || a.Fate.OutcomeName != "ok" {
		t.Errorf("%v", a)
	}
	want := custody.Payment{From: "al\xff", To: " bob ", Asset: "GOLD", Amount: chain.Amount{Lo: ^uint64(0), Hi: ^uint64(0)}, Keyed: true}
	want.Key, want.Body = d.Key("me", "k"), d.Body(&want)
	if d.payments[0] != want {
		t.Errorf("%+v, want %+v", d.payments[0], want)
	}
	a, err = c.Pay(as(t, "me"), &custodyv1.PayRequest{From: []byte("poor"), To: []byte("bob"), Amount: "1"})
	if err != nil || a.Fate.OutcomeName != "insufficient_funds" || a.Fate.Outcome != uint32(chain.InsufficientFunds) || a.Fate.BatchIndex != 1 || a.Fate.Item != 2 || !a.Fate.First || d.payments[1].Keyed {
		t.Errorf("%v, %v", a, err)
	}
	for _, e := range []struct {
		q      *custodyv1.PayRequest
		ctx    context.Context
		code   codes.Code
		reason string
	}{
		{&custodyv1.PayRequest{From: []byte("a"), Amount: "1"}, t.Context(), codes.PermissionDenied, "no_token"},
		{&custodyv1.PayRequest{From: []byte("forbidden"), Amount: "1"}, as(t, "me"), codes.PermissionDenied, "not_yours"},
		{&custodyv1.PayRequest{From: []byte("nobody"), Amount: "1"}, as(t, "me"), codes.NotFound, "unknown_payer"},
		{&custodyv1.PayRequest{From: []byte("late"), Amount: "1"}, as(t, "me"), codes.DeadlineExceeded, "unknown_outcome"},
		{&custodyv1.PayRequest{From: []byte("a"), Amount: "1.5"}, as(t, "me"), codes.InvalidArgument, "excess_decimals"},
		{&custodyv1.PayRequest{From: []byte("a"), Amount: "-1"}, as(t, "me"), codes.InvalidArgument, "amount_malformed"},
		{&custodyv1.PayRequest{From: []byte("a"), Amount: "1", IdempotencyKey: strings.Repeat("k", custodyapi.KeyBytesMax+1)}, as(t, "me"), codes.InvalidArgument, "request_field"},
	} {
		_, err := c.Pay(e.ctx, e.q)
		wants(t, err, e.code, e.reason)
	}
}

// TestBehalf sends payments for others: their keys are theirs wherever they pay, and only a gateway may do it.
func TestBehalf(t *testing.T) {
	d, c := serve(t, tokens{})
	other, nobody, long := "user/ann", "", strings.Repeat("x", custodyapi.CallerBytesMax+1)
	pay := func(as context.Context, caller *string) error {
		_, err := c.Pay(as, &custodyv1.PayRequest{From: []byte("ann"), To: []byte("bob"), Amount: "1", IdempotencyKey: "k", Caller: caller})
		return err
	}
	must(t, pay(as(t, "gateway"), &other))
	must(t, pay(as(t, other), nil))
	must(t, pay(as(t, "gateway"), &nobody))
	must(t, pay(as(t, "gateway"), nil))
	_, err := c.Pay(as(t, "gateway"), &custodyv1.PayRequest{From: []byte("ann"), Amount: "1", IdempotencyKey: strings.Repeat("k", 255) + " 8191", Caller: &other})
	must(t, err)
	_, err = c.Pay(as(t, "gateway"), &custodyv1.PayRequest{From: []byte("ann"), Amount: "1", IdempotencyKey: strings.Repeat("k", custodyapi.KeyBytesBehalfMax+1), Caller: &other})
	wants(t, err, codes.InvalidArgument, "request_field")
	for i, want := range []string{other, other, "", "gateway"} {
		if d.payments[i].Key != d.Key(want, "k") {
			t.Errorf("payment %d is under the key of %s", i, d.payments[i].Key)
		}
	}
	wants(t, pay(as(t, "me"), &other), codes.PermissionDenied, "behalf_denied")
	wants(t, pay(as(t, "me"), &nobody), codes.PermissionDenied, "behalf_denied")
	wants(t, pay(as(t, "gateway"), &long), codes.InvalidArgument, "request_field")
	if len(d.payments) != 5 {
		t.Errorf("%d payments reached the desk", len(d.payments))
	}
}

func TestPayMany(t *testing.T) {
	d, c := serve(t, tokens{})
	q := &custodyv1.PayManyRequest{}
	for _, from := range []string{"alice", "forbidden", "nobody", "poor", "bug", "carol"} {
		q.Payments = append(q.Payments, &custodyv1.PayRequest{From: []byte(from), To: []byte("bob"), Amount: "1"})
	}
	q.Payments[5].Amount = "x"
	a, err := c.PayMany(as(t, "me"), q)
	must(t, err)
	var got []string
	for _, one := range a.Answers {
		if one.Fault != nil {
			got = append(got, one.Fault.Kind+"/"+one.Fault.Reason)
			if strings.Contains(one.Fault.Text, "secret") {
				t.Errorf("tells of the inside: %v", one.Fault)
			}
			continue
		}
		got = append(got, one.Fate.OutcomeName)
	}
	if have, want := strings.Join(got, " "), "ok denied/not_yours not_found/unknown_payer insufficient_funds internal/internal invalid/amount_malformed"; have != want {
		t.Errorf("%s, want %s", have, want)
	}
	if len(d.payments) != 4 {
		t.Errorf("%d payments reached the desk", len(d.payments))
	}
	_, err = c.PayMany(as(t, "me"), &custodyv1.PayManyRequest{})
	wants(t, err, codes.InvalidArgument, "request_field")
	q.Payments = make([]*custodyv1.PayRequest, custody.PaymentsMax+1)
	for i := range q.Payments {
		q.Payments[i] = &custodyv1.PayRequest{}
	}
	_, err = c.PayMany(as(t, "me"), q)
	wants(t, err, codes.InvalidArgument, "request_field")
	_, err = c.PayMany(t.Context(), q)
	wants(t, err, codes.PermissionDenied, "no_token")
}

func TestAccountsAndAssets(t *testing.T) {
	d, c := serve(t, custodyapi.Open{})
	ctx := t.Context()
	opened, err := c.OpenAccount(ctx, &custodyv1.OpenAccountRequest{Name: []byte("bob")})
	if err != nil || opened.Number != 12 || !opened.Opened {
		t.Errorf("%v, %v", opened, err)
	}
	found, err := c.ResolveAccount(ctx, &custodyv1.ResolveAccountRequest{Name: []byte("bob")})
	if err != nil || found.Number != 12 {
		t.Errorf("%v, %v", found, err)
	}
	_, err = c.ResolveAccount(ctx, &custodyv1.ResolveAccountRequest{Name: []byte("nobody")})
	wants(t, err, codes.NotFound, "unknown_account")
	names, err := c.NameAccounts(ctx, &custodyv1.NameAccountsRequest{Numbers: []uint32{12}})
	if err != nil || string(names.Names[12]) != "\xff name" {
		t.Errorf("%v, %v", names, err)
	}
	_, err = c.NameAccounts(ctx, &custodyv1.NameAccountsRequest{Numbers: make([]uint32, custody.NamesMax+1)})
	wants(t, err, codes.InvalidArgument, "request_field")
	asset, err := c.CreateAsset(ctx, &custodyv1.CreateAssetRequest{Issuer: []byte("bank"), Code: "GOLD", Name: "Gold", Scale: 8, Portable: true})
	if err != nil || asset.Number != 7 || asset.Fate.Height != 10 {
		t.Errorf("%v, %v", asset, err)
	}
	_, err = c.CreateAsset(ctx, &custodyv1.CreateAssetRequest{Issuer: []byte("bank"), Code: "GOLD", Name: "Gold", Scale: 264, Portable: true})
	wants(t, err, codes.InvalidArgument, "request_field")
	issued, err := c.Issue(ctx, &custodyv1.IssueRequest{Issuer: []byte("bank"), To: []byte("bob"), Asset: "GOLD", Amount: "5"})
	if err != nil || issued.Height != 11 {
		t.Errorf("%v, %v", issued, err)
	}
	redeemed, err := c.Redeem(ctx, &custodyv1.RedeemRequest{Issuer: []byte("bank"), Asset: "GOLD", Amount: "6"})
	if err != nil || redeemed.OutcomeName != "insufficient_funds" {
		t.Errorf("%v, %v", redeemed, err)
	}
	for _, bad := range []error{
		second(c.Issue(ctx, &custodyv1.IssueRequest{Amount: "1e3"})), second(c.Redeem(ctx, &custodyv1.RedeemRequest{Amount: ""})),
	} {
		wants(t, bad, codes.InvalidArgument, "amount_malformed")
	}
	if have, want := strings.Join(d.asked, "; "), "open bob; create bank GOLD Gold; issue bank bob GOLD 5; redeem bank GOLD 6"; have != want {
		t.Errorf("%s, want %s", have, want)
	}
}

// TestEveryMethodAsksWhoCalls calls each method without a token.
func TestEveryMethodAsksWhoCalls(t *testing.T) {
	d, c := serve(t, tokens{})
	ctx := t.Context()
	for name, err := range map[string]error{
		"OpenAccount": second(c.OpenAccount(ctx, &custodyv1.OpenAccountRequest{})), "ResolveAccount": second(c.ResolveAccount(ctx, &custodyv1.ResolveAccountRequest{})),
		"NameAccounts": second(c.NameAccounts(ctx, &custodyv1.NameAccountsRequest{})), "CreateAsset": second(c.CreateAsset(ctx, &custodyv1.CreateAssetRequest{})),
		"Issue": second(c.Issue(ctx, &custodyv1.IssueRequest{Amount: "1"})), "Redeem": second(c.Redeem(ctx, &custodyv1.RedeemRequest{Amount: "1"})),
	} {
		if status.Code(err) != codes.PermissionDenied {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := c.Redeem(as(t, "me"), &custodyv1.RedeemRequest{Issuer: []byte("forbidden"), Amount: "1"})
	wants(t, err, codes.PermissionDenied, "not_yours")
	if len(d.asked) != 0 {
		t.Errorf("%v", d.asked)
	}
}

func second[A any](_ A, err error) error { return err }

// TestHomes: who would debit an account of V10's is told where V10 is, and may ask before.
func TestHomes(t *testing.T) {
	d, c := serve(t, tokens{})
	me := as(t, "me")
	_, err := c.Pay(me, &custodyv1.PayRequest{From: []byte("v10"), To: []byte("bob"), Amount: "1"})
	wants(t, err, codes.FailedPrecondition, custody.ReasonNotHome)
	if text := status.Convert(err).Message(); !strings.Contains(text, "http://v10:9003") {
		t.Error(text)
	}
	many, err := c.PayMany(me, &custodyv1.PayManyRequest{Payments: []*custodyv1.PayRequest{{From: []byte("v10"), To: []byte("bob"), Amount: "1"}}})
	must(t, err)
	if f := many.Answers[0].GetFault(); f.GetReason() != custody.ReasonNotHome || !strings.Contains(f.GetText(), "http://v10:9003") {
		t.Error(f)
	}
	a, err := c.FindHomes(me, &custodyv1.FindHomesRequest{Debits: []*custodyv1.Debit{{Account: []byte("alice"), Asset: "EUR"}, {Account: []byte("v10")}, nil}})
	must(t, err)
	if !slices.Equal(a.OnV10, []bool{false, true, false}) || a.Home != "http://v10:9003" || !slices.Equal(d.asked, []string{"home alice EUR", "home v10 ", "home  "}) {
		t.Errorf("%v %q %q", a.OnV10, a.Home, d.asked)
	}
	_, err = c.FindHomes(me, &custodyv1.FindHomesRequest{Debits: make([]*custodyv1.Debit, custody.PaymentsMax+1)})
	wants(t, err, codes.InvalidArgument, "request_field")
	_, err = c.FindHomes(t.Context(), &custodyv1.FindHomesRequest{})
	wants(t, err, codes.PermissionDenied, "no_token")
}
