// SPDX-License-Identifier: Apache-2.0

package v10

import "github.com/aurigraph/aurigraph/internal/fault"

// AlgorithmList is the schemes that a server signs and verifies with.
type AlgorithmList struct {
	Algorithms []Algorithm `json:"algorithms"`
	Total      int         `json:"total"`
}

// Algorithm is one signature scheme.
type Algorithm struct {
	Name        string `json:"name"` // ed25519, secp256k1 or ml-dsa-65
	PostQuantum bool   `json:"post_quantum"`
	Level       int    `json:"level"` // NIST category, 0 for classical ones
	Usage       string `json:"usage"`
}

// KeyList is the public keys of the network's validators and of the server's own signer.
type KeyList struct {
	Keys  []Key `json:"keys"`
	Total int   `json:"total"`
}

// Key is a public key.
type Key struct {
	ID        string `json:"id"`
	Algorithm string `json:"algorithm"`
	PublicKey string `json:"public_key"` // hex
	Usage     string `json:"usage"`      // validator or sign
}

// SignData bounds what is signed, in bytes of base64.
const SignDataBytesMax = 64 << 10

// Sign asks the server to sign data with its own key. The signature is over a domain of its own, so that it can never be taken
// for one on a transaction.
type Sign struct {
	Data  string `json:"data"` // base64
	KeyID string `json:"key_id,omitempty"`
}

// Check says whether r can be meant.
func (r *Sign) Check() error { return checkData(r.Data) }

func checkData(data string) error {
	switch {
	case data == "":
		return fault.Reasoned(fault.Invalid, "data_missing", "data is required")
	case len(data) > SignDataBytesMax:
		return fault.Reasoned(fault.Invalid, "data_oversized", "data is longer than %d characters", SignDataBytesMax)
	}
	return nil
}

// Signed is the answer.
type Signed struct {
	Signature string `json:"signature"` // hex
	Algorithm string `json:"algorithm"`
	KeyID     string `json:"key_id"`
	PublicKey string `json:"public_key"` // hex
	Timestamp Time   `json:"timestamp"`
}

// Verify asks whether a signature of Sign is good.
type Verify struct {
	Data      string `json:"data"`
	Signature string `json:"signature"`
	PublicKey string `json:"public_key"`
	Algorithm string `json:"algorithm"`
}

// Check says whether r can be meant.
func (r *Verify) Check() error {
	if err := checkData(r.Data); err != nil {
		return err
	}
	for _, f := range [...]struct{ name, value string }{{"signature", r.Signature}, {"public_key", r.PublicKey}, {"algorithm", r.Algorithm}} {
		if f.value == "" {
			return fault.Reasoned(fault.Invalid, "verify_field", "%s is required", f.name)
		}
	}
	return nil
}

// Verified is the answer.
type Verified struct {
	Valid     bool   `json:"valid"`
	Algorithm string `json:"algorithm"`
}

// Login trades an API key for a token: as api_key, or as the password of a user name.
type Login struct {
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	APIKey   string `json:"api_key,omitempty"`
}

// Check says whether r can be meant.
func (r *Login) Check() error {
	if r.APIKey == "" && (r.Username == "" || r.Password == "") {
		return fault.Reasoned(fault.Invalid, "login_field", "username and password are required")
	}
	return nil
}

// Token is the answer of login and refresh. On an open network everybody gets one.
type Token struct {
	Success   bool   `json:"success"`
	Token     string `json:"token"`
	TokenType string `json:"token_type"` // Bearer
	ExpiresIn int    `json:"expires_in"` // s
	User      User   `json:"user"`
}

// User is whom a token stands for.
type User struct {
	Username string   `json:"username"`
	Roles    []string `json:"roles"`
}

// Refresh trades a token that is still good for a new one; without a body, the token of the Authorization header.
type Refresh struct {
	Token string `json:"token,omitempty"`
}

// APIKeyList is the API keys, without their secrets.
type APIKeyList struct {
	Keys  []APIKey `json:"keys"`
	Total int      `json:"total"`
}

// APIKey is one API key.
type APIKey struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Roles    []string `json:"roles"`
	Accounts []string `json:"accounts"` // that it may debit
	Created  Time     `json:"created"`
}

// CreateAPIKey asks for an API key.
type CreateAPIKey struct {
	Name     string   `json:"name"`
	Roles    []string `json:"roles,omitempty"`
	Accounts []string `json:"accounts,omitempty"`
}

// Bounds of API keys.
const (
	APIKeyNameBytesMax = 64
	APIKeyAccountsMax  = 1024
	apiKeyRolesMax     = 16
)

// Check says whether r can be meant.
func (r *CreateAPIKey) Check() error {
	if r.Name == "" || len(r.Name) > APIKeyNameBytesMax {
		return fault.Reasoned(fault.Invalid, "api_key_name", "name must have 1 to %d bytes", APIKeyNameBytesMax)
	}
	if len(r.Accounts) > APIKeyAccountsMax || len(r.Roles) > apiKeyRolesMax {
		return fault.Reasoned(fault.Invalid, "api_key_size", "at most %d accounts and %d roles", APIKeyAccountsMax, apiKeyRolesMax)
	}
	for _, account := range r.Accounts {
		if err := CheckName("accounts", account); err != nil {
			return err
		}
	}
	return nil
}

// APIKeyCreated is the answer, and the only time that the secret is shown.
type APIKeyCreated struct {
	Success bool   `json:"success"`
	Key     APIKey `json:"key"`
	APIKey  string `json:"api_key"`
}

// Done is the answer of a write that has nothing else to say. A business refusal is 200 with Success false.
type Done struct {
	Success bool   `json:"success"`
	Message string `json:"message,omitempty"`
}

// AdminStatus is the answer of /api/v10/admin/status.
type AdminStatus struct {
	Node       string `json:"node"`
	Version    string `json:"version"` // the program's own
	Network    string `json:"network"`
	Ready      bool   `json:"ready"`
	Auth       string `json:"auth"` // open or required
	Height     uint64 `json:"height"`
	Accounts   uint64 `json:"accounts"`
	Assets     uint64 `json:"assets"`
	Uptime     uint64 `json:"uptime"` // s
	Refusals   uint64 `json:"refusals"`
	InFlight   int    `json:"in_flight"`
	Goroutines int    `json:"goroutines"`
}

// LimitList is the bounds that a server keeps.
type LimitList struct {
	Limits []Limit `json:"limits"`
	Total  int     `json:"total"`
}

// Limit is one bound.
type Limit struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
	Unit  string `json:"unit"`
}
