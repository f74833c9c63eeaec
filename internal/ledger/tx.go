// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
)

// actor is on whose word a transaction runs.
type actor struct {
	account     chain.AccountNo
	institution chain.InstitutionNo // whose key signed; 0 if it was the account's own key
	key         chain.KeyNo
	delegated   bool // the institution's key is a delegated one
}

// governs reports whether the actor is governance.
func (a actor) governs() bool { return a.institution == Governance }

// RunTx executes a single transaction whose id is given and whose signature was verified. result is the number of what
// it made (the hold's is its id), else 0. With final true the nonce is used up and the same transaction never executes
// again, whatever the outcome; with final false nothing changed, and it may execute later.
func (l *Ledger) RunTx(t *chain.Tx, id chain.Hash) (code chain.Outcome, result uint32, final bool) {
	who, code := l.authorize(t)
	if code != chain.OK {
		return code, 0, false
	}
	if code := l.checkValidity(t.ValidUntil); code != chain.OK {
		return code, 0, false
	}
	if code := l.nonces.Ref(uint64(t.Sender)).check(t.Nonce); code != chain.OK {
		return code, 0, false
	}
	l.nonces.Mut(uint64(t.Sender)).use(t.Nonce)
	code, result = l.runBody(who, t.Body, id)
	return code, result, true
}

// authorize finds out on whose word t runs, or why on nobody's.
func (l *Ledger) authorize(t *chain.Tx) (actor, chain.Outcome) {
	switch {
	case t.Chain != l.meta.Ref(0).Chain:
		return actor{}, chain.NotAuthorized
	case !l.accountExists(t.Sender):
		return actor{}, chain.UnknownAccount
	}
	key, ok := l.activeKey(t.Key)
	switch {
	case !ok:
		return actor{}, chain.UnknownKey
	case key.Kind == OwnedByAccount && key.Owner == uint32(t.Sender):
		return actor{account: t.Sender}, chain.OK
	case key.byInstitution() && key.Owner == uint32(l.custodian(t.Sender)):
		return actor{account: t.Sender, institution: chain.InstitutionNo(key.Owner), key: t.Key, delegated: key.Kind == ownedByDelegate}, chain.OK
	}
	return actor{}, chain.NotAuthorized
}

// runBody executes what t asks for. A body it does not know is BadKind.
func (l *Ledger) runBody(who actor, body chain.Body, id chain.Hash) (chain.Outcome, uint32) {
	if who.delegated && !delegable(body) {
		return chain.NotAuthorized, 0
	}
	switch b := body.(type) {
	case *chain.Transfer:
		return l.runTransfer(who, b), 0
	case *chain.Hold:
		return l.runHold(who, b, id), 0
	case *chain.Post:
		return l.post(b.Hold, who.account, b.Amount), 0
	case *chain.Void:
		return l.void(b.Hold, who.account), 0
	case *chain.Issue:
		return l.runIssue(who, b), 0
	case *chain.Redeem:
		return l.runRedeem(who, b), 0
	case *chain.CreateAsset:
		return l.runCreateAsset(who, b)
	case *chain.OpenAccount:
		return l.runOpenAccount(who, b)
	case *chain.OpenAccounts:
		return l.runOpenAccounts(who, b)
	case *chain.Freeze:
		return l.runFreeze(who, b), 0
	case *chain.RegisterInstitution:
		return l.runRegisterInstitution(who, b)
	case *chain.AddKey:
		return l.runAddKey(who, b)
	case *chain.AddDelegate:
		return l.runAddDelegate(who, b)
	case *chain.RevokeKey:
		return l.runRevokeKey(who, b), 0
	case *chain.ChangeValidator:
		return l.runChangeValidator(who, b), 0
	case *chain.OpenInbox:
		return l.runOpenInbox(who, b), 0
	case *chain.SkipSync:
		return l.runSkipSync(who, b), 0
	case *chain.FreezeSlot:
		return l.runFreezeSlot(who, b), 0
	case *chain.SetMover:
		return l.runSetMover(who, b), 0
	case *chain.MoveSlots:
		return l.runMoveSlots(who, b, id), 0
	case *chain.AbortMove:
		return l.runAbortMove(who, b, id), 0
	case *chain.CloseMigration:
		return l.runCloseMigration(who, b, id), 0
	}
	return chain.BadKind, 0
}

