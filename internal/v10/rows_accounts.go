// SPDX-License-Identifier: Apache-2.0

package v10

// BlocksDefault is how many blocks a list has if it is not asked for more.
const BlocksDefault = 20

func accountRows() []Endpoint {
	return []Endpoint{
		{
			Method: "POST", Path: "/api/v10/accounts", Group: GroupAccounts, RPC: "Custody.OpenAccount", Request: CreateAccount{},
			Response: AccountCreated{}, Idempotent: true,
			Note: "V10 had no account endpoints: these are ours, in its style. An account that exists is 200 with created false.",
		},
		{
			Method: "GET", Path: "/api/v10/accounts", Group: GroupAccounts, RPC: "Ledger.ListAccounts", Response: AccountList{},
			Query:   []Param{{"limit", "integer", "at most this many, 1 to 1000; 100 if not given"}, {"cursor", "string", "where an earlier answer ended"}},
			Example: "/api/v10/accounts?limit=10",
		},
		{
			Method: "GET", Path: "/api/v10/accounts/{id}", Group: GroupAccounts, RPC: "Ledger.GetAccount", Response: Account{},
			Example: "/api/v10/accounts/<account>", Note: "id is the name as V10 wrote it, escaped for a URL; nothing is trimmed or normalised.",
		},
		{
			Method: "GET", Path: "/api/v10/accounts/{id}/balances", Group: GroupAccounts, RPC: "Ledger.GetAccount", Response: Balances{},
			Example: "/api/v10/accounts/<account>/balances", Note: "Amounts are JSON numbers with all their digits: read them as decimals, not as floats.",
		},
		{
			Method: "GET", Path: "/api/v10/accounts/{id}/nonce", Group: GroupAccounts, RPC: "Ledger.GetAccount", Response: Nonce{},
			Example: "/api/v10/accounts/<account>/nonce", Note: "0 for accounts in custody, which do not sign.",
		},
		{
			Method: "GET", Path: "/api/v10/accounts/{id}/transactions", Group: GroupAccounts, RPC: "Ledger.ListTransfers", Response: TransactionList{},
			Query: listParams, Example: "/api/v10/accounts/<account>/transactions",
		},
	}
}

// assetRows serves assets, and the same once more as tokens, which is what half of V10's clients call them.
func assetRows(plural string, group Group, list any) []Endpoint {
	base := "/api/v10/" + plural
	note := ""
	if group == GroupTokens {
		note = "The same as /api/v10/assets."
	}
	return []Endpoint{
		{Method: "GET", Path: base, Group: group, RPC: "Ledger.ListAssets", Response: list, Example: base, Note: note},
		{
			Method: "POST", Path: base, Group: group, RPC: "Custody.CreateAsset", AccountKey: KeyBodyIssuer, Request: CreateAsset{},
			Response: AssetCreated{}, Retry: RetryNever, Note: "409 if there is an asset of this code.",
		},
		{Method: "GET", Path: base + "/{code}", Group: group, RPC: "Ledger.GetAsset", Response: Asset{}, Example: base + "/<asset>"},
		{
			Method: "POST", Path: base + "/{code}/issue", Group: group, RPC: "Custody.Issue", AccountKey: KeyBodyIssuer, Request: IssueAsset{},
			Response: SubmitAnswer{}, Retry: RetryNever, Note: "403 if issuer is not the asset's. A server may refuse an Idempotency-Key here with 400: look before you repeat it.",
		},
		{
			Method: "POST", Path: base + "/{code}/redeem", Group: group, RPC: "Custody.Redeem", AccountKey: KeyBodyIssuer, Request: RedeemAsset{},
			Response: SubmitAnswer{}, Retry: RetryNever, Note: "From the issuer's own holding. Keys as with issue.",
		},
		{
			Method: "POST", Path: base + "/{code}/transfer", Group: group, RPC: "Custody.Pay", AccountKey: KeyBodyFrom, Request: TransferAsset{},
			Response: SubmitAnswer{}, Note: "As POST /api/v10/transactions with this currency.",
		},
		{
			Method: "GET", Path: base + "/{code}/holders", Group: group, RPC: "Ledger.ListAccounts", Response: Holders{},
			Query:   []Param{{"limit", "integer", "at most this many, 1 to 1000; 100 if not given"}},
			Example: base + "/<asset>/holders",
		},
		{Method: "GET", Path: base + "/{code}/supply", Group: group, RPC: "Ledger.GetAsset", Response: Supply{}, Example: base + "/<asset>/supply"},
	}
}
