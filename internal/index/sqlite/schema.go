// SPDX-License-Identifier: Apache-2.0

package sqlite

// schemaVersion is the version of the tables. A file of another version is refused: the index is rebuilt from the chain.
const schemaVersion = 2

// chunkBits sets how many transfers share a chunk of the account index: 1<<chunkBits. Within a chunk rows are by account,
// so inserts touch one chunk's pages (about 2 MiB, which the page cache holds) and not pages all over the file.
const chunkBits = 16

const schema = `
CREATE TABLE meta (
	id INTEGER PRIMARY KEY CHECK (id = 1),
	version INTEGER NOT NULL,
	chain INTEGER NOT NULL,
	genesis BLOB NOT NULL,
	height INTEGER NOT NULL, -- what comes next: this batch of this block
	batch INTEGER NOT NULL,
	seq INTEGER NOT NULL     -- of the next transfer
);
CREATE TABLE blocks (
	height INTEGER PRIMARY KEY,
	hash BLOB NOT NULL,
	time_us INTEGER NOT NULL,
	items INTEGER NOT NULL
);
CREATE TABLE transfers (
	seq INTEGER PRIMARY KEY,
	height INTEGER NOT NULL,
	batch INTEGER NOT NULL,
	item INTEGER NOT NULL,
	id BLOB NOT NULL,
	payer INTEGER NOT NULL,
	payee INTEGER NOT NULL,
	asset INTEGER NOT NULL,
	amount_lo INTEGER NOT NULL, -- 128 bits, as two's complement of their halves
	amount_hi INTEGER NOT NULL,
	kind INTEGER NOT NULL,      -- 0 transfer, 1 hold, 2 post, 3 void, 4 issue, 5 redeem, 6 unknown
	outcome INTEGER NOT NULL,
	reference BLOB,             -- NULL: all zero
	time_us INTEGER NOT NULL,
	v10_ms INTEGER,             -- V10's id of what came from V10 by sync; NULL, all three: it did not
	v10_round INTEGER,          -- 0: it has no id there
	v10_place INTEGER
);
CREATE INDEX by_origin ON transfers (v10_round, v10_place) WHERE v10_round > 0;
CREATE TABLE by_account (
	chunk INTEGER NOT NULL, -- seq >> 16
	account INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	PRIMARY KEY (chunk, account, seq)
) WITHOUT ROWID;
CREATE TABLE gaps (
	from_height INTEGER NOT NULL,
	from_batch INTEGER NOT NULL,
	to_height INTEGER NOT NULL, -- first that is indexed again
	PRIMARY KEY (from_height, from_batch)
) WITHOUT ROWID;
`

const (
	insertBlock    = `INSERT INTO blocks (height, hash, time_us, items) VALUES (?, ?, ?, ?)`
	insertTransfer = `INSERT INTO transfers (seq, height, batch, item, id, payer, payee, asset, amount_lo, amount_hi, kind, outcome, reference, time_us, v10_ms, v10_round, v10_place)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	insertAccount = `INSERT INTO by_account (chunk, account, seq) VALUES (?, ?, ?)`
	insertGap     = `INSERT INTO gaps (from_height, from_batch, to_height) VALUES (?, ?, ?)`
	updateMeta    = `UPDATE meta SET height = ?, batch = ?, seq = ? WHERE id = 1`

	columns = `t.seq, t.height, t.batch, t.item, t.id, t.payer, t.payee, t.asset, t.amount_lo, t.amount_hi, t.kind, t.outcome, t.reference, t.time_us,
		t.v10_ms, t.v10_round, t.v10_place`

	selectMeta      = `SELECT version, chain, genesis, height, batch, seq FROM meta WHERE id = 1`
	selectByAccount = `SELECT ` + columns + ` FROM by_account b JOIN transfers t ON t.seq = b.seq
		WHERE b.chunk = ?1 AND b.account = ?2 AND b.seq < ?3 AND t.height <= ?4 AND (?5 = 0 OR t.asset = ?5) ORDER BY b.seq DESC LIMIT ?6`
	selectAll = `SELECT ` + columns + ` FROM transfers t
		WHERE t.seq >= ?1 << 16 AND t.seq < ?3 AND t.height <= ?4 AND (?5 = 0 OR t.asset = ?5) AND ?2 = 0 ORDER BY t.seq DESC LIMIT ?6`
	selectByOrigin = `SELECT ` + columns + ` FROM transfers t INDEXED BY by_origin WHERE t.v10_round > 0 AND t.v10_round = ?1 AND t.v10_place = ?2
		AND t.height < (SELECT height FROM meta WHERE id = 1) ORDER BY t.seq DESC LIMIT 1`
	selectNewest  = `SELECT height, hash, time_us, items FROM blocks ORDER BY height DESC LIMIT 1`
	selectLast    = `SELECT ` + columns + ` FROM transfers t ORDER BY t.seq DESC LIMIT 1`
	selectInOrder = `SELECT ` + columns + ` FROM transfers t ORDER BY t.seq`
	selectBlocks  = `SELECT height, hash, time_us, items FROM blocks ORDER BY height`
	selectGaps    = `SELECT from_height, from_batch, to_height FROM gaps ORDER BY from_height, from_batch`

	selectSchema  = `SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master ORDER BY type, name`
	selectNumbers = `SELECT count(*), coalesce(min(seq), 0), coalesce(max(seq), 0) FROM transfers`

	// Who does not come from V10 has no part of an id there, and who does has all.
	selectHalfOrigins = `SELECT 'height ' || height || ', batch ' || batch || ', item ' || item FROM transfers
		WHERE (v10_ms IS NULL) + (v10_round IS NULL) + (v10_place IS NULL) NOT IN (0, 3) OR v10_ms = 0 AND v10_round = 0 AND v10_place = 0 LIMIT 10`

	// A chunk is seq >> 16, an account is of a transfer once, and 0 is none.
	selectStrayAccounts = `SELECT b.account || ', ' || b.seq FROM by_account b LEFT JOIN transfers t ON t.seq = b.seq
		WHERE t.seq IS NULL OR b.chunk <> b.seq >> 16 OR b.account = 0 OR b.account NOT IN (t.payer, t.payee) LIMIT 10`
	selectAccountCounts = `SELECT count(*) FROM by_account
		UNION ALL SELECT coalesce(sum((payer <> 0) + (payee <> 0 AND payee <> payer)), 0) FROM transfers`
	selectUnlisted = `SELECT 'height ' || t.height || ', batch ' || t.batch || ', item ' || t.item FROM transfers t
		WHERE t.payer <> 0 AND NOT EXISTS (SELECT 1 FROM by_account WHERE chunk = t.seq >> 16 AND account = t.payer AND seq = t.seq)
		OR t.payee <> 0 AND NOT EXISTS (SELECT 1 FROM by_account WHERE chunk = t.seq >> 16 AND account = t.payee AND seq = t.seq) LIMIT 10`
)
