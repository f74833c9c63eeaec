-- V10's id of what came from V10 by sync. It came after the tables: what lies in them already has none.
-- +goose Up
ALTER TABLE aurigraph.transfers
	ADD COLUMN v10_ms    bigint,  -- NULL, all three: it did not come from V10
	ADD COLUMN v10_round bigint,  -- 0: it has no id there
	ADD COLUMN v10_place integer;

ALTER TABLE aurigraph.partitions
	ADD COLUMN v10_first bigint,  -- lowest and highest of V10's rounds in it; NULL: none of its transfers came from V10
	ADD COLUMN v10_last  bigint;

-- Partitions that are full get no index: nothing with an id of V10 will come. Those that are bare get theirs with the others.
-- +goose StatementBegin
DO $$
DECLARE
	part record;
	name text;
BEGIN
	FOR part IN SELECT p.no FROM aurigraph.partitions p, aurigraph.meta m WHERE p.indexed AND p.no >= m.seq >> m.partition_bits ORDER BY p.no
	LOOP
		name := 'transfers_' || lpad(part.no::text, 9, '0');
		EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON aurigraph.%I (v10_round, v10_place) WHERE v10_round > 0', name || '_origin', name);
	END LOOP;
END $$;
-- +goose StatementEnd
