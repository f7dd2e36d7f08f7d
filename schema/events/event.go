// Package events is the contract with job boards: what Ashbridge publishes on NATS JetStream. It imports the standard
// library alone, so that a board can depend on it without depending on anything else of Ashbridge.
//
// Every message is a CloudEvents 1.0 event in structured JSON mode. On Stream, versions rise by one per job without a
// gap; no event id occurs twice; the last message on a job's subject carries the job's whole present state. What is
// promised of RecordsStream stands there.
package events

import (
	"encoding/json"
	"time"
)

// Version is the version of this contract. Its first number is in every subject and changes with what breaks readers; the
// second one rises with what is added. See EVOLUTION.md.
const Version = "1.0"

// Stream is the JetStream stream that carries every event of jobs and connections.
const Stream = "JOBS"

// SpecVersion is the CloudEvents version of every event.
const SpecVersion = "1.0"

// Headers of every message. They repeat facts of the body for readers that do not want to parse it.
const (
	// HeaderVersion carries the event's version in decimal.
	HeaderVersion = "Ashbridge-Version"
	// HeaderType carries the event's type.
	HeaderType = "Ashbridge-Type"
)

// Type names what happened. New types may come; readers pass over those that they do not know.
type Type string

// The types of Stream.
const (
	JobPublished        Type = "job.published"
	JobUpdated          Type = "job.updated"
	JobClosed           Type = "job.closed"
	ConnectionSynced    Type = "connection.synced"
	ConnectionDegraded  Type = "connection.degraded"
	ConnectionRecovered Type = "connection.recovered"
	ConnectionRemoved   Type = "connection.removed"
)

// Origin names how a change was found. New values may come.
type Origin string

// The origins of this contract.
const (
	OriginSeed    Origin = "seed"    // the first synchronisation of a connection
	OriginWebhook Origin = "webhook" // a webhook from Ashby led to the read that found it
	OriginPoll    Origin = "poll"    // a scheduled or requested poll found it
	OriginRepair  Origin = "repair"  // a check of our own copy found it
)

// Reason says why a job closed. New values may come; the job is closed all the same.
type Reason string

// The reasons of this contract.
const (
	ReasonUnpublished  Reason = "unpublished"  // the posting is a draft again
	ReasonUnlisted     Reason = "unlisted"     // published, but no longer listed
	ReasonDeleted      Reason = "deleted"      // the posting is gone
	ReasonInternal     Reason = "internal"     // only on an internal board now
	ReasonConfidential Reason = "confidential" // its Ashby job became confidential
	ReasonDraft        Reason = "draft"        // its Ashby job is a draft again
	ReasonDisconnected Reason = "disconnected" // the employer disconnected and chose to close
)

// Proof names what a job's state rests on. New values may come.
type Proof string

// The proofs of this contract.
const (
	// ProofInfo is Ashby's answer on this very posting: https://developers.ashbyhq.com/reference/jobpostinginfo
	ProofInfo Proof = "jobPosting.info"
	// ProofList is Ashby's complete listing, which lacks a posting that its read did not find either:
	// https://developers.ashbyhq.com/reference/jobpostinglist
	ProofList Proof = "jobPosting.list"
	// ProofMirror is our copy: the posting itself was not asked for again, as only its Ashby job, one of its locations, the
	// employer's name or our way of translating changed.
	ProofMirror Proof = "mirror"
	// ProofOperator is a person's act, such as disconnecting the employer.
	ProofOperator Proof = "operator"
)

// Event is the CloudEvents envelope.
type Event struct {
	// SpecVersion is "1.0", the version of CloudEvents:
	// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
	SpecVersion string `json:"specversion"`
	// ID is a UUID v7, unique for ever; of a record event "<connection>.<kind>.<id>.<version>".
	ID string `json:"id"`
	// Source is "/connections/<connection id>".
	Source string `json:"source"`
	// Type is what happened.
	Type Type `json:"type"`
	// Subject is the posting's id, the connection's for connection events, "<kind>/<id>" for record events.
	Subject string `json:"subject"`
	// Time is when the event was published, in UTC; another one where a repair published it again.
	Time time.Time `json:"time"`
	// DataContentType is "application/json".
	DataContentType string `json:"datacontenttype"`
	// Data is a JobData, a ConnectionData or a RecordData.
	Data json.RawMessage `json:"data"`
}

// JobData is the data of job events. All times are UTC.
type JobData struct {
	// Version begins at 1 and rises by one with each event of the job.
	Version int64 `json:"version"`
	// Origin says how the change was found.
	Origin Origin `json:"origin"`
	// Changed lists the top-level fields of Job that differ from the previous version; empty for job.published.
	Changed []string `json:"changed"`
	// Reason is set on job.closed alone.
	Reason *Reason `json:"reason"`
	// ChangedAt is when the job changed at Ashby, as far as Ashby tells by the updatedAt of a posting or job; else when the
	// change was observed.
	ChangedAt time.Time `json:"changed_at"`
	// ObservedAt is when the read began that found the change.
	ObservedAt time.Time `json:"observed_at"`
	// VerifiedAt is as of when the posting's own state is proven: when the last question to Ashby was sent whose answer on
	// the posting is known to be this state, or when a person acted. Where VerifiedBy is ProofMirror, ObservedAt is when the
	// change elsewhere was looked for, mostly later. The zero time in events that were made before version 1.0 of this contract.
	VerifiedAt time.Time `json:"verified_at"`
	// VerifiedBy says what proved it; empty where VerifiedAt is zero.
	VerifiedBy Proof `json:"verified_by"`
	// Job is the whole public job; on job.closed its last public state.
	Job Job `json:"job"`
}

// ConnectionData is the data of connection events.
type ConnectionData struct {
	// Version begins at 1 and rises by one with each event of the connection.
	Version int64 `json:"version"`
	// EmployerRef is the board's own name of the employer, given at registration.
	EmployerRef string `json:"employer_ref"`
	// Status is the state after the event: active, degraded, unauthorized, paused or removed; new values may come.
	Status string `json:"status"`
	// Reason says in a sentence why; empty where there is nothing to say.
	Reason string `json:"reason"`
	// Counts is set on connection.synced.
	Counts *Counts `json:"counts,omitempty"`
	// Jobs is set on connection.removed: "keep" or "close".
	Jobs string `json:"jobs,omitempty"`
}

// Counts are the sizes of a connection's jobs.
type Counts struct {
	// AtAshby counts the postings in Ashby's last complete listing.
	AtAshby int `json:"at_ashby"`
	// Mirrored counts the postings in our copy.
	Mirrored int `json:"mirrored"`
	// Public counts the open public jobs.
	Public int `json:"public"`
	// Held counts the jobs whose closing waits for proof.
	Held int `json:"held"`
}

// JobSubject is the NATS subject of a job's events.
func JobSubject(connection, posting string) string { return "jobs.v1." + connection + "." + posting }

// ConnectionSubject is the NATS subject of a connection's own events.
func ConnectionSubject(connection string) string { return "connections.v1." + connection }

// Subjects are the subjects that the stream JOBS captures.
func Subjects() []string { return []string{"jobs.v1.*.*", "connections.v1.*"} }
