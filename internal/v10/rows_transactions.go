// SPDX-License-Identifier: Apache-2.0

package v10

// What lists of transfers take.
var listParams = []Param{
	{"limit", "integer", "at most this many, 1 to 1000; 100 if not given"},
	{"cursor", "string", "where an earlier answer ended"},
	{"since", "time", "of this time or later"},
	{"status", "string", "CONFIRMED or FAILED"},
}

// Bounds of lists.
const (
	ListDefault = 100
	ListMax     = 1000
)

func transactionRows() []Endpoint {
	return []Endpoint{
		{
			Method: "POST", Path: "/api/v10/transactions", Group: GroupTransactions, RPC: "Custody.Pay", AccountKey: KeyBodyFrom,
			Request: Submit{}, Response: SubmitAnswer{},
			Choice: "L's answer; 200, not the 202 of later plans. estimated_confirmation is constant, so that a repeat under a key is the same to the byte.",
			Note: "200 only once it is certified. amount is a number or a decimal string, exact in the asset's scale. A payee that does not exist is opened. " +
				"Idempotency-Key: twice is once, for 24 hours; another body under the same key is 409.",
		},
		{
			Method: "GET", Path: "/api/v10/transactions", Group: GroupTransactions, RPC: "Ledger.ListTransfers", Response: TransactionList{},
			Query:   append([]Param{{"account", "string", "paid by it or to it"}}, listParams...),
			Example: "/api/v10/transactions?limit=10",
			Note:    "Newest first. A server that keeps an index may lag; a lookup by id never does. A page may be short, or empty, while there is a cursor.",
		},
		{
			Method: "GET", Path: "/api/v10/transactions/{id}", Group: GroupTransactions, RPC: "Ledger.GetTransaction", Response: Transaction{},
			Example: "/api/v10/transactions/<transaction>",
			Note:    "The id says where the transaction lies: nothing waits for an index. What was answered is CONFIRMED; V10's PENDING does not occur.",
		},
		{
			Method: "GET", Path: "/api/v10/transactions/{id}/receipt", Group: GroupTransactions, RPC: "Ledger.GetTransaction", Response: Receipt{},
			Example: "/api/v10/transactions/<transaction>/receipt", Typed: "gas_used",
		},
		{
			Method: "POST", Path: "/api/v10/transactions/batch", Group: GroupTransactions, RPC: "Custody.PayMany", AccountKey: KeyBatchFrom,
			Request: batchBody{}, Response: BatchAnswer{},
			Note: "1 to 8,192 transactions in at most 4 MiB; each for itself. Those of one payer are made in order. An Idempotency-Key stands for each item with its index. " +
				"A result is submitted, refused, or unknown (not certified within the deadline: ask again under the same key).",
		},
		{
			Method: "POST", Path: "/api/v10/transactions/stream", Group: GroupTransactions, RPC: "Custody.PayMany", AccountKey: KeyStreamFrom,
			Request: Submit{}, Response: StreamLine{}, Content: "application/x-ndjson", DeadlineMs: streamDeadlineMs,
			Note: "NDJSON both ways: a line a payment, a line an answer, in order; payments of one payer are made in order.",
		},
		{
			Method: "POST", Path: "/api/v10/transactions/estimate", Group: GroupTransactions, RPC: "Ledger.GetAccount", Request: Submit{},
			Response: Estimate{}, Retry: RetryRead, Note: "Nothing is reserved: a later submit may be refused all the same.",
		},
		{
			Method: "POST", Path: "/api/node/transactions", Group: GroupTransactions, RPC: "Custody.Pay", AccountKey: KeyBodyFrom,
			Request: NodeSubmit{}, Response: NodeSubmitted{}, Errors: FamilySuccess,
			Choice: "C: a refusal of the ledger is 200 with success false, as there. Bad JSON is 400.",
			Note:   "id is the client's own word and no idempotency key.",
		},
		{
			Method: "GET", Path: "/api/transactions", Group: GroupTransactions, RPC: "Ledger.ListTransfers", Response: Feed{},
			Example: "/api/transactions", Choice: "H's feed: the last 100.", Typed: "shard, gasUsed, zkProof",
		},
	}
}

// batchBody is the body of a batch, for the documents; DecodeBatch reads it.
type batchBody struct {
	Transactions []Submit `json:"transactions"`
}

func blockRows() []Endpoint {
	return []Endpoint{
		{
			Method: "GET", Path: "/api/v10/blocks", Group: GroupBlocks, RPC: "Ledger.ListBlocks", Response: BlockList{},
			Query:   []Param{{"limit", "integer", "at most this many, 1 to 1000; 20 if not given"}, {"before", "integer", "only heights below this"}},
			Example: "/api/v10/blocks?limit=5", Note: "V10 had no block endpoints: these are ours, in its style.", Typed: "gas_used",
		},
		{
			Method: "GET", Path: "/api/v10/blocks/latest", Group: GroupBlocks, RPC: "Ledger.GetBlock", Response: Block{}, Example: "/api/v10/blocks/latest",
			Note: "Before the first block it is the genesis, block 0.",
		},
		{
			Method: "GET", Path: "/api/v10/blocks/{height}", Group: GroupBlocks, RPC: "Ledger.GetBlock", Response: Block{}, Example: "/api/v10/blocks/<height>",
			Note: "410 when it was let go under retention.",
		},
		{Method: "GET", Path: "/api/v10/blocks/hash/{hash}", Group: GroupBlocks, RPC: "Ledger.GetBlock", Response: Block{}, Example: "/api/v10/blocks/hash/<hash>"},
		{
			Method: "GET", Path: "/api/v10/blocks/{height}/transactions", Group: GroupBlocks, RPC: "Ledger.GetBatch", Response: TransactionList{},
			Query:   []Param{{"limit", "integer", "at most this many, 1 to 1000; 100 if not given"}, {"cursor", "string", "where an earlier answer ended"}},
			Example: "/api/v10/blocks/<height>/transactions", Note: "Transfers in the order of execution, refused ones too.",
		},
		{
			Method: "GET", Path: "/api/blockchain", Group: GroupBlocks, RPC: "Ledger.ListBlocks", Response: BlockList{}, Example: "/api/blockchain",
			Choice: "H: the last 20 blocks, in the form of /api/v10/blocks; H's own fields are not known.", Typed: "gas_used",
		},
	}
}
