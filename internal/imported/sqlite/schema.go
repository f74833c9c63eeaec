// SPDX-License-Identifier: Apache-2.0

package sqlite

import "strings"

// schemaVersion is the version of the tables. A file of another version is refused.
const schemaVersion = 1

const schema = `
CREATE TABLE meta (
	id INTEGER PRIMARY KEY CHECK (id = 1),
	version INTEGER NOT NULL,
	chain INTEGER NOT NULL,
	genesis BLOB NOT NULL,
	sequence INTEGER NOT NULL, -- of V10's checkpoint
	rows INTEGER NOT NULL,     -- how many there are
	rounds INTEGER NOT NULL,   -- likewise
	finished INTEGER NOT NULL, -- 1: all are there, and can be found by account
	chunk_bits INTEGER NOT NULL
);
CREATE TABLE rows (
	seq INTEGER PRIMARY KEY, -- from 1 without gaps, by round and place
	ms INTEGER NOT NULL,
	round INTEGER NOT NULL,
	place INTEGER NOT NULL,
	kind INTEGER NOT NULL,   -- 0 transfer, 4 issue, 5 redeem, 7 open_account, 8 create_asset
	payer INTEGER NOT NULL,  -- account number, 0: none
	payee INTEGER NOT NULL,
	asset INTEGER NOT NULL,
	amount_lo INTEGER NOT NULL, -- 128 bits, as two's complement of their halves
	amount_hi INTEGER NOT NULL,
	outcome INTEGER NOT NULL
);
CREATE TABLE rounds (
	number INTEGER PRIMARY KEY,
	ms INTEGER NOT NULL,
	leader TEXT NOT NULL,
	votes TEXT NOT NULL, -- a JSON list
	hash BLOB NOT NULL,
	previous BLOB NOT NULL,
	transactions INTEGER NOT NULL
);
-- Which rows an account has: entries of account and number, sorted, in blocks. account and seq are a block's first entry.
CREATE TABLE postings (
	chunk INTEGER NOT NULL, -- seq >> chunk_bits
	account INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	entries BLOB NOT NULL
);
CREATE UNIQUE INDEX postings_first ON postings (chunk, account, seq);
`

// rowsPerStatement is how many rows one statement adds.
const rowsPerStatement = 64

const (
	rowColumns   = `seq, ms, round, place, kind, payer, payee, asset, amount_lo, amount_hi, outcome`
	rowColumnsNo = 11
	rowValues    = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	insertRow     = `INSERT INTO rows (` + rowColumns + `) VALUES ` + rowValues
	insertRound   = `INSERT INTO rounds (number, ms, leader, votes, hash, previous, transactions) VALUES (?, ?, ?, ?, ?, ?, ?)`
	insertPosting = `INSERT INTO postings (chunk, account, seq, entries) VALUES (?, ?, ?, ?)`
	updateExtent  = `UPDATE meta SET rows = ?, rounds = ? WHERE id = 1`
	updateEnd     = `UPDATE meta SET finished = 1 WHERE id = 1`

	selectMeta     = `SELECT version, chain, genesis, sequence, rows, rounds, finished, chunk_bits FROM meta WHERE id = 1`
	selectLast     = `SELECT seq, round, place FROM rows ORDER BY seq DESC LIMIT 1`
	selectNewest   = `SELECT number FROM rounds ORDER BY number DESC LIMIT 1`
	selectRow      = `SELECT ` + rowColumns + ` FROM rows WHERE seq = ?`
	selectBelow    = `SELECT ` + rowColumns + ` FROM rows WHERE seq < ? ORDER BY seq DESC LIMIT ?`
	selectPlace    = `SELECT round, place FROM rows WHERE seq = ?`
	selectRound    = `SELECT ms, leader, votes, hash, previous, transactions FROM rounds WHERE number = ?`
	selectParties  = `SELECT seq, payer, payee FROM rows WHERE seq >= ? AND seq < ? ORDER BY seq`
	selectChunk    = `SELECT coalesce(max(chunk), -1) FROM postings`
	selectPostings = `SELECT account, seq, entries FROM postings WHERE chunk = ?1 AND (account, seq) < (?2, ?3) ORDER BY account DESC, seq DESC LIMIT 1`
)

var insertRows = insertRow + strings.Repeat(`, `+rowValues, rowsPerStatement-1)
