// SPDX-License-Identifier: Apache-2.0

package v10

func cryptoRows() []Endpoint {
	return []Endpoint{
		{Method: "GET", Path: "/api/v10/crypto/algorithms", Group: GroupCrypto, Response: AlgorithmList{}, Example: "/api/v10/crypto/algorithms"},
		{Method: "GET", Path: "/api/v10/crypto/keys", Group: GroupCrypto, RPC: "Ledger.GetStatus", Response: KeyList{}, Example: "/api/v10/crypto/keys"},
		{
			Method: "POST", Path: "/api/v10/crypto/sign", Group: GroupCrypto, Request: Sign{}, Response: Signed{}, Retry: RetryRead,
			Note: "With a key of the server's own, under a domain of its own: never good for a transaction. V10's keys are not kept.",
		},
		{
			Method: "POST", Path: "/api/v10/crypto/verify", Group: GroupCrypto, Request: Verify{}, Response: Verified{}, Retry: RetryRead,
			Note: "A wrong signature is 200 with valid false; what is no signature or key at all is 400.",
		},
		{
			Method: "GET", Path: "/api/crypto/status", Group: GroupCrypto, Response: CryptoStatus{}, Example: "/api/crypto/status",
			Choice: "C. NTRU is not served.",
		},
	}
}

func authRows() []Endpoint {
	return []Endpoint{
		{
			Method: "POST", Path: "/api/v10/auth/login", Group: GroupAuth, Request: Login{}, Response: Token{}, Errors: FamilySuccess, Retry: RetryRead,
			Choice: "N's form, the only login of V10's time.",
			Note:   "An API key, alone or as the password of a user name. On an open network everybody gets a token.",
		},
		{
			Method: "POST", Path: "/api/v10/auth/refresh", Group: GroupAuth, Request: Refresh{}, Response: Token{}, Errors: FamilySuccess, Retry: RetryNever,
			DeadlineMs: readDeadlineMs,
			Note:       "401 without a token that is still good. Each is traded once: whoever sends it again ends the session for all its tokens, so after a lost answer log in anew.",
		},
		{Method: "GET", Path: "/api/v10/auth/keys", Group: GroupAuth, Response: APIKeyList{}, Example: "/api/v10/auth/keys"},
		{
			Method: "POST", Path: "/api/v10/auth/keys", Group: GroupAuth, Request: CreateAPIKey{}, Response: APIKeyCreated{}, Errors: FamilySuccess,
			Retry: RetryNever, Note: "The only time that the secret is shown; it is stored hashed.",
		},
		{
			Method: "DELETE", Path: "/api/v10/auth/keys/{id}", Group: GroupAuth, Response: Done{}, Errors: FamilySuccess, Idempotent: true,
			Note: "An unknown id is 200 with success false, as V10's management does it.",
		},
	}
}

func adminRows() []Endpoint {
	return []Endpoint{
		{Method: "GET", Path: "/api/v10/admin/status", Group: GroupAdmin, RPC: "Ledger.GetStatus", Response: AdminStatus{}, Example: "/api/v10/admin/status"},
		{
			Method: "GET", Path: "/api/v10/admin/limits", Group: GroupAdmin, Response: LimitList{}, Example: "/api/v10/admin/limits",
			Note: "Every bound of the dialect with its unit.",
		},
	}
}

func managementRows() []Endpoint {
	return []Endpoint{
		{
			Method: "GET", Path: "/api/channels", Group: GroupManagement, RPC: "Ledger.GetStatus", Response: ManagedChannels{}, Errors: FamilySuccess,
			Example: "/api/channels", Choice: "G, not B (an onboarding tool).", Typed: "targetTPS, maxNodes where nothing is set",
		},
		{
			Method: "GET", Path: "/api/validators", Group: GroupManagement, RPC: "Ledger.GetStatus", Response: ManagedValidators{}, Errors: FamilySuccess,
			Query: []Param{{"channel", "string", "only of this channel"}}, Example: "/api/validators", Typed: "port, p2pPort of other validators",
		},
		{
			Method: "GET", Path: "/api/nodes", Group: GroupManagement, RPC: "Ledger.GetStatus", Response: ManagedNodes{}, Errors: FamilySuccess,
			Query: []Param{{"channel", "string", "only of this channel"}}, Example: "/api/nodes",
			Choice: "G, not H (a feed of invented nodes).", Note: "Nodes that are no validators, as with G: often none.",
		},
		{
			Method: "GET", Path: "/api/metrics", Group: GroupManagement, RPC: "Ledger.GetStatus", Response: ManagedMetrics{}, Errors: FamilySuccess,
			Query: []Param{{"channel", "string", "only of this channel"}}, Example: "/api/metrics", Choice: "G, not S or H; S's form is at /api/v10/metrics.",
		},
		{
			Method: "GET", Path: "/api/overview", Group: GroupManagement, RPC: "Ledger.GetStatus", Response: ManagedOverview{}, Errors: FamilySuccess,
			Example: "/api/overview",
		},
		{
			Method: "GET", Path: "/api/node/status", Group: GroupManagement, RPC: "Ledger.GetStatus", Response: NodeReport{}, Example: "/api/node/status",
			Choice: "C, not B (an onboarding tool).", Typed: "diskUsageGB and networkUsageMBps where the server does not measure them; topology.sharding",
		},
		{
			Method: "GET", Path: "/api/performance/metrics", Group: GroupManagement, RPC: "Ledger.GetStatus", Response: PerformanceReport{},
			Example: "/api/performance/metrics", Choice: "C wraps its figures in {metrics}; the figures are those of /api/v10/metrics.",
		},
		{Method: "POST", Path: "/api/channels", Group: GroupManagement, Errors: FamilySuccess, Missing: MissingManagement},
		{Method: "PUT", Path: "/api/channels/{id}", Group: GroupManagement, Errors: FamilySuccess, Missing: MissingManagement},
		{Method: "DELETE", Path: "/api/channels/{id}", Group: GroupManagement, Errors: FamilySuccess, Missing: MissingManagement},
		{Method: "POST", Path: "/api/channels/{id}/activate", Group: GroupManagement, Errors: FamilySuccess, Missing: MissingManagement},
		{Method: "POST", Path: "/api/channels/{id}/deactivate", Group: GroupManagement, Errors: FamilySuccess, Missing: MissingManagement},
		{Method: "POST", Path: "/api/channels/{id}/validators/bulk", Group: GroupManagement, Errors: FamilySuccess, Missing: MissingManagement},
		{Method: "POST", Path: "/api/channels/{id}/nodes/bulk", Group: GroupManagement, Errors: FamilySuccess, Missing: MissingManagement},
		{Method: "POST", Path: "/api/validators", Group: GroupManagement, Errors: FamilySuccess, Missing: MissingManagement},
		{Method: "POST", Path: "/api/validators/{id}/start", Group: GroupManagement, Errors: FamilySuccess, Missing: MissingManagement},
		{Method: "POST", Path: "/api/validators/{id}/stop", Group: GroupManagement, Errors: FamilySuccess, Missing: MissingManagement},
		{Method: "POST", Path: "/api/nodes", Group: GroupManagement, Errors: FamilySuccess, Missing: MissingManagement},
		{Method: "POST", Path: "/api/nodes/{id}/start", Group: GroupManagement, Errors: FamilySuccess, Missing: MissingManagement},
		{Method: "POST", Path: "/api/nodes/{id}/stop", Group: GroupManagement, Errors: FamilySuccess, Missing: MissingManagement},
	}
}
