// SPDX-License-Identifier: Apache-2.0

package access

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

const goodPassword = "correct horse battery"

func withUser(t *testing.T, do func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		if err := SetUser(r.cfg.Users, "erika", goodPassword, payer); err != nil {
			t.Fatal(err)
		}
		r.look()
		do(t, r)
	})
}

func (r *rig) login(t *testing.T, name, password string) (v10.Token, error) {
	return r.Login(t.Context(), &v10.Login{Username: name, Password: password})
}

func TestLogin(t *testing.T) {
	withUser(t, func(t *testing.T, r *rig) {
		token, err := r.login(t, "erika", goodPassword)
		if err != nil || token.ExpiresIn != 900 || token.TokenType != "Bearer" || token.User.Username != "erika" {
			t.Fatal(token, err)
		}
		c, err := r.Identify(t.Context(), bearer(token.Token))
		if err != nil || c.ID() != "user/erika" || c.May("alice") != nil || c.May("bob") == nil {
			t.Fatal(c, err)
		}
		for _, bad := range [][2]string{{"erika", "wrong password!"}, {"nobody", goodPassword}, {"erika", strings.Repeat("x", 300)}, {"a b", goodPassword}} {
			_, err := r.login(t, bad[0], bad[1])
			mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
		}
		if r.refusals(refusedPassword) != 1 || r.refusals(refusedUser) != 1 || r.refusals(refusedMalformed) != 2 {
			t.Error("not counted")
		}
		<-time.After(15*time.Minute + time.Second)
		_, err = r.Identify(t.Context(), bearer(token.Token))
		mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
		_, err = r.Refresh(t.Context(), token.Token)
		mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
	})
}

