// SPDX-License-Identifier: Apache-2.0

// Package config is a node's settings: one documented struct, defaults that are safe, one YAML file that overrides them,
// and a check that names the field. Unknown keys are errors. Secrets stand in files, and the settings hold their paths.
//
// A node's folder:
//
//	config.yaml    these settings
//	genesis.json   what all nodes of the network agree on
//	keys/          validator.key (Ed25519) and validator-root.key (ML-DSA-65)
//	tls/           ca.pem, node.pem, node.key
//	data/          lane/ order/ blocks/ checkpoints/ index/ and LOCK
package config
