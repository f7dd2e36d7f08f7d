// Package telemetry is how a process shows itself: structured logs, a metrics registry of its own, and the admin
// listener with health checks and metrics. Nothing in it knows of employers, keys or jobs.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
)

// The log formats.
const (
	FormatText = "text"
	FormatJSON = "json"
)

// NewLogger writes records of the level and above to w, in FormatText or FormatJSON.
func NewLogger(level slog.Level, format string, w io.Writer) (*slog.Logger, error) {
	opts := &slog.HandlerOptions{Level: level}
	switch format {
	case FormatText:
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case FormatJSON:
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	default:
		return nil, fmt.Errorf("log format %q is neither %s nor %s", format, FormatText, FormatJSON)
	}
}
