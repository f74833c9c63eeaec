// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// clients of smallGenesis: governance (institution 1, key 1), the bank (institution 2, key 3), and account 5's own key.
func clients(l *Ledger) (gov, bank, self *client) {
	return &client{l: l, institution: 1, key: 1}, &client{l: l, institution: 2, key: 3}, &client{l: l, key: 4}
}

// Each case runs on a fresh small ledger, and must give the outcome whatever the others do.
func TestTxOutcomes(t *testing.T) {
	tag, addr := chain.Hash{9}, chain.Address{9}
	key := publicKey(1, 99)
	longName := strings.Repeat("n", chain.NameBytesMax+1)
	type who uint8
	const (
		gov who = iota
		bank
		self
	)
	for name, c := range map[string]struct {
		by     who
		sender chain.AccountNo
		body   chain.Body
		want   chain.Outcome
		result uint32
	}{
		"no body":                     {gov, 1, nil, chain.BadKind, 0},
		"transfer":                    {gov, 1, &chain.Transfer{To: 2, Asset: 1, Amount: units(5)}, chain.OK, 0},
		"transfer by own key":         {self, 5, &chain.Transfer{To: 2, Asset: 1, Amount: units(5)}, chain.OK, 0},
		"transfer to self":            {gov, 1, &chain.Transfer{To: 1, Asset: 1, Amount: units(5)}, chain.BadField, 0},
		"transfer of nothing":         {gov, 1, &chain.Transfer{To: 2, Asset: 1}, chain.BadField, 0},
		"transfer to escrow":          {gov, 1, &chain.Transfer{To: Escrow, Asset: 1, Amount: units(5)}, chain.UnknownAccount, 0},
		"transfer to nobody":          {gov, 1, &chain.Transfer{To: 99, Asset: 1, Amount: units(5)}, chain.UnknownAccount, 0},
		"transfer of unknown asset":   {gov, 1, &chain.Transfer{To: 2, Asset: 6, Amount: units(5)}, chain.UnknownAsset, 0},
		"transfer of too much":        {gov, 1, &chain.Transfer{To: 2, Asset: 1, Amount: units(1001)}, chain.InsufficientFunds, 0},
		"transfer away from home":     {gov, 6, &chain.Transfer{To: 7, Asset: 3, Amount: units(5)}, chain.NotHome, 0},
		"transfer at home":            {gov, 7, &chain.Transfer{To: 6, Asset: 3, Amount: units(5)}, chain.OK, 0},
		"transfer to native account":  {gov, 7, &chain.Transfer{To: 1, Asset: 3, Amount: units(5)}, chain.NotPortable, 0},
		"hold":                        {gov, 1, &chain.Hold{To: 2, Asset: 1, Amount: units(5), Blocks: 1}, chain.OK, 0},
		"hold for no time":            {gov, 1, &chain.Hold{To: 2, Asset: 1, Amount: units(5)}, chain.BadField, 0},
		"hold for too long":           {gov, 1, &chain.Hold{To: 2, Asset: 1, Amount: units(5), Blocks: chain.HoldBlocksMax + 1}, chain.BadField, 0},
		"hold for self":               {gov, 1, &chain.Hold{To: 1, Asset: 1, Amount: units(5), Blocks: 1}, chain.BadField, 0},
		"hold of portable asset":      {gov, 7, &chain.Hold{To: 6, Asset: 3, Amount: units(5), Blocks: 1}, chain.NotPortable, 0},
		"post unknown hold":           {gov, 1, &chain.Post{Hold: chain.Hash{1}}, chain.HoldUnknown, 0},
		"void unknown hold":           {gov, 1, &chain.Void{Hold: chain.Hash{1}}, chain.HoldUnknown, 0},
		"issue":                       {gov, 1, &chain.Issue{To: 5, Asset: 2, Amount: units(5)}, chain.OK, 0},
		"issue to self":               {gov, 1, &chain.Issue{To: 1, Asset: 1, Amount: units(5)}, chain.OK, 0},
		"issue nothing":               {gov, 1, &chain.Issue{To: 5, Asset: 2}, chain.BadField, 0},
		"issue to nobody":             {gov, 1, &chain.Issue{To: 50, Asset: 2, Amount: units(5)}, chain.UnknownAccount, 0},
		"issue nothing known":         {gov, 1, &chain.Issue{To: 5, Asset: 20, Amount: units(5)}, chain.UnknownAsset, 0},
		"issue another's asset":       {gov, 3, &chain.Issue{To: 5, Asset: 2, Amount: units(5)}, chain.NotAuthorized, 0},
		"issue away from home":        {gov, 6, &chain.Issue{To: 7, Asset: 3, Amount: units(5)}, chain.NotHome, 0},
		"issue to native account":     {gov, 7, &chain.Issue{To: 1, Asset: 5, Amount: units(5)}, chain.NotPortable, 0},
		"issue beyond 128 bits":       {gov, 1, &chain.Issue{To: 5, Asset: 1, Amount: chain.Amount{Lo: ^uint64(0), Hi: ^uint64(0)}}, chain.Overflow, 0},
		"redeem":                      {gov, 1, &chain.Redeem{Asset: 1, Amount: units(1000)}, chain.OK, 0},
		"redeem nothing":              {gov, 1, &chain.Redeem{Asset: 1}, chain.BadField, 0},
		"redeem unknown asset":        {gov, 1, &chain.Redeem{Asset: 60, Amount: units(1)}, chain.UnknownAsset, 0},
		"redeem too much":             {gov, 1, &chain.Redeem{Asset: 1, Amount: units(1001)}, chain.InsufficientFunds, 0},
		"redeem another's asset":      {gov, 3, &chain.Redeem{Asset: 1, Amount: units(1)}, chain.NotAuthorized, 0},
		"redeem away from home":       {gov, 6, &chain.Redeem{Asset: 3, Amount: units(1)}, chain.NotHome, 0},
		"create asset":                {gov, 3, &chain.CreateAsset{Code: "X-1.Z", Name: "ä", Scale: 18}, chain.OK, 6},
		"create asset by own key":     {self, 5, &chain.CreateAsset{Code: "X", Name: "x"}, chain.OK, 6},
		"create dense by own key":     {self, 5, &chain.CreateAsset{Code: "X", Name: "x", Flags: chain.AssetDense}, chain.NotAuthorized, 0},
		"create dense asset":          {gov, 1, &chain.CreateAsset{Code: "X", Name: "x", Flags: chain.AssetDense}, chain.OK, 6},
		"create portable, portable":   {gov, 7, &chain.CreateAsset{Code: "X", Name: "x", Flags: chain.AssetPortable}, chain.OK, 6},
		"create portable, native":     {gov, 3, &chain.CreateAsset{Code: "X", Name: "x", Flags: chain.AssetPortable}, chain.NotPortable, 0},
		"create without code":         {gov, 1, &chain.CreateAsset{Name: "x"}, chain.BadField, 0},
		"create with lower case":      {gov, 1, &chain.CreateAsset{Code: "x", Name: "x"}, chain.BadField, 0},
		"create with long code":       {gov, 1, &chain.CreateAsset{Code: "ABCDEFGHIJKLMNOPQ", Name: "x"}, chain.BadField, 0},
		"create without name":         {gov, 1, &chain.CreateAsset{Code: "X"}, chain.BadField, 0},
		"create with long name":       {gov, 1, &chain.CreateAsset{Code: "X", Name: longName}, chain.BadField, 0},
		"create with odd name":        {gov, 1, &chain.CreateAsset{Code: "X", Name: "\xFF"}, chain.BadField, 0},
		"create with scale 19":        {gov, 1, &chain.CreateAsset{Code: "X", Name: "x", Scale: 19}, chain.BadField, 0},
		"create with odd flags":       {gov, 1, &chain.CreateAsset{Code: "X", Name: "x", Flags: 8}, chain.BadField, 0},
		"create with taken code":      {gov, 1, &chain.CreateAsset{Code: "GOLD", Name: "x"}, chain.CodeTaken, 0},
		"open custodial":              {gov, 1, &chain.OpenAccount{Slot: chain.SlotNone}, chain.OK, 8},
		"open self-owned":             {gov, 1, &chain.OpenAccount{PublicKey: publicKey(3, 99)}, chain.OK, 8},
		"open portable":               {bank, 4, &chain.OpenAccount{AliasTag: tag, Address: addr, Slot: 0}, chain.OK, 8},
		"open by own key":             {self, 5, &chain.OpenAccount{}, chain.NotAuthorized, 0},
		"open with alias alone":       {gov, 1, &chain.OpenAccount{AliasTag: tag}, chain.BadField, 0},
		"open with address alone":     {gov, 1, &chain.OpenAccount{Address: addr}, chain.BadField, 0},
		"open alias without slot":     {gov, 1, &chain.OpenAccount{AliasTag: tag, Address: addr, Slot: chain.SlotNone}, chain.BadField, 0},
		"open with slot alone":        {gov, 1, &chain.OpenAccount{Slot: 7}, chain.BadField, 0},
		"open with short key":         {gov, 1, &chain.OpenAccount{PublicKey: key[:32]}, chain.BadField, 0},
		"open with scheme 0":          {gov, 1, &chain.OpenAccount{PublicKey: make([]byte, 33)}, chain.BadField, 0},
		"open with scheme 4":          {gov, 1, &chain.OpenAccount{PublicKey: append([]byte{4}, key[1:]...)}, chain.BadField, 0},
		"open with no point":          {gov, 1, &chain.OpenAccount{PublicKey: append(slices.Clone(key[:32]), 0xFF)}, chain.BadField, 0},
		"open taken alias":            {gov, 1, &chain.OpenAccount{AliasTag: chain.Hash{1}, Address: addr}, chain.AliasTaken, 0},
		"open taken address":          {gov, 1, &chain.OpenAccount{AliasTag: tag, Address: chain.Address{1}}, chain.AddressTaken, 0},
		"open taken key":              {gov, 1, &chain.OpenAccount{PublicKey: publicKey(2, 4)}, chain.AddressTaken, 0},
		"open many":                   {bank, 4, &chain.OpenAccounts{Count: 3}, chain.OK, 8},
		"open none":                   {gov, 1, &chain.OpenAccounts{}, chain.BadField, 0},
		"open too many at once":       {gov, 1, &chain.OpenAccounts{Count: chain.OpenAccountsMax + 1}, chain.BadField, 0},
		"open more than there may be": {gov, 1, &chain.OpenAccounts{Count: 994}, chain.LimitReached, 0},
		"open many by own key":        {self, 5, &chain.OpenAccounts{Count: 1}, chain.NotAuthorized, 0},
		"freeze account":              {bank, 4, &chain.Freeze{Account: 4, Frozen: true}, chain.OK, 0},
		"freeze as governance":        {gov, 1, &chain.Freeze{Account: 5, Frozen: true}, chain.OK, 0},
		"freeze another's account":    {bank, 4, &chain.Freeze{Account: 1, Frozen: true}, chain.NotAuthorized, 0},
		"freeze by own key":           {self, 5, &chain.Freeze{Account: 5, Frozen: true}, chain.NotAuthorized, 0},
		"freeze nobody":               {gov, 1, &chain.Freeze{Account: 50, Frozen: true}, chain.UnknownAccount, 0},
		"freeze nothing":              {gov, 1, &chain.Freeze{Frozen: true}, chain.BadField, 0},
		"freeze both":                 {gov, 1, &chain.Freeze{Account: 1, Asset: 1, Frozen: true}, chain.BadField, 0},
		"freeze asset":                {bank, 4, &chain.Freeze{Asset: 4, Frozen: true}, chain.OK, 0},
		"freeze asset as governance":  {gov, 3, &chain.Freeze{Asset: 4, Frozen: true}, chain.OK, 0},
		"freeze another's asset":      {bank, 4, &chain.Freeze{Asset: 1, Frozen: true}, chain.NotAuthorized, 0},
		"freeze unknown asset":        {gov, 1, &chain.Freeze{Asset: 9, Frozen: true}, chain.UnknownAsset, 0},
		"register":                    {gov, 3, &chain.RegisterInstitution{Name: "new", PublicKey: key}, chain.OK, 3},
		"register as another":         {bank, 4, &chain.RegisterInstitution{Name: "new", PublicKey: key}, chain.NotAuthorized, 0},
		"register without name":       {gov, 1, &chain.RegisterInstitution{PublicKey: key}, chain.BadField, 0},
		"register without key":        {gov, 1, &chain.RegisterInstitution{Name: "new"}, chain.BadField, 0},
		"add key":                     {bank, 4, &chain.AddKey{PublicKey: key}, chain.OK, 5},
		"add key to account":          {bank, 2, &chain.AddKey{Account: 4, PublicKey: key}, chain.OK, 5},
		"add key to another's":        {bank, 2, &chain.AddKey{Account: 1, PublicKey: key}, chain.NotAuthorized, 0},
		"add key to self-owned":       {gov, 1, &chain.AddKey{Account: 5, PublicKey: key}, chain.NotAuthorized, 0},
		"add key to nobody":           {gov, 1, &chain.AddKey{Account: 50, PublicKey: key}, chain.UnknownAccount, 0},
		"add key by own key":          {self, 5, &chain.AddKey{PublicKey: key}, chain.NotAuthorized, 0},
		"add odd key":                 {gov, 1, &chain.AddKey{PublicKey: []byte{1}}, chain.BadField, 0},
		"revoke key":                  {gov, 1, &chain.RevokeKey{Key: 2}, chain.OK, 0},
		"revoke itself":               {gov, 1, &chain.RevokeKey{Key: 1}, chain.OK, 0},
		"revoke last key":             {bank, 4, &chain.RevokeKey{Key: 3}, chain.LimitReached, 0},
		"revoke another's key":        {bank, 4, &chain.RevokeKey{Key: 1}, chain.NotAuthorized, 0},
		"revoke account's key":        {gov, 1, &chain.RevokeKey{Key: 4}, chain.NotAuthorized, 0},
		"revoke unknown key":          {gov, 1, &chain.RevokeKey{Key: 9}, chain.UnknownKey, 0},
		"revoke by own key":           {self, 5, &chain.RevokeKey{Key: 4}, chain.NotAuthorized, 0},
		"transfer for another":        {bank, 1, &chain.Transfer{To: 2, Asset: 1, Amount: units(5)}, chain.NotAuthorized, 0},
		"sent by nobody":              {gov, 77, &chain.Transfer{To: 2, Asset: 1, Amount: units(5)}, chain.UnknownAccount, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := start(t, smallGenesis())
			g, b, s := clients(l)
			before := root(l)
			code, result, _ := []*client{g, b, s}[c.by].tx(c.sender, c.body)
			if code != c.want || result != c.result {
				t.Fatalf("%v, %d; want %v, %d", code, result, c.want, c.result)
			}
			if code != chain.OK && l.accountExists(c.sender) {
				*l.nonces.Mut(uint64(c.sender)) = nonceRecord{} // the one thing that a refused transaction may change
				if root(l) != before {
					t.Fatal("a refused transaction changed the state")
				}
			}
			l.EndBlock()
			if err := l.Recount(); err != nil {
				t.Fatal(err)
			}
			clone(t, l)
		})
	}
}

