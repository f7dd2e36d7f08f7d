// Package feed writes public jobs down as one document that a board fetches: JSON, the XML that job boards have in
// common, or RSS 2.0.
//
// It guarantees that what it writes is well-formed whatever a job holds: characters that XML cannot carry are left out,
// and no text ends a section that it stands in. A document is complete only once Close has returned nil; before that its
// end is missing, so that a reader notices. It writes as it is told and keeps no job in memory. The same jobs in the same
// order under the same Channel make the same bytes for as long as Revision is the same.
package feed

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Revision rises with every change of what this package writes, since a reader's copy of unchanged jobs is outdated then.
const Revision = 2

// Format is a way to write jobs down.
type Format string

// The formats that there are.
const (
	JSON Format = "json"
	XML  Format = "xml"
	RSS  Format = "rss"
)

// MediaType is the Content-Type of a format's documents.
func (f Format) MediaType() string {
	switch f {
	case XML:
		return "application/xml; charset=utf-8"
	case RSS:
		return "application/rss+xml; charset=utf-8"
	default:
		return "application/json"
	}
}

// Dated says that a format's documents tell Channel.Changed.
func (f Format) Dated() bool { return f != JSON }

// Channel is what a document says of itself.
type Channel struct {
	// Name is the feed's name, for people.
	Name string
	// Link is the publisher's address, Self the document's own.
	Link, Self string
	// Changed is when the jobs last changed.
	Changed time.Time
}

// Job is a public job on its way into a document.
type Job struct {
	// Doc is the public job as events carry it.
	Doc       json.RawMessage
	Version   int64
	ChangedAt time.Time
}

// document is how one format is written.
type document interface {
	begin(c Channel) error
	job(j Job) error
	end() error
}

// Writer writes one document.
type Writer struct{ doc document }

// NewWriter begins a document. It writes in small pieces, so w should be buffered.
func NewWriter(w io.Writer, f Format, c Channel) (*Writer, error) {
	var doc document
	switch f {
	case JSON:
		doc = &jsonDocument{w: w}
	case XML:
		doc = newXMLDocument(w)
	case RSS:
		doc = newRSSDocument(w)
	default:
		return nil, fmt.Errorf("no format %q", f)
	}
	if err := doc.begin(c); err != nil {
		return nil, fmt.Errorf("beginning a feed: %w", err)
	}
	return &Writer{doc: doc}, nil
}

// Add writes a job.
func (w *Writer) Add(j Job) error {
	if err := w.doc.job(j); err != nil {
		return fmt.Errorf("writing a job: %w", err)
	}
	return nil
}

// Close writes the document's end. It does not close what is written to.
func (w *Writer) Close() error {
	if err := w.doc.end(); err != nil {
		return fmt.Errorf("ending a feed: %w", err)
	}
	return nil
}