// delegable reports whether a delegated key may sign for a body: what is not named here, it may not.
func delegable(body chain.Body) bool {
	switch body.(type) {
	case *chain.OpenAccount, *chain.OpenAccounts, *chain.CreateAsset, *chain.Issue, *chain.Redeem, *chain.MoveSlots, *chain.AbortMove:
		return true
	}
	return false
}

func (l *Ledger) runTransfer(who actor, b *chain.Transfer) chain.Outcome {
	if code := l.checkParties(who.account, b.To, b.Asset, b.Amount); code != chain.OK {
		return code
	}
	return l.transfer(who.account, b.To, b.Asset, b.Amount)
}

func (l *Ledger) runHold(who actor, b *chain.Hold, id chain.Hash) chain.Outcome {
	if b.Blocks == 0 || b.Blocks > chain.HoldBlocksMax {
		return chain.BadField
	}
	if code := l.checkParties(who.account, b.To, b.Asset, b.Amount); code != chain.OK {
		return code
	}
	return l.makeHold(id, who.account, b.To, b.Asset, b.Amount, b.Blocks)
}

func (l *Ledger) runIssue(who actor, b *chain.Issue) chain.Outcome {
	switch {
	case b.Amount.IsZero():
		return chain.BadField
	case !l.accountExists(b.To):
		return chain.UnknownAccount
	case !l.assetExists(b.Asset):
		return chain.UnknownAsset
	case l.assets.Ref(uint64(b.Asset)).Issuer != who.account:
		return chain.NotAuthorized
	case l.away(who.account, b.Asset): // an asset's home is its issuer's
		return chain.NotHome
	}
	return l.issue(b.To, b.Asset, b.Amount)
}

// issue makes amount of new units of an asset, if the supply stays within 128 bits.
func (l *Ledger) issue(to chain.AccountNo, asset chain.AssetNo, amount chain.Amount) chain.Outcome {
	supply, ok := l.assets.Ref(uint64(asset)).Supply.Add(amount)
	if !ok {
		return chain.Overflow
	}
	if code := l.creditable(to, asset, amount); code != chain.OK {
		return code
	}
	l.assets.Mut(uint64(asset)).Supply = supply
	l.credit(to, asset, amount)
	l.sums.Issued = wrapAdd(l.sums.Issued, amount)
	return chain.OK
}

func (l *Ledger) runRedeem(who actor, b *chain.Redeem) chain.Outcome {
	switch {
	case b.Amount.IsZero():
		return chain.BadField
	case !l.assetExists(b.Asset):
		return chain.UnknownAsset
	case l.assets.Ref(uint64(b.Asset)).Issuer != who.account:
		return chain.NotAuthorized
	}
	if code := l.debit(who.account, b.Asset, b.Amount); code != chain.OK {
		return code
	}
	r := l.assets.Mut(uint64(b.Asset))
	r.Supply, _ = r.Supply.Sub(b.Amount) // no holding is larger than the supply
	l.sums.Redeemed = wrapAdd(l.sums.Redeemed, b.Amount)
	return chain.OK
}

// runCreateAsset lets any account issue, but only an institution take one of the few dense columns, and while the migration is open
// only a portable account make a portable asset.
func (l *Ledger) runCreateAsset(who actor, b *chain.CreateAsset) (chain.Outcome, uint32) {
	if code := l.checkAsset(b); code != chain.OK {
		return code, 0
	}
	switch {
	case b.Flags&chain.AssetDense != 0 && who.institution == 0:
		return chain.NotAuthorized, 0
	case b.Flags&chain.AssetPortable != 0 && l.MigrationOpen() && *l.words.Ref(uint64(who.account))&wordPortable == 0:
		return chain.NotPortable, 0 // V10 could not name its issuer
	}
	return chain.OK, uint32(l.makeAsset(b, who.account))
}

func (l *Ledger) runOpenAccount(who actor, b *chain.OpenAccount) (chain.Outcome, uint32) {
	if who.institution == 0 {
		return chain.NotAuthorized, 0
	}
	o := opening{publicKey: b.PublicKey, alias: b.AliasTag, address: b.Address, slot: b.Slot}
	if len(b.PublicKey) == 0 {
		o.custodian = who.institution
	}
	if code := l.check(&o); code != chain.OK {
		return code, 0
	}
	return chain.OK, uint32(l.open(o, 0))
}

