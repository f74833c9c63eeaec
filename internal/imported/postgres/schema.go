// SPDX-License-Identifier: Apache-2.0

package postgres

import "fmt"

// schemaVersion is the version of the tables. Those of another version are refused.
const schemaVersion = 1

// Numbers of 32 bits that may be larger than an integer are written as two's complement.
const schema = `
CREATE SCHEMA IF NOT EXISTS aurigraph_imported;
CREATE TABLE IF NOT EXISTS aurigraph_imported.meta (
	id             smallint PRIMARY KEY CHECK (id = 1),
	version        smallint NOT NULL,
	chain          bigint   NOT NULL,
	genesis        bytea    NOT NULL,
	sequence       bigint   NOT NULL, -- of V10's checkpoint
	rows           bigint   NOT NULL, -- how many there are
	rounds         bigint   NOT NULL, -- likewise
	finished       boolean  NOT NULL, -- all are there, and indexed
	last_round     bigint   NOT NULL, -- place of the newest row
	last_place     integer  NOT NULL,
	partition_bits smallint NOT NULL  -- partition n has the rows from n << partition_bits on
);
CREATE TABLE IF NOT EXISTS aurigraph_imported.rounds (
	number       bigint PRIMARY KEY,
	ms           bigint NOT NULL,
	leader       text   NOT NULL,
	votes        text   NOT NULL, -- a JSON list
	hash         bytea  NOT NULL,
	previous     bytea  NOT NULL,
	transactions bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS aurigraph_imported.rows (
	seq     bigint      NOT NULL, -- from 1 without gaps, by round and place
	ms      bigint      NOT NULL,
	round   bigint      NOT NULL,
	place   integer     NOT NULL,
	payer   integer     NOT NULL, -- account number, 0: none
	payee   integer     NOT NULL,
	asset   integer     NOT NULL,
	kind    smallint    NOT NULL, -- 0 transfer, 4 issue, 5 redeem, 7 open_account, 8 create_asset
	outcome smallint    NOT NULL,
	amount  numeric(39) NOT NULL
) PARTITION BY RANGE (seq)`

const (
	rowColumns   = `seq, ms, round, place, payer, payee, asset, kind, outcome, amount`
	rowColumnsNo = 10
	copyRounds   = `COPY aurigraph_imported.rounds (number, ms, leader, votes, hash, previous, transactions) FROM STDIN (FORMAT binary)`

	selectMeta = `SELECT version, chain, genesis, sequence, rows, rounds, finished, last_round, last_place, partition_bits FROM aurigraph_imported.meta WHERE id = 1`
	insertMeta = `INSERT INTO aurigraph_imported.meta (id, version, chain, genesis, sequence, rows, rounds, finished, last_round, last_place, partition_bits)
		VALUES (1, $1, $2, $3, $4, 0, 0, false, 0, 0, $5) ON CONFLICT (id) DO NOTHING`
	updateExtent = `UPDATE aurigraph_imported.meta SET rows = $1, rounds = $2, last_round = $3, last_place = $4
		WHERE id = 1 AND rows = $5 AND rounds = $6 AND NOT finished`
	updateEnd = `UPDATE aurigraph_imported.meta SET finished = true WHERE id = 1 AND rows = $1 AND rounds = $2`

	selectNewest = `SELECT number FROM aurigraph_imported.rounds ORDER BY number DESC LIMIT 1`
	selectRound  = `SELECT ms, leader, votes, hash, previous, transactions FROM aurigraph_imported.rounds WHERE number = $1`
	selectPlaces = `SELECT seq, round, place FROM aurigraph_imported.rows WHERE seq = ANY($1) ORDER BY seq`
	selectRow    = `SELECT ` + rowColumns + ` FROM aurigraph_imported.rows WHERE seq = $1`
)

// How many rows share a partition, 1<<bits.
const (
	PartitionBitsDefault = 24
	partitionBitsMin     = 4
	partitionBitsMax     = 40
)

func partitionName(part int64) string { return fmt.Sprintf("rows_%09d", part) }

func partitionTable(part int64) string { return "aurigraph_imported." + partitionName(part) }

func copyRows(part int64) string {
	return `COPY ` + partitionTable(part) + ` (` + rowColumns + `) FROM STDIN (FORMAT binary)`
}

func createPartition(part int64, bits int) string {
	return fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s PARTITION OF aurigraph_imported.rows FOR VALUES FROM (%d) TO (%d)`,
		partitionTable(part), part<<bits, (part+1)<<bits)
}

// createIndexes are the indexes of a partition. The number's is written in order, the others must be sorted.
func createIndexes(part int64) []string {
	table, name := partitionTable(part), partitionName(part)
	return []string{
		fmt.Sprintf(`CREATE UNIQUE INDEX IF NOT EXISTS %s_seq ON %s (seq) WITH (fillfactor = 100)`, name, table),
		fmt.Sprintf(`CREATE INDEX IF NOT EXISTS %s_payer ON %s (payer, seq) WITH (fillfactor = 100)`, name, table),
		fmt.Sprintf(`CREATE INDEX IF NOT EXISTS %s_payee ON %s (payee, seq) WITH (fillfactor = 100)`, name, table),
	}
}