// A user who is removed, or may less, loses it with the token in hand.
func TestTokenHasNoRights(t *testing.T) {
	withUser(t, func(t *testing.T, r *rig) {
		token, err := r.login(t, "erika", goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		if err := SetUser(r.cfg.Users, "erika", goodPassword, Grant{Roles: []string{"reader"}}); err != nil {
			t.Fatal(err)
		}
		r.look()
		c, err := r.Identify(t.Context(), bearer(token.Token))
		if err != nil || c.May("alice") == nil {
			t.Fatal(c, err)
		}
		if err := RemoveUser(r.cfg.Users, "erika"); err != nil {
			t.Fatal(err)
		}
		r.look()
		_, err = r.Identify(t.Context(), bearer(token.Token))
		mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
	})
}

func TestLoginByKey(t *testing.T) {
	r := newRig(t, nil)
	id, text := r.key(t, payer)
	for _, q := range []v10.Login{{APIKey: text}, {Username: "whoever", Password: text}} {
		token, err := r.Login(t.Context(), &q)
		if err != nil || token.User.Username != "test" {
			t.Fatal(token, err)
		}
		if c, err := r.Identify(t.Context(), bearer(token.Token)); err != nil || c.ID() != "key/"+id {
			t.Fatal(c, err)
		}
	}
	_, other := newSecret()
	for _, q := range []v10.Login{{APIKey: "x"}, {APIKey: other}, {Username: "u", Password: other}} {
		_, err := r.Login(t.Context(), &q)
		mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
	}
}

// A token that was refreshed is good no more; one that is refreshed twice ends the session for whoever has a token of it.
func TestRefreshRotates(t *testing.T) {
	withUser(t, func(t *testing.T, r *rig) {
		first, err := r.login(t, "erika", goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		second, err := r.Refresh(t.Context(), first.Token)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Identify(t.Context(), bearer(first.Token))
		mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
		if _, err := r.Identify(t.Context(), bearer(second.Token)); err != nil {
			t.Fatal(err)
		}
		_, err = r.Refresh(t.Context(), first.Token)
		mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
		if r.refusals(refusedReuse) != 1 {
			t.Error("reuse is not counted")
		}
		_, err = r.Identify(t.Context(), bearer(second.Token))
		mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
		_, err = r.Refresh(t.Context(), second.Token)
		mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
	})
}

// A server that shares the key takes a token that another one refreshed, and does not take the older one once it knows.
func TestRefreshAtTwoServers(t *testing.T) {
	withUser(t, func(t *testing.T, a *rig) {
		b := newRig(t, func(c *Config) { *c = a.cfg })
		b.tokens.key = a.tokens.key
		first, err := a.login(t, "erika", goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		second, err1 := a.Refresh(t.Context(), first.Token)
		third, err2 := b.Refresh(t.Context(), second.Token)
		_, err3 := a.Identify(t.Context(), bearer(third.Token))
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		_, err = b.Identify(t.Context(), bearer(second.Token))
		mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
	})
}

// However often it is refreshed, a session ends.
func TestSessionEnds(t *testing.T) {
	withUser(t, func(t *testing.T, r *rig) {
		token, err := r.login(t, "erika", goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		refreshed := 0
		for began := time.Now(); ; refreshed++ {
			<-time.After(10 * time.Minute)
			next, err := r.Refresh(t.Context(), token.Token)
			if err != nil {
				mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
				if lasted := time.Since(began); lasted != r.cfg.SessionLife {
					t.Errorf("lasted %v", lasted)
				}
				return
			}
			token = next
		}
	})
}

func TestSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSessions()
		until := time.Now().Add(time.Hour)
		for i := range sessionsMax {
			if next, why, err := s.renew(&claims{Session: fmt.Sprint(i)}, until); next != 1 || why != "" || err != nil {
				t.Fatal(i, next, why, err)
			}
		}
		_, _, err := s.renew(&claims{Session: "late"}, until)
		mustBe(t, err, fault.TryLater, "sessions_full")
		<-time.After(time.Hour + time.Second)
		if next, why, err := s.renew(&claims{Session: "late"}, time.Now().Add(time.Hour)); next != 1 || why != "" || err != nil || s.size() != 1 {
			t.Error(next, why, err, s.size())
		}
	})
}

// After some wrong passwords each further try must wait, twice as long each time; the right one does not help before, and ends it.
func TestWrongPasswordsWait(t *testing.T) {
	withUser(t, func(t *testing.T, r *rig) {
		for range backoffFree {
			_, err := r.login(t, "erika", "wrong password!")
			mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
		}
		_, err := r.login(t, "erika", goodPassword)
		mustBe(t, err, fault.TryLater, v10.ReasonRate)
		if RetryAfter(err) != 1 || testutil.ToFloat64(r.metrics.limited.WithLabelValues("password")) != 1 {
			t.Error(RetryAfter(err))
		}
		<-time.After(time.Second)
		_, err = r.login(t, "erika", "wrong password!")
		mustBe(t, err, fault.Denied, v10.ReasonUnauthenticated)
		_, err = r.login(t, "erika", goodPassword)
		if RetryAfter(err) != 2 {
			t.Error(err)
		}
		<-time.After(2 * time.Second)
		if _, err := r.login(t, "erika", goodPassword); err != nil {
			t.Fatal(err)
		}
		if _, err := r.login(t, "erika", goodPassword); err != nil {
			t.Fatal("the right password did not end it:", err)
		}
	})
}

func TestBackoff(t *testing.T) {
	b, now := newBackoff(), time.Unix(1_800_000_000, 0)
	for range 40 {
		wait, ok := b.try("a", now)
		if ok {
			continue
		}
		if wait > backoffMax {
			t.Fatal(wait)
		}
		if now = now.Add(wait); wait == backoffMax {
			break
		}
	}
	if waitAfter(1000) != backoffMax {
		t.Error(waitAfter(1000))
	}
	if _, ok := b.try("a", now); !ok {
		t.Error("after the longest wait there must be a try")
	}
	if _, ok := b.try("a", now); ok {
		t.Error("and one only")
	}
	if _, ok := b.try("a", now.Add(backoffForget)); !ok {
		t.Error("it must be forgotten after an hour")
	}
	for range backoffFree - 1 {
		if _, ok := b.try("a", now.Add(backoffForget)); !ok {
			t.Error("and begin anew")
		}
	}
}

// More logins at once than can wait are told to come later.
func TestHashersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHashers()
		for range hashersMax {
			h.slots <- struct{}{}
		}
		cheap := &passwordHash{memory: 8, passes: 1, lanes: 1, salt: make([]byte, 16), sum: make([]byte, 32)}
		results := make(chan error, hashersMax+hashWaitersMax)
		for range hashersMax + hashWaitersMax {
			go func() {
				_, err := h.matches(t.Context(), cheap, "x")
				results <- err
			}()
		}
		synctest.Wait()
		_, err := h.matches(t.Context(), cheap, "x")
		mustBe(t, err, fault.TryLater, v10.ReasonRate)
		for range hashersMax {
			<-h.slots
		}
		for range hashersMax + hashWaitersMax {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestPasswordHash(t *testing.T) {
	text, err := hashPassword(goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	h, err := parsePasswordHash(text)
	if err != nil || !h.matches(goodPassword) || h.matches(goodPassword+" ") {
		t.Fatal(text, err)
	}
	for _, bad := range []string{
		"", "x", strings.Replace(text, "argon2id", "argon2i", 1), strings.Replace(text, "v=19", "v=16", 1), strings.Replace(text, "m=19456", "m=999999999", 1),
		strings.Replace(text, "t=2", "t=0", 1), strings.Replace(text, "p=1", "p=255", 1), strings.Replace(text, "m=19456", "m=019456", 1), text + "$", text + "!",
		text[:strings.LastIndex(text, "$")+1],
	} {
		if _, err := parsePasswordHash(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, password := range []string{"short", strings.Repeat("x", PasswordBytesMax+1)} {
		mustBe(t, SetUser(t.TempDir()+"/u", "a", password, payer), fault.Invalid, "password_length")
	}
}
