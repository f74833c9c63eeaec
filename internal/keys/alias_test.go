// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Addresses, slots and tags of V10 names are in the state of every network that was moved: they never change. The values
// were computed by another program.
func TestAliasGolden(t *testing.T) {
	var key AliasKey
	for i := range key.Secret {
		key.Secret[i] = byte(i)
	}
	for _, x := range []struct {
		alias, address string
		slot           uint16
		tag            string
	}{
		{"a", "0x8e7b6b35289deb00b8bfe6e14095791a7f5f44c3", 5907, "11382184a2b58d6fa4983c9303e1232dd7be8a006d70da1ac86e375444281333"},
		{"ACME GmbH/EUR", "0x8ab07564c07642a252864bb735d995892b1273b1", 785, "3a4314f45ee2d7a32d419f2a50bb20eea32f2470bbb2de26a1121dc46f34fede"},
		{"Zürich", "0xbb5673a064fad51f8809efa878d47fc4f97113d4", 6798, "5d82cc0dc0402527d22b95d210f68f7275ed531bbdeee3e819286170900b3ec8"},
		{"0x664e414e2ea85fe0b2a92587d317a2b972c11595", "0xa43e65eed00ae553a4510d5e9108a2eec1253570", 1904, "f29a5e3c0b2734dcd8b44630a1109d078d865b5c47656292603b16c1a2a9ada6"},
		{"\x00\xff", "0xdfe576f63551bc2a047c5b0e856ed26bfdef38ff", 6594, "2c9a74aeb46533a6bf61a7a4cf19848b02d6205d8744e55ac7aabd8e74be653f"},
		{strings.Repeat("x", 256), "0x53928bfc6c4025776e88b8255f1ed399dfc39dcb", 4080, "7539e311c3f2d7e20669209b8e650e559f8388f88751caf0dea995ceba05a67c"},
	} {
		if a, s, tag := AliasAddress(x.alias).String(), AliasSlot(x.alias), key.Tag(x.alias).String(); a != x.address || s != x.slot || tag != x.tag {
			t.Errorf("%.40q: %s %d %s, must be %s %d %s", x.alias, a, s, tag, x.address, x.slot, x.tag)
		}
	}
}

func TestAliasSlot(t *testing.T) {
	// The check value of CRC-32/IEEE: 0xCBF43926 for "123456789".
	if got, want := AliasSlot("123456789"), uint16(0xCBF43926%10_000); got != want {
		t.Errorf("slot %d, must be %d", got, want)
	}
}

func TestAliasTagHangsOnKeyAndName(t *testing.T) {
	one, two := &AliasKey{Secret: [AliasKeyBytes]byte{1}}, &AliasKey{Secret: [AliasKeyBytes]byte{2}}
	if one.Tag("a") == two.Tag("a") || one.Tag("a") == one.Tag("b") || one.Tag("a") != (&AliasKey{Secret: one.Secret}).Tag("a") {
		t.Error("the tag is not a function of key and name")
	}
}

func TestCheckAlias(t *testing.T) {
	for alias, ok := range map[string]bool{"": false, "a": true, "\x00": true, strings.Repeat("x", 256): true, strings.Repeat("x", 257): false} {
		if err := CheckAlias(alias); (err == nil) != ok || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%.10q: %v", alias, err)
		}
	}
}

func TestAliasKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alias.key")
	if _, err := ReadAliasKey(path); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if err := WriteAliasKey(path, bytes.NewReader(bytes.Repeat([]byte{7}, AliasKeyBytes))); err != nil {
		t.Fatal(err)
	}
	k, err := ReadAliasKey(path)
	if err != nil || k.Secret != [AliasKeyBytes]byte(bytes.Repeat([]byte{7}, AliasKeyBytes)) || len(k.Named) != 0 {
		t.Error(k, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	if err := WriteAliasKey(path, bytes.NewReader(make([]byte, AliasKeyBytes))); !fault.Is(err, fault.Conflict) {
		t.Error("overwritten", err)
	}
	if err := WriteAliasKey(path+"2", bytes.NewReader(nil)); !fault.Is(err, fault.Internal) {
		t.Error("no randomness", err)
	}
	for _, text := range []string{"", "0707", strings.Repeat("0", 63) + "x\n", strings.Repeat("0", 66)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadAliasKey(path); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAliasKey(path); !fault.Is(err, fault.Denied) {
		t.Error("readable by others", err)
	}
}
