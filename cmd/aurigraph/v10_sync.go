// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/legacy"
)

// v10SyncFlags are what a V10 shares with the V11 that it is synced with.
type v10SyncFlags struct {
	syncKeys []string
	aliasKey string
}

func (f *v10SyncFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.syncKeys, "sync-key", nil, "file of a sync key, 64 or more hex digits, mode 0600: what is sealed with it is applied at --changes; may be repeated")
	c.Flags().StringVar(&f.aliasKey, "alias-key", "", "file of the V11 network's alias key: what it answered under an Idempotency-Key is answered here too, and named accounts have its slots")
}

// into reads the files.
func (f *v10SyncFlags) into(cfg *legacy.Config) (err error) {
	if len(f.syncKeys) > 0 {
		if cfg.Changes == "" {
			return fault.New(fault.Invalid, "--sync-key is for the records that come in at --changes: name that address too")
		}
		c := bus.Config{KeyFiles: f.syncKeys}
		if cfg.SyncKeys, err = c.Keys(); err != nil {
			return err
		}
	}
	if f.aliasKey == "" {
		return nil
	}
	alias, err := keys.ReadAliasKey(f.aliasKey)
	if err != nil {
		return err
	}
	cfg.Shared, cfg.Named = custody.SharedKeys{Alias: alias}, alias.Named
	return nil
}
