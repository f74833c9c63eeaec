// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Costs of a password's hash: 19 MiB and two passes, about 30 ms of a core.
const (
	hashMemoryKiB = 19 << 10
	hashPasses    = 2
	hashLanes     = 1
	hashBytes     = 32
	saltBytes     = 16
)

// Bounds of hashes that are read, and of passwords.
const (
	hashMemoryKiBMax = 256 << 10
	hashPassesMax    = 16
	hashLanesMax     = 16
	// PasswordBytesMin and PasswordBytesMax bound a password, in bytes.
	PasswordBytesMin = 12
	PasswordBytesMax = 256
)

const (
	// hashersMax bounds the passwords that are hashed at once.
	hashersMax = 2
	// hashWaitersMax bounds those that wait for it: 1 s of work. More are told to come later.
	hashWaitersMax = 64
)

// passwordHash is a hash in the PHC form, $argon2id$v=19$m=…,t=…,p=…$salt$hash, taken apart.
type passwordHash struct {
	memory, passes uint32
	lanes          uint8
	salt, sum      []byte
}

// hashPassword hashes a password. Invalid: it is too short or too long.
func hashPassword(password string) (string, error) {
	if len(password) < PasswordBytesMin || len(password) > PasswordBytesMax {
		return "", fault.Reasoned(fault.Invalid, "password_length", "a password has %d to %d bytes", PasswordBytesMin, PasswordBytesMax)
	}
	h := passwordHash{memory: hashMemoryKiB, passes: hashPasses, lanes: hashLanes, salt: make([]byte, saltBytes), sum: make([]byte, hashBytes)}
	_, _ = rand.Read(h.salt) // never fails: it ends the process instead
	h.sum = h.derive(password)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.lanes, b64(h.salt), b64(h.sum)), nil
}

func (h *passwordHash) derive(password string) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.lanes, uint32(len(h.sum)))
}

func (h *passwordHash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.derive(password), h.sum) == 1
}

// parsePasswordHash reads a hash whose cost is bearable.
func parsePasswordHash(text string) (*passwordHash, error) {
	bad := fault.New(fault.Invalid, "a password's hash is written $argon2id$v=19$m=…,t=…,p=…$salt$hash, with at most m=%d, t=%d, p=%d", hashMemoryKiBMax, hashPassesMax, hashLanesMax)
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return nil, bad
	}
	var h passwordHash
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.lanes); err != nil || parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", h.memory, h.passes, h.lanes) {
		return nil, bad
	}
	if h.lanes < 1 || h.lanes > hashLanesMax || h.passes < 1 || h.passes > hashPassesMax || h.memory < 8*uint32(h.lanes) || h.memory > hashMemoryKiBMax {
		return nil, bad
	}
	var errSalt, errSum error
	h.salt, errSalt = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	h.sum, errSum = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if errSalt != nil || errSum != nil || len(h.salt) < 8 || len(h.salt) > 64 || len(h.sum) < 16 || len(h.sum) > 64 {
		return nil, bad
	}
	return &h, nil
}

// noPassword is hashed for users that do not exist, so that they take as long as others.
var noPassword = passwordHash{memory: hashMemoryKiB, passes: hashPasses, lanes: hashLanes, salt: make([]byte, saltBytes), sum: make([]byte, hashBytes)}

// hashers bounds the memory and the cores that logins may take.
type hashers struct {
	slots   chan struct{}
	waiting atomic.Int64
}

func newHashers() *hashers { return &hashers{slots: make(chan struct{}, hashersMax)} }

// matches compares a password, when it is its turn. TryLater: too many wait.
func (h *hashers) matches(ctx context.Context, hash *passwordHash, password string) (bool, error) {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > hashersMax+hashWaitersMax {
		return false, limited(time.Second, "Too many logins at once")
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return false, limited(time.Second, "Too many logins at once")
	}
	defer func() { <-h.slots }()
	return hash.matches(password), nil
}
