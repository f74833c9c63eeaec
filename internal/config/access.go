// SPDX-License-Identifier: Apache-2.0

package config

import "github.com/aurigraph/aurigraph/internal/access"

// Access is who may call a server of the dialect, from its settings: its folder, open or required, and its identity providers.
func Access(dir, auth string, providers []RestProvider) (access.Config, error) {
	who, err := access.InFolder(dir)
	if err != nil {
		return who, err
	}
	who.Open = auth == AuthOpen
	for _, p := range providers {
		who.Providers = append(who.Providers, access.Provider{Name: p.Name, Issuer: p.Issuer, Audience: p.Audience, KeySet: p.KeySet, Roles: p.Roles})
	}
	return who, nil
}
