// SPDX-License-Identifier: Apache-2.0

package access

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// UsersMax bounds the users of a file.
const UsersMax = 4096

// User is somebody who logs in with a password, as the file has it.
type User struct {
	Name     string    `json:"name"`
	Password string    `json:"password"` // its Argon2id hash
	Created  time.Time `json:"created"`
	Grant
}

type userDocument struct {
	Version int    `json:"version"`
	Users   []User `json:"users"`
}

type userSet struct {
	users []User
	by    map[string]*heldUser
}

type heldUser struct {
	hash   *passwordHash
	permit *permit
}

var userName = regexp.MustCompile(`^[A-Za-z0-9._@+-]{1,64}$`)

func parseUsers(text []byte, otherwise Limits) (*userSet, error) {
	s := &userSet{by: map[string]*heldUser{}}
	if len(text) == 0 {
		return s, nil
	}
	var d userDocument
	if err := decodeStrict(text, &d); err != nil {
		return nil, err
	}
	if d.Version != fileVersion || len(d.Users) > UsersMax {
		return nil, fault.New(fault.Invalid, "has version %d and %d users: this program reads version %d with at most %d", d.Version, len(d.Users), fileVersion, UsersMax)
	}
	for i := range d.Users {
		u := &d.Users[i]
		held, err := u.hold(otherwise)
		if err != nil {
			return nil, fmt.Errorf("user %d: %w", i+1, err)
		}
		if s.by[u.Name] != nil {
			return nil, fault.New(fault.Invalid, "user %d: its name is another's, too", i+1)
		}
		s.by[u.Name] = held
	}
	s.users = d.Users
	return s, nil
}

func (u *User) hold(otherwise Limits) (*heldUser, error) {
	if !userName.MatchString(u.Name) {
		return nil, fault.New(fault.Invalid, "a user's name has 1 to 64 characters of A-Z, a-z, 0-9 and ._@+-")
	}
	hash, err := parsePasswordHash(u.Password)
	if err != nil {
		return nil, err
	}
	p, err := u.compile(otherwise)
	return &heldUser{hash: hash, permit: p}, err
}

// SetUser writes a user with a password into a file, which it makes if there is none; one of the name is replaced. Invalid: the
// name, the password or the grant will not do.
func SetUser(path, name, password string, g Grant) error {
	hash, err := hashPassword(password)
	if err != nil {
		return err
	}
	u := User{Name: name, Password: hash, Created: time.Now().UTC().Truncate(time.Second), Grant: g}
	if _, err := u.hold(DefaultLimits()); err != nil {
		return err
	}
	return changeUsers(path, func(all []User) ([]User, error) {
		all = slices.DeleteFunc(all, func(x User) bool { return x.Name == name })
		if len(all) >= UsersMax {
			return nil, fault.Reasoned(fault.Refused, "users_full", "%s holds %d users, which is the most", path, UsersMax)
		}
		return append(all, u), nil
	})
}

// RemoveUser takes a user out of a file. NotFound: there is no such user.
func RemoveUser(path, name string) error {
	return changeUsers(path, func(all []User) ([]User, error) {
		left := slices.DeleteFunc(slices.Clone(all), func(x User) bool { return x.Name == name })
		if len(left) == len(all) {
			return nil, fault.New(fault.NotFound, "%s has no user %q", path, name)
		}
		return left, nil
	})
}

// ListUsers reads the users of a file; none without a file.
func ListUsers(path string) ([]User, error) {
	text, err := load(path)
	if err != nil {
		return nil, err
	}
	s, err := parseUsers(text, DefaultLimits())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s.users, nil
}

func changeUsers(path string, change func([]User) ([]User, error)) error {
	return exclusive(path, func() error {
		all, err := ListUsers(path)
		if err != nil {
			return err
		}
		if all, err = change(all); err != nil {
			return err
		}
		text, err := encodeIndented(userDocument{Version: fileVersion, Users: all})
		if err != nil {
			return err
		}
		return replacePrivate(path, text)
	})
}
