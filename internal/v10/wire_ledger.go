// SPDX-License-Identifier: Apache-2.0

package v10

// The status words of a transaction that is read.
const (
	Pending   = "PENDING"
	Confirmed = "CONFIRMED"
	Failed    = "FAILED"
)

// Transaction is a transfer as lists and lookups show it.
type Transaction struct {
	ID        string  `json:"id"`
	From      string  `json:"from"` // a name, or an address where the name is unknown
	To        string  `json:"to"`
	Amount    Decimal `json:"amount"` // a number
	Currency  string  `json:"currency"`
	Timestamp Time    `json:"timestamp"`
	Status    string  `json:"status"` // Confirmed or Failed; what is not certified is not found
	Block     uint64  `json:"block"`
}

// TransactionList is a list of transfers, newest first. Total is how many it holds.
type TransactionList struct {
	Transactions []Transaction `json:"transactions"`
	Total        int           `json:"total"`
	Cursor       string        `json:"cursor,omitempty"` // ?cursor= of what follows; none at the end
}

// Receipt is what is certified about a transaction.
type Receipt struct {
	TransactionID string `json:"transaction_id"`
	Status        string `json:"status"`
	Message       string `json:"message"` // the outcome's word, "ok" when it was done
	BlockHash     string `json:"block_hash"`
	BlockNumber   uint64 `json:"block_number"`
	Index         uint32 `json:"index"` // place in the block, as in the id
	Fee           string `json:"fee"`
	GasUsed       uint64 `json:"gas_used"`
	Timestamp     Time   `json:"timestamp"`
}

// Estimate is what a payment would cost and whether it would be accepted now. Nothing is reserved.
type Estimate struct {
	Fee                   string  `json:"fee"`
	Total                 Decimal `json:"total"` // amount and fee, in the form of the request's amount
	Currency              string  `json:"currency"`
	EstimatedConfirmation string  `json:"estimated_confirmation"`
	Accepted              bool    `json:"accepted"`
	Reason                string  `json:"reason,omitempty"` // the error that a submit would get
}

// StreamLine is one line of the answer of /api/v10/transactions/stream, in the order of the request's lines.
type StreamLine struct {
	Line uint64 `json:"line"` // from 1
	BatchResult
}

// Block is one certified block.
type Block struct {
	Height           uint64 `json:"height"`
	Hash             string `json:"hash"` // 0x and 64 hex digits
	PreviousHash     string `json:"previous_hash"`
	Timestamp        Time   `json:"timestamp"`
	Validator        string `json:"validator"` // who proposed it; empty where that is not recorded
	StateRoot        string `json:"state_root"`
	TransactionCount uint64 `json:"transaction_count"`
	Signatures       int    `json:"signatures"` // in its certificate
	GasUsed          uint64 `json:"gas_used"`
}

// BlockList is a list of blocks, newest first.
type BlockList struct {
	Blocks []Block `json:"blocks"`
	Total  int     `json:"total"`
}

// CreateAccount asks for an account.
type CreateAccount struct {
	Account string `json:"account"`
}

// Check says whether r can be meant.
func (r *CreateAccount) Check() error { return CheckName("account", r.Account) }

// AccountCreated is the answer; Created is false if the account was there before.
type AccountCreated struct {
	Account   string `json:"account"`
	Status    string `json:"status"`
	Created   bool   `json:"created"`
	Timestamp Time   `json:"timestamp"`
}

// The status words of an account.
const (
	AccountActive = "active"
	AccountFrozen = "frozen"
)

// Account is one account.
type Account struct {
	Account  string    `json:"account"`
	Status   string    `json:"status"`
	Nonce    uint64    `json:"nonce"`
	Balances []Balance `json:"balances"`
}

// AccountList is a list of accounts, in the order of opening.
type AccountList struct {
	Accounts []AccountEntry `json:"accounts"`
	Total    int            `json:"total"`
	Cursor   string         `json:"cursor,omitempty"`
}

// AccountEntry is an account in a list.
type AccountEntry struct {
	Account string `json:"account"`
	Status  string `json:"status"`
}

// Balances is the answer of /api/v10/accounts/{id}/balances. An account that exists and holds nothing has none.
type Balances struct {
	Account  string    `json:"account"`
	Balances []Balance `json:"balances"`
	Total    int       `json:"total"`
}

// Balance is one holding.
type Balance struct {
	Asset  string  `json:"asset"`
	Amount Decimal `json:"amount"` // a number
}

// Nonce is the highest nonce that the account's own key used. Accounts in custody do not sign: 0.
type Nonce struct {
	Account string `json:"account"`
	Nonce   uint64 `json:"nonce"`
}

// Asset is one asset. Tokens are assets under another name.
type Asset struct {
	Code   string  `json:"code"`
	Name   string  `json:"name"`
	Scale  uint8   `json:"scale"`
	Supply Decimal `json:"supply"` // a number
	Issuer string  `json:"issuer"`
	Status string  `json:"status"` // active or frozen
}

// AssetList is every asset, in the order of creation.
type AssetList struct {
	Assets []Asset `json:"assets"`
	Total  int     `json:"total"`
}

// TokenList is AssetList for clients that speak of tokens.
type TokenList struct {
	Tokens []Asset `json:"tokens"`
	Total  int     `json:"total"`
}

// Holders is who holds an asset, largest first.
type Holders struct {
	Asset   string   `json:"asset"`
	Holders []Holder `json:"holders"`
	Total   int      `json:"total"`
}

// Holder is one of them.
type Holder struct {
	Account string  `json:"account"`
	Amount  Decimal `json:"amount"` // a number
}

// Supply is how much of an asset there is.
type Supply struct {
	Asset  string  `json:"asset"`
	Supply Decimal `json:"supply"` // a number
}