func TestFreezeStopsDebitsOnly(t *testing.T) {
	l := start(t, smallGenesis())
	gov, bank, self := clients(l)
	must := func(code chain.Outcome, _ uint32, _ chain.Hash) { t.Helper(); want(t, code, chain.OK) }
	_, _, hold := gov.tx(3, &chain.Hold{To: 5, Asset: 1, Amount: units(100), Blocks: 9})
	_, _, other := gov.tx(3, &chain.Hold{To: 5, Asset: 1, Amount: units(100), Blocks: 9})
	must(gov.tx(1, &chain.Freeze{Account: 3, Frozen: true}))
	code, _, _ := gov.tx(3, &chain.Transfer{To: 1, Asset: 1, Amount: units(1)})
	want(t, code, chain.FrozenAccount)
	code, _, _ = gov.tx(3, &chain.Post{Hold: hold})
	want(t, code, chain.FrozenAccount)
	must(gov.tx(1, &chain.Transfer{To: 3, Asset: 1, Amount: units(1)}))
	must(self.tx(5, &chain.Void{Hold: hold}))
	must(gov.tx(1, &chain.Freeze{Account: 3}))
	must(gov.tx(1, &chain.Freeze{Asset: 1, Frozen: true}))
	code, _, _ = gov.tx(3, &chain.Post{Hold: other})
	want(t, code, chain.FrozenAsset)
	for _, code := range bank.run(t, 0, chain.Leg{From: 4, To: 1, Asset: 1, Amount: units(1)}) {
		want(t, code, chain.FrozenAsset)
	}
	must(gov.tx(1, &chain.Issue{To: 3, Asset: 1, Amount: units(1)}))
	must(self.tx(5, &chain.Void{Hold: other}))
	must(gov.tx(1, &chain.Freeze{Asset: 1}))
	must(gov.tx(3, &chain.Transfer{To: 1, Asset: 1, Amount: units(1002)}))
}

