-- SPDX-License-Identifier: Apache-2.0
-- A ledger in double entry. Balances are separate rows; fillfactor leaves room for new versions on the same page.
CREATE TABLE accounts (
    id      integer PRIMARY KEY,
    balance bigint NOT NULL CHECK (balance >= 0)
) WITH (fillfactor = 50);
INSERT INTO accounts SELECT n, 1000000000 FROM generate_series(0, 999999) n;

CREATE TABLE transfers (
    id     bigint GENERATED ALWAYS AS IDENTITY,
    payer  integer NOT NULL,
    payee  integer NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0)
);

-- Row by row, as one would write it first.
CREATE FUNCTION post_rows(payers integer[], payees integer[], amounts bigint[]) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. array_length(payers, 1) LOOP
        UPDATE accounts SET balance = balance - amounts[i] WHERE id = payers[i];
        UPDATE accounts SET balance = balance + amounts[i] WHERE id = payees[i];
        INSERT INTO transfers (payer, payee, amount) VALUES (payers[i], payees[i], amounts[i]);
    END LOOP;
    RETURN array_length(payers, 1);
END $$;

-- By set. The settings make the plan look each account up in the order of ids: no hash, whose order would deadlock.
CREATE FUNCTION post_set(payers integer[], payees integer[], amounts bigint[]) RETURNS integer LANGUAGE plpgsql
    SET enable_hashagg = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET work_mem = '64MB' AS $$
BEGIN
    INSERT INTO transfers (payer, payee, amount) SELECT * FROM unnest(payers, payees, amounts);
    UPDATE accounts a SET balance = a.balance + d.delta
    FROM (
        SELECT id, sum(change) AS delta
        FROM (
            SELECT id, -change FROM unnest(payers, amounts) AS p (id, change)
            UNION ALL
            SELECT id, change FROM unnest(payees, amounts) AS p (id, change)
        ) AS changes (id, change)
        GROUP BY id ORDER BY id
    ) d
    WHERE a.id = d.id;
    RETURN array_length(payers, 1);
END $$;
