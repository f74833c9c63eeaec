// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sys/unix"
)

// Version is the versitygw that scripts/versitygw builds.
const Version = "1.8.0"

const (
	startMax = 30 * time.Second
	pollWait = 50 * time.Millisecond
	user     = "archivist"
	region   = "us-east-1"
)

// Server is a versitygw that runs.
type Server struct {
	dir, address, password string
	log                    bytes.Buffer
	ended                  chan struct{}
	buckets                int
}

// Program is where scripts/versitygw puts it: below XDG_CACHE_HOME.
func Program() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "aurigraph", "versitygw-"+Version, "versitygw"), err
}

// Start runs a server until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	program, err := Program()
	if err == nil {
		_, err = os.Stat(program)
	}
	if err != nil {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: there is no versitygw (%v): run scripts/versitygw", err)
	}
	s := &Server{dir: t.TempDir(), address: freeAddress(t), password: rand.Text(), ended: make(chan struct{})}
	if err := unix.Setxattr(s.dir, "user.aurigraph", []byte{1}, 0); err != nil {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: %s has no extended attributes (%v)", s.dir, err)
	}
	s.start(t, program)
	s.await(t)
	return s
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *Server) start(t testing.TB, program string) {
	t.Helper()
	for _, dir := range []string{s.dir + "/objects", s.dir + "/versions"} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "--port", s.address, "--region", region, "--quiet", "posix", "--versioning-dir", s.dir+"/versions", s.dir+"/objects")
	cmd.Env = []string{"ROOT_ACCESS_KEY_ID=" + user, "ROOT_SECRET_ACCESS_KEY=" + s.password, "HOME=" + s.dir}
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &s.log, &s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := make(chan error)
	go func() { // the thread that started it is the parent whose death ends it
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(s.ended)
		err := cmd.Start()
		began <- err
		if err == nil {
			_ = cmd.Wait() // it is killed, always
		}
	}()
	if err := <-began; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		<-s.ended
	})
}

// await returns when the server listens.
func (s *Server) await(t testing.TB) {
	t.Helper()
	deadline := time.After(startMax)
	for {
		c, err := net.DialTimeout("tcp", s.address, time.Second)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-s.ended:
			t.Fatalf("versitygw ended by itself:\n%s", s.log.String())
		case <-deadline:
			t.Fatalf("versitygw does not listen after %s: %v", startMax, err)
		case <-time.After(pollWait):
		}
	}
}

// Endpoint is the server's URL.
func (s *Server) Endpoint() string { return "http://" + s.address }

// Credentials are its owner's, who may do all that a lock does not forbid.
func (s *Server) Credentials() *credentials.Credentials {
	return credentials.NewStaticV4(user, s.password, "")
}

// CredentialsFile writes them as AWS's programs read them.
func (s *Server) CredentialsFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials")
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", user, s.password)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Client speaks to the server as anybody can.
func (s *Server) Client(t testing.TB) *minio.Client {
	t.Helper()
	c, err := minio.New(s.address, &minio.Options{Creds: s.Credentials(), Region: region})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Bucket makes a bucket, with object lock or without.
func (s *Server) Bucket(t testing.TB, lock bool) string {
	t.Helper()
	s.buckets++
	name := fmt.Sprintf("bucket-%d", s.buckets)
	if err := s.Client(t).MakeBucket(t.Context(), name, minio.MakeBucketOptions{Region: region, ObjectLocking: lock}); err != nil {
		t.Fatal(err)
	}
	return name
}

// Files is the folder of a bucket's objects, by their keys.
func (s *Server) Files(bucket string) string {
	return filepath.Join(s.dir, "objects", filepath.FromSlash(strings.Trim(bucket, "/")))
}