func want(t testing.TB, got, want chain.Outcome) {
	t.Helper()
	if got != want {
		t.Fatalf("%v, want %v", got, want)
	}
}

// What is refused before the nonce is used may run later; what is refused after may not.
func TestFinal(t *testing.T) {
	l := start(t, smallGenesis())
	good := chain.Tx{Chain: testChain, Sender: 1, Key: 1, Nonce: 1, ValidUntil: 1, Body: &chain.Transfer{To: 2, Asset: 1, Amount: units(5)}}
	for _, c := range []struct {
		change func(*chain.Tx)
		want   chain.Outcome
		final  bool
	}{
		{func(t *chain.Tx) { t.Chain++ }, chain.NotAuthorized, false},
		{func(t *chain.Tx) { t.Sender = 0 }, chain.UnknownAccount, false},
		{func(t *chain.Tx) { t.Key = 0 }, chain.UnknownKey, false},
		{func(t *chain.Tx) { t.Key = 9 }, chain.UnknownKey, false},
		{func(t *chain.Tx) { t.Key = 3 }, chain.NotAuthorized, false},
		{func(t *chain.Tx) { t.Key = 4 }, chain.NotAuthorized, false},
		{func(t *chain.Tx) { t.ValidUntil = 0 }, chain.Expired, false},
		{func(t *chain.Tx) { t.ValidUntil = 2 + chain.ValidityBlocksMax }, chain.BadField, false},
		{func(t *chain.Tx) { t.ValidUntil = ^chain.Height(0) }, chain.BadField, false},
		{func(t *chain.Tx) { t.Nonce = 1 + chain.SequenceJumpMax }, chain.FutureSequence, false},
		{func(t *chain.Tx) { t.Body = &chain.Transfer{} }, chain.BadField, true},
		{func(t *chain.Tx) {}, chain.NonceUsed, false},
		{func(t *chain.Tx) { t.Nonce = 2 }, chain.OK, true},
		{func(t *chain.Tx) { t.Nonce = 0 }, chain.OK, true}, // a nonce like any other
		{func(t *chain.Tx) { t.Nonce = 2 + chain.SequenceJumpMax }, chain.OK, true},
		{func(t *chain.Tx) { t.Nonce = 3 }, chain.NonceUsed, false}, // too old now
		{func(t *chain.Tx) { t.Nonce, t.ValidUntil = 4+chain.SequenceJumpMax, 1+chain.ValidityBlocksMax }, chain.OK, true},
	} {
		tx := good
		c.change(&tx)
		code, _, final := l.RunTx(&tx, chain.Hash{})
		if code != c.want || final != c.final {
			t.Errorf("%+v: %v, final %v; want %v, %v", tx, code, final, c.want, c.final)
		}
	}
}

