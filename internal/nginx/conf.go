// SPDX-License-Identifier: Apache-2.0

package nginx

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// RequestIDHeader carries nginx's id of a request to the upstreams. A client's header of this name does not reach them.
const RequestIDHeader = "X-Aurigraph-Request-Id"

// Bounds of settings.
const (
	UpstreamsMax   = 64
	bodyBytesMax   = 8 << 20 // of a request; the dialect's own bound is lower, and answers as V10 does
	keepaliveIdle  = 256     // connections to upstreams that are kept
	defaultTries   = 3
	defaultWorkers = 1
)

// Config says what to run.
type Config struct {
	Dir       string   // folder of settings, logs and temporary files; made if it is missing
	Upstreams []string // host:port of servers that mean the same
	Workers   int      // processes; default 1
	// Tries is how many upstreams a request is given to at most. Default 3.
	Tries int
	// TriesMax is how long a request may take until no further upstream is tried. Default 10 s.
	TriesMax time.Duration
}

func (c *Config) setDefaults() {
	if c.Workers == 0 {
		c.Workers = defaultWorkers
	}
	if c.Tries == 0 {
		c.Tries = defaultTries
	}
	if c.TriesMax == 0 {
		c.TriesMax = 10 * time.Second
	}
}

func (c *Config) validate() error {
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, "nginx: "+format, args...) }
	switch {
	case c.Dir == "":
		return bad("a folder is needed")
	case len(c.Upstreams) == 0 || len(c.Upstreams) > UpstreamsMax:
		return bad("%d upstreams, must be 1 to %d", len(c.Upstreams), UpstreamsMax)
	case c.Workers < 1 || c.Tries < 1 || c.TriesMax < time.Second:
		return bad("%d workers, %d tries within %s: one of each at least, and a second", c.Workers, c.Tries, c.TriesMax)
	}
	for _, a := range c.Upstreams {
		host, port, err := net.SplitHostPort(a)
		if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 1 || n > 65_535 || host == "" || strings.ContainsAny(a, " ;{}\"'\\$\n\t#") {
			return fault.New(fault.Invalid, "nginx: upstream %q is not host:port", a)
		}
	}
	return nil
}

// settings is what the template sees.
type settings struct {
	Config
	User      string // of the workers; empty: nginx does not run as root
	Port      int
	Header    string
	BodyBytes int
	Idle      int
	Seconds   int // of TriesMax
}

// confText is nginx.conf. Paths are relative to the folder, which nginx is given with -p.
var confText = template.Must(template.New("nginx.conf").Parse(`# Written by the program that started this nginx. A proxy in front of servers of the V10 dialect that mean the same.
{{- if .User}}
# The workers write temporary files into this folder, which is that of who started them.
user {{.User}};
{{- end}}
worker_processes {{.Workers}};
pid nginx.pid;
# Longer than the longest request: what is under way ends before an old worker does.
worker_shutdown_timeout 65s;
events { worker_connections 16384; }
worker_rlimit_nofile 20000;

http {
  access_log off;
  server_tokens off;
  tcp_nodelay on;
  # Clients keep their connections. A client that writes just as an idle one is closed has lost its request.
  keepalive_timeout 75s;
  keepalive_requests 1000000;
  # A body beyond the buffer goes through a file, which costs tens of milliseconds.
  client_max_body_size {{.BodyBytes}};
  client_body_buffer_size {{.BodyBytes}};
  client_body_temp_path tmp/body;
  proxy_temp_path tmp/proxy;
  fastcgi_temp_path tmp/fastcgi;
  uwsgi_temp_path tmp/uwsgi;
  scgi_temp_path tmp/scgi;

  # A WebSocket's connection is upgraded; any other is kept and used again.
  map $http_upgrade $upstream_connection { default upgrade; '' ''; }

  upstream servers {
{{- range .Upstreams}}
    # max_fails=0: by default one refused connection takes a server out for ten seconds, and while two restart in turn none is left.
    server {{.}} max_fails=0;
{{- end}}
    keepalive {{.Idle}};
    # Shorter than the servers' own (75 s): the side that closes an idle connection is the one that does not write on it.
    keepalive_timeout 30s;
  }

  server {
    listen 127.0.0.1:{{.Port}};
    location / {
      proxy_pass http://servers;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $upstream_connection;
      # One id for all tries of a request, whatever the client sends: a payment without an idempotency key of its own is made once.
      proxy_set_header {{.Header}} $request_id;
      # Also a POST: the servers answer 503 only before they begin, and a request whose answer was cut off is known by its id.
      proxy_next_upstream error timeout http_503 non_idempotent;
      proxy_next_upstream_tries {{.Tries}};
      proxy_next_upstream_timeout {{.Seconds}}s;
      proxy_connect_timeout 1s;
      # The dialect's longest deadline is 60 s.
      proxy_read_timeout 65s;
      proxy_buffers 16 16k;
      proxy_buffer_size 16k;
    }
  }
}
`))

// conf is nginx.conf for a port. c is valid.
func conf(c Config, user string, port int) ([]byte, error) {
	var out bytes.Buffer
	err := confText.Execute(&out, settings{
		Config: c, User: user, Port: port, Header: RequestIDHeader, BodyBytes: bodyBytesMax, Idle: keepaliveIdle, Seconds: int(c.TriesMax.Seconds()),
	})
	return out.Bytes(), fault.Wrap(fault.Internal, err, "write nginx's settings")
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
