-- The tables of the query index. Everything is derived from the chain: DROP SCHEMA aurigraph CASCADE loses nothing but time.
-- +goose Up
CREATE TABLE aurigraph.meta (
	id             smallint PRIMARY KEY CHECK (id = 1),
	chain          bigint   NOT NULL,
	genesis        bytea    NOT NULL,
	writer         bigint   NOT NULL, -- rises whenever a process begins to write: who has an older number does not write any more
	height         bigint   NOT NULL, -- what comes next: this batch of this block
	batch          integer  NOT NULL,
	seq            bigint   NOT NULL, -- of the next transfer
	whole_seq      bigint   NOT NULL, -- of the first transfer of block "height": what lies before it is seen by lists
	partition_bits smallint NOT NULL  -- partition n has the transfers from n << partition_bits on
);

CREATE TABLE aurigraph.blocks (
	height  bigint PRIMARY KEY,
	hash    bytea  NOT NULL,
	time_us bigint NOT NULL,
	items   bigint NOT NULL
);

CREATE TABLE aurigraph.gaps (
	from_height bigint  NOT NULL,
	from_batch  integer NOT NULL,
	to_height   bigint  NOT NULL, -- first that is indexed again
	PRIMARY KEY (from_height, from_batch)
);

-- Numbers of 32 bits that may be larger than an integer are written as two's complement; 64 bits likewise.
CREATE TABLE aurigraph.transfers (
	seq       bigint      NOT NULL,
	height    bigint      NOT NULL,
	time_us   bigint      NOT NULL,
	chunk     integer     NOT NULL, -- seq >> partition_bits - 8: the indexes by account begin with it, so that what is new lies together
	payer     integer     NOT NULL, -- account number, 0: none
	payee     integer     NOT NULL,
	asset     integer     NOT NULL,
	batch     integer     NOT NULL, -- of the block
	item      integer     NOT NULL, -- of the batch
	kind      smallint    NOT NULL, -- 0 transfer, 1 hold, 2 post, 3 void, 4 issue, 5 redeem, 6 unknown
	outcome   smallint    NOT NULL,
	amount    numeric(39) NOT NULL,
	id        bytea       NOT NULL,
	reference bytea       NOT NULL  -- empty: all zero
) PARTITION BY RANGE (seq);

-- The partitions of transfers, transfers_000000000 and so on. They are made ahead; their indexes are their own.
CREATE TABLE aurigraph.partitions (
	no           bigint  PRIMARY KEY,
	first_height bigint,           -- of its first transfer; NULL: there is none yet
	indexed      boolean NOT NULL  -- false: it is loaded bare, and indexed when it is full
);

-- Lets the partitions go of which every transfer lies below a height. Lists end where the oldest partition begins.
-- +goose StatementBegin
CREATE FUNCTION aurigraph.drop_below(below bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	old     record;
	dropped integer := 0;
BEGIN
	FOR old IN SELECT p.no FROM aurigraph.partitions p JOIN aurigraph.partitions after ON after.no = p.no + 1
		WHERE after.first_height < below ORDER BY p.no
	LOOP
		EXECUTE format('DROP TABLE aurigraph.%I', 'transfers_' || lpad(old.no::text, 9, '0'));
		DELETE FROM aurigraph.partitions WHERE no = old.no;
		dropped := dropped + 1;
	END LOOP;
	RETURN dropped;
END $$;
-- +goose StatementEnd
