// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/rand"
	"os"
	"path/filepath"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// openAccess opens who may call, and the trail of what callers do.
func (r *rest) openAccess() (err error) {
	g, cfg := r.gateway, &r.gateway.cfg.Rest
	who, err := config.Access(g.cfg.Path(cfg.Access), cfg.Auth, cfg.Providers)
	if err != nil {
		return err
	}
	if r.guard, err = access.New(who, access.Parts{Log: g.log, Metrics: g.registry}); err != nil || cfg.Audit == "" {
		return err
	}
	key, err := auditKey(g.cfg.Path(cfg.AuditKey))
	if err != nil {
		return err
	}
	r.trail, err = trail.Open(trail.Config{Dir: g.cfg.Path(cfg.Audit), Tag: key.Tag}, trail.Parts{Log: g.log, Metrics: g.registry})
	return err
}

// auditKey reads the key under which the trail hides names, and makes one where there is none.
func auditKey(path string) (*keys.AliasKey, error) {
	key, err := keys.ReadAliasKey(path)
	if !fault.Is(err, fault.NotFound) {
		return key, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make the folder of the audit trail's key")
	}
	if err := keys.WriteAliasKey(path, rand.Reader); err != nil {
		return nil, err
	}
	return keys.ReadAliasKey(path)
}
