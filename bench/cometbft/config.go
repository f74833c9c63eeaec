// SPDX-License-Identifier: Apache-2.0

package cometbft

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// edit sets lines of a config.toml. A key that is not there is an error: it would be ignored, and what is measured would
// not be what is said.
func edit(text string, settings []setting) (string, error) {
	lines := strings.Split(text, "\n")
	for _, s := range settings {
		if !set(lines, s) {
			return "", fmt.Errorf("config.toml has no %s in section %q", s.key, s.section)
		}
	}
	return strings.Join(lines, "\n"), nil
}

func set(lines []string, s setting) bool {
	section := ""
	for i, line := range lines {
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(strings.TrimSpace(name), "]")
			continue
		}
		key, _, ok := strings.Cut(line, "=")
		if ok && section == s.section && strings.TrimSpace(key) == s.key {
			lines[i] = s.key + " = " + s.value
			return true
		}
	}
	return false
}

func editFile(path string, settings []setting) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	edited, err := edit(string(text), settings)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(edited), 0o600)
}

// enlargeBlocks sets the largest block in a genesis file. Everything else stays as it was written.
func enlargeBlocks(path string, maxBytes int) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var genesis, params, block map[string]json.RawMessage
	if err := json.Unmarshal(text, &genesis); err != nil {
		return err
	}
	if err := json.Unmarshal(genesis["consensus_params"], &params); err != nil {
		return err
	}
	if err := json.Unmarshal(params["block"], &block); err != nil {
		return err
	}
	block["max_bytes"] = json.RawMessage(strconv.Quote(strconv.Itoa(maxBytes)))
	if params["block"], err = json.Marshal(block); err != nil {
		return err
	}
	if genesis["consensus_params"], err = json.Marshal(params); err != nil {
		return err
	}
	if text, err = json.MarshalIndent(genesis, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