func (l *Ledger) runOpenAccounts(who actor, b *chain.OpenAccounts) (chain.Outcome, uint32) {
	m := l.meta.Ref(0)
	switch {
	case b.Count == 0 || b.Count > chain.OpenAccountsMax:
		return chain.BadField, 0
	case who.institution == 0:
		return chain.NotAuthorized, 0
	case m.AccountsMax-m.Accounts < b.Count:
		return chain.LimitReached, 0
	}
	first := m.Accounts + 1
	for range b.Count {
		l.open(opening{custodian: who.institution}, 0)
	}
	return chain.OK, first
}

func (l *Ledger) runFreeze(who actor, b *chain.Freeze) chain.Outcome {
	if (b.Account == 0) == (b.Asset == 0) {
		return chain.BadField
	}
	if b.Account != 0 {
		switch {
		case !l.accountExists(b.Account):
			return chain.UnknownAccount
		case !who.governs() && (who.institution == 0 || who.institution != l.custodian(b.Account)):
			return chain.NotAuthorized
		}
		l.freezeAccount(b.Account, b.Frozen)
		return chain.OK
	}
	switch {
	case !l.assetExists(b.Asset):
		return chain.UnknownAsset
	case !who.governs() && who.account != l.assets.Ref(uint64(b.Asset)).Issuer:
		return chain.NotAuthorized
	}
	l.freezeAsset(b.Asset, b.Frozen)
	return chain.OK
}

func (l *Ledger) runRegisterInstitution(who actor, b *chain.RegisterInstitution) (chain.Outcome, uint32) {
	m := l.meta.Ref(0)
	switch {
	case !who.governs():
		return chain.NotAuthorized, 0
	case !validName(b.Name) || !validKey(b.PublicKey):
		return chain.BadField, 0
	case m.Institutions >= InstitutionsMax || m.Accounts >= m.AccountsMax || !l.keysFit(b.PublicKey):
		return chain.LimitReached, 0
	}
	no := l.makeInstitution(b.Name)
	l.addKey(b.PublicKey, OwnedByInstitution, uint32(no))
	return chain.OK, uint32(no)
}

// runAddKey answers with the number of the new key.
func (l *Ledger) runAddKey(who actor, b *chain.AddKey) (chain.Outcome, uint32) {
	switch {
	case who.institution == 0:
		return chain.NotAuthorized, 0
	case !validKey(b.PublicKey):
		return chain.BadField, 0
	case b.Account == 0:
		return l.addInstitutionKey(who.institution, b.PublicKey, OwnedByInstitution)
	case !l.accountExists(b.Account):
		return chain.UnknownAccount, 0
	case l.custodian(b.Account) != who.institution:
		return chain.NotAuthorized, 0
	case l.accounts.Ref(uint64(b.Account)).Key != 0: // one own key an account
		return chain.BadField, 0
	case !l.keysFit(b.PublicKey):
		return chain.LimitReached, 0
	}
	no := l.addKey(b.PublicKey, OwnedByAccount, uint32(b.Account))
	l.accounts.Mut(uint64(b.Account)).Key = no
	*l.words.Mut(uint64(b.Account)) |= wordOwnKey
	return chain.OK, uint32(no)
}

// runAddDelegate answers with the number of the new key.
func (l *Ledger) runAddDelegate(who actor, b *chain.AddDelegate) (chain.Outcome, uint32) {
	switch {
	case who.institution == 0:
		return chain.NotAuthorized, 0
	case !validKey(b.PublicKey):
		return chain.BadField, 0
	}
	return l.addInstitutionKey(who.institution, b.PublicKey, ownedByDelegate)
}

func (l *Ledger) addInstitutionKey(no chain.InstitutionNo, public []byte, kind OwnerKind) (chain.Outcome, uint32) {
	if !l.keysFit(public) || l.institutions.Ref(uint64(no)).ActiveKeys >= InstitutionKeysMax {
		return chain.LimitReached, 0
	}
	return chain.OK, uint32(l.addKey(public, kind, uint32(no)))
}

func (l *Ledger) runRevokeKey(who actor, b *chain.RevokeKey) chain.Outcome {
	if who.institution == 0 {
		return chain.NotAuthorized
	}
	key, ok := l.activeKey(b.Key)
	switch {
	case !ok:
		return chain.UnknownKey
	case !key.byInstitution() || key.Owner != uint32(who.institution):
		return chain.NotAuthorized
	case key.Kind == OwnedByInstitution && l.institutions.Ref(uint64(who.institution)).fullKeys() <= 1:
		return chain.LimitReached
	}
	l.revokeKey(b.Key)
	return chain.OK
}
