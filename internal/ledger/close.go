// SPDX-License-Identifier: Apache-2.0

package ledger

import "github.com/aurigraph/aurigraph/internal/chain"

// runCloseMigration ends the way back, for ever. Nothing of V10's comes in any more afterwards, so all that it ever did must be here.
func (l *Ledger) runCloseMigration(who actor, b *chain.CloseMigration, id chain.Hash) chain.Outcome {
	in, m := l.inbox.Ref(0), l.meta.Ref(0)
	switch {
	case !who.governs():
		return chain.NotAuthorized
	case !l.MigrationOpen() || b.Life != in.Life: // the position is one of another V10's
		return chain.InboxClosed
	case b.HomeVersion != m.HomeVersion:
		return chain.HomesMoved
	case m.HomeVersion-genesisHomeVersion >= chain.HomeMovesMax:
		return chain.LimitReached
	case l.V10Homes() != [homeWords]uint64{}:
		return chain.NotHome
	case in.copying() || in.position().Before(b.Position):
		return chain.SyncBehind
	}
	l.nextHome(id)
	l.meta.Mut(0).MigrationOpen = 0
	for no := chain.AssetNo(1); l.assetExists(no); no++ {
		l.refreshPlain(no)
	}
	return chain.OK
}

// Closed is the height at which the migration was closed; false: it was not, or there never was one.
func (l *Ledger) Closed() (chain.Height, bool) {
	if l.MigrationOpen() {
		return 0, false
	}
	last, ok := l.HomeMove(l.HomeVersion()) // nothing moves afterwards, and nothing moves where there is no migration
	return last.Height, ok
}