func TestKeysLife(t *testing.T) {
	l := start(t, smallGenesis())
	_, bank, _ := clients(l)
	code, no, _ := bank.tx(2, &chain.AddKey{PublicKey: publicKey(3, 50)})
	want(t, code, chain.OK)
	code, own, _ := bank.tx(2, &chain.AddKey{Account: 4, PublicKey: publicKey(2, 51)})
	want(t, code, chain.OK)
	code, _, _ = bank.tx(2, &chain.AddKey{Account: 4, PublicKey: publicKey(2, 52)})
	want(t, code, chain.BadField)
	code, _, _ = bank.tx(2, &chain.RevokeKey{Key: 3})
	want(t, code, chain.OK)
	changes := l.KeyChanges()
	if len(changes) != 3 || string(changes[0].Public) != string(publicKey(3, 50)) || uint32(changes[0].No) != no || !changes[0].Active ||
		changes[1].OwnerKind != OwnedByAccount || changes[1].Owner != 4 || string(changes[1].Public) != string(publicKey(2, 51)) ||
		changes[2].No != 3 || changes[2].Active || changes[2].OwnerKind != OwnedByInstitution || changes[2].Owner != 2 {
		t.Fatalf("%+v", changes)
	}
	// A revoked key signs nothing, an own key acts for its account alone, and the custodian still may.
	code, _, _ = bank.tx(2, &chain.OpenAccounts{Count: 1})
	want(t, code, chain.UnknownKey)
	next(l)
	if len(l.KeyChanges()) != 0 {
		t.Fatal("changes of the block before")
	}
	holder, bank2 := &client{l: l, key: chain.KeyNo(own)}, &client{l: l, institution: 2, key: chain.KeyNo(no)}
	code, _, _ = holder.tx(4, &chain.Transfer{To: 1, Asset: 1, Amount: units(1)})
	want(t, code, chain.OK)
	bank2.nonce = 0 // nonces are the account's, whoever signs
	code, _, _ = bank2.tx(4, &chain.Transfer{To: 1, Asset: 1, Amount: units(1)})
	want(t, code, chain.NonceUsed)
	code, _, _ = holder.tx(2, &chain.Transfer{To: 1, Asset: 1, Amount: units(1)})
	want(t, code, chain.NotAuthorized)
	code, _, _ = holder.tx(4, &chain.OpenAccounts{Count: 1})
	want(t, code, chain.NotAuthorized)
	for _, code := range bank2.run(t, 0, chain.Leg{From: 4, To: 1, Asset: 1, Amount: units(1)}) {
		want(t, code, chain.OK)
	}
	if i, _ := l.Institution(2); i.ActiveKeys != 1 {
		t.Fatal(i)
	}
	if k := l.InstitutionKeys(2); len(k) != 2 || k[0].No != 3 || k[0].Active || uint32(k[1].No) != no || !k[1].Active {
		t.Fatal(k)
	}
	clone(t, l)
}
