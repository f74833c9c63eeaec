// SPDX-License-Identifier: Apache-2.0

package kafkaserver

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Version is the Kafka that scripts/kafka/pom.xml names.
const Version = "4.1.1"

// How long a broker may take to begin, recovery included.
const (
	startMax = 90 * time.Second
	pollWait = 100 * time.Millisecond
)

// Server is a Kafka that runs.
type Server struct {
	java, jars, dir, address string
	process                  *os.Process
	ended                    chan struct{}
	log                      lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Jars is the folder into which scripts/real fetches Kafka's jars: below XDG_CACHE_HOME.
func Jars() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "aurigraph", "kafka-"+Version, "libs"), err
}

// Start formats a folder and runs a broker in it until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	java, err := exec.LookPath("java")
	if err != nil {
		t.Skip("SKIPPED, NOTHING WAS TESTED: there is no java in PATH")
	}
	jars, err := Jars()
	if found, _ := filepath.Glob(filepath.Join(jars, "kafka_*"+Version+".jar")); err != nil || len(found) == 0 {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: Kafka's jars are not in %s: run scripts/real fetch", jars)
	}
	s := &Server{java: java, jars: jars, dir: t.TempDir(), address: freeAddress(t)}
	s.configure(t)
	s.start(t)
	t.Cleanup(s.Kill)
	return s
}

// freeAddress is a port that was free a moment ago: it must be written into a file before anyone listens.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *Server) configure(t testing.TB) {
	t.Helper()
	controller := freeAddress(t)
	settings := []string{
		"process.roles=broker,controller", "node.id=1", "controller.quorum.voters=1@" + controller,
		"listeners=PLAINTEXT://" + s.address + ",CONTROLLER://" + controller, "advertised.listeners=PLAINTEXT://" + s.address,
		"controller.listener.names=CONTROLLER", "log.dirs=" + filepath.Join(s.dir, "logs"), "auto.create.topics.enable=false",
		"offsets.topic.replication.factor=1", "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
		"group.initial.rebalance.delay.ms=0", "file.delete.delay.ms=1000",
		// A broker that was killed may come back when the controller has given up the old one, by default after 9 s.
		"broker.session.timeout.ms=2000", "broker.heartbeat.interval.ms=500",
	}
	if err := os.WriteFile(s.settings(), []byte(strings.Join(settings, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	const cluster = "AurigraphTestKafka0001"
	format := exec.CommandContext(t.Context(), s.java, "-XX:TieredStopAtLevel=1", "-cp", s.classes(), "kafka.tools.StorageTool", "format", "-t", cluster, "-c", s.settings())
	if out, err := format.CombinedOutput(); err != nil {
		t.Fatalf("format Kafka's folder: %v\n%s", err, out)
	}
}

func (s *Server) settings() string { return filepath.Join(s.dir, "server.properties") }

func (s *Server) classes() string { return filepath.Join(s.jars, "*") }

// Address is host:port.
func (s *Server) Address() string { return s.address }

// Restart kills the broker as a crash does, and starts it again.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Kill()
	s.start(t)
}

// Kill ends the broker as a crash does.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Kill() // it may have ended by itself
	<-s.ended
	s.process = nil
}

func (s *Server) start(t testing.TB) {
	t.Helper()
	cmd := exec.Command(s.java, "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", s.classes(), "kafka.Kafka", s.settings())
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began, ended := make(chan error), make(chan struct{})
	go func() { // the thread that started it is the parent whose death ends it
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := cmd.Start()
		began <- err
		if err == nil {
			_ = cmd.Wait() // it is killed, always
		}
	}()
	if err := <-began; err != nil {
		t.Fatal(err)
	}
	s.process, s.ended = cmd.Process, ended
	s.await(t)
}

// await returns when the broker answers.
func (s *Server) await(t testing.TB) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.address), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), startMax)
	defer cancel()
	for {
		asked, done := context.WithTimeout(ctx, time.Second)
		brokers, err := kadm.NewClient(client).ListBrokers(asked)
		done()
		if err == nil && len(brokers) == 1 {
			return
		}
		select {
		case <-s.ended:
			t.Fatalf("Kafka ended by itself:\n%s", s.log.String())
		case <-ctx.Done():
			t.Fatalf("Kafka does not answer after %s (%v):\n%s", startMax, err, s.log.String())
		case <-time.After(pollWait):
		}
	}
}
