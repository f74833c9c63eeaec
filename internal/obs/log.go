// SPDX-License-Identifier: Apache-2.0

package obs

import (
	"io"
	"log/slog"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// NewLogger returns a logger of JSON lines at or above level. Times are UTC with milliseconds. Writes to w are serialised.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: shortTime}))
}

// logTime has a fixed width, so that lines align and sort.
const logTime = "2006-01-02T15:04:05.000Z07:00"

func shortTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		a.Value = slog.StringValue(a.Value.Time().UTC().Format(logTime))
	}
	return a
}

// ParseLevel reads "debug", "info", "warn" or "error".
func ParseLevel(s string) (slog.Level, error) {
	switch s {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fault.New(fault.Invalid, "log level %q: write debug, info, warn or error", s)
}

// Err is the attribute of an error: its text, and its kind in the group beside it.
func Err(err error) slog.Attr {
	if err == nil {
		return slog.Attr{}
	}
	return slog.GroupAttrs("", slog.String(KeyErr, err.Error()), slog.String(KeyKind, fault.KindOf(err).String()))
}

// Seconds is the attribute of a duration.
func Seconds(d time.Duration) slog.Attr { return slog.Float64(KeySeconds, d.Seconds()) }
