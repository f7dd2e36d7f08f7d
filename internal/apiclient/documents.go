package apiclient

import "time"

// Connection is an employer's connection as the API shows it, as far as a person reads it. schema/openapi.yaml says what
// each field means.
type Connection struct {
	ID           string        `json:"id"`
	EmployerRef  string        `json:"employer_ref"`
	EmployerName string        `json:"employer_name"`
	Status       string        `json:"status"`
	StatusReason string        `json:"status_reason"`
	StatusSince  time.Time     `json:"status_since"`
	Action       string        `json:"action"`
	Modules      []string      `json:"modules"`
	ModuleStates []ModuleState `json:"module_states"`
	PollInterval string        `json:"poll_interval"`
	KeyLast4     string        `json:"key_last4"`
	Report       Report        `json:"report"`
	CreatedAt    time.Time     `json:"created_at"`
	Sync         Sync          `json:"sync"`
	Counts       Counts        `json:"counts"`
	Quarantined  int           `json:"quarantined"`
	// WebhookSetup is nil once the connection is removed.
	WebhookSetup *WebhookSetup `json:"webhook_setup"`
}

// ModuleState is how a module stands.
type ModuleState struct {
	Module     string     `json:"module"`
	State      string     `json:"state"`
	Reason     string     `json:"reason"`
	CompleteAt *time.Time `json:"complete_at"`
}

// Report is what a key may do, and what to do about it.
type Report struct {
	OK          bool         `json:"ok"`
	KeyTitle    string       `json:"key_title"`
	Permissions []Permission `json:"permissions"`
	Advice      []string     `json:"advice"`
}

// Permission is one line of a report.
type Permission struct {
	Module   string `json:"module"`
	Access   string `json:"access"`
	State    string `json:"state"`
	Required bool   `json:"required"`
	Why      string `json:"why"`
	Fix      string `json:"fix"`
}

// Sync tells how far the copy is.
type Sync struct {
	NextPollAt     *time.Time `json:"next_poll_at"`
	PollStartedAt  *time.Time `json:"poll_started_at"`
	PollFinishedAt *time.Time `json:"poll_finished_at"`
	FirstSyncedAt  *time.Time `json:"first_synced_at"`
	LastVerifiedAt *time.Time `json:"last_verified_at"`
	// Done and Total count the postings of the running pass; Total is 0 while it is not known.
	Done  int `json:"done"`
	Total int `json:"total"`
	// Estimate is when it should be done; nil while nothing can be told.
	Estimate  *time.Time `json:"estimate"`
	LastError string     `json:"last_error"`
}

// Counts are the sizes of a connection's jobs.
type Counts struct {
	AtAshby  int `json:"at_ashby"`
	Mirrored int `json:"mirrored"`
	Public   int `json:"public"`
	Held     int `json:"held"`
}

// WebhookSetup is what is entered in Ashby, and how far that is done.
type WebhookSetup struct {
	// Secret is in the answer to the request that made it alone.
	Secret string            `json:"secret"`
	URLs   map[string]string `json:"urls"`
	Types  []WebhookType     `json:"types"`
	Steps  []string          `json:"steps"`
}

// WebhookType is how the setting of one event type stands.
type WebhookType struct {
	EventType  string     `json:"event_type"`
	URL        string     `json:"url"`
	State      string     `json:"state"`
	LastSeenAt *time.Time `json:"last_seen_at"`
	PingedAt   *time.Time `json:"pinged_at"`
	ByWebhook  int64      `json:"by_webhook"`
	ByPoll     int64      `json:"by_poll"`
	// Coverage is the share of changes that it told first; nil while there was none.
	Coverage *float64 `json:"coverage"`
	WhatToDo string   `json:"what_to_do"`
}

// SettledWebhook is what became of a setting that was to be made at Ashby.
type SettledWebhook struct {
	EventType string `json:"event_type"`
	Action    string `json:"action"`
	Problem   string `json:"problem"`
}

// Hold is a closing of jobs that waits.
type Hold struct {
	ID           string `json:"id"`
	Connection   string `json:"connection"`
	EmployerRef  string `json:"employer_ref"`
	EmployerName string `json:"employer_name"`
	State        string `json:"state"`
	Reason       string `json:"reason"`
	PublicCount  int    `json:"public_count"`
	Postings     []struct {
		ID    string  `json:"id"`
		Title *string `json:"title"`
	} `json:"postings"`
	WaitingSince time.Time `json:"waiting_since"`
	Outcome      string    `json:"outcome"`
	Next         string    `json:"next"`
	// DecisionsMade are all decisions, the first one first.
	DecisionsMade []struct {
		Decision  string    `json:"decision"`
		Note      string    `json:"note"`
		DecidedBy string    `json:"decided_by"`
		DecidedAt time.Time `json:"decided_at"`
	} `json:"decisions_made"`
}

// Token is an API token.
type Token struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Role string `json:"role"`
	// Token is in the answer to the request that made it alone, Hint its first characters.
	Token      string     `json:"token"`
	Hint       string     `json:"hint"`
	CreatedAt  time.Time  `json:"created_at"`
	CreatedBy  string     `json:"created_by"`
	LastUsedAt *time.Time `json:"last_used_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
}

// AuditEntry is one act in the audit log.
type AuditEntry struct {
	At    time.Time `json:"at"`
	Actor struct {
		Kind string `json:"kind"`
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"actor"`
	Role       string `json:"role"`
	Action     string `json:"action"`
	Target     string `json:"target"`
	Connection string `json:"connection"`
	Outcome    string `json:"outcome"`
	Status     *int   `json:"status"`
}

// Subscriber is a job board that reads at NATS.
type Subscriber struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Status    string   `json:"status"`
	Note      string   `json:"note"`
	Employers []string `json:"employers"`
	URL       string   `json:"url"`
	User      string   `json:"user"`
	// Password is in the answer to the request that made it alone.
	Password string `json:"password"`
	Consumer string `json:"consumer"`
	Replay   int    `json:"replay"`
	Lag      *Lag   `json:"lag"`
	LagNote  string `json:"lag_note"`
}

// Lag is how far a board is behind.
type Lag struct {
	Pending        int        `json:"pending"`
	Unacknowledged int        `json:"unacknowledged"`
	Asking         bool       `json:"asking"`
	OldestAt       *time.Time `json:"oldest_unacknowledged_at"`
}

// Endpoint is an address to which webhooks are sent.
type Endpoint struct {
	ID              string     `json:"id"`
	URL             string     `json:"url"`
	Description     string     `json:"description"`
	Employers       []string   `json:"employers"`
	Status          string     `json:"status"`
	StatusReason    string     `json:"status_reason"`
	Waiting         int        `json:"waiting"`
	OldestWaitingAt *time.Time `json:"oldest_waiting_at"`
	Failed          int        `json:"failed"`
	Health          struct {
		LastSuccessAt *time.Time `json:"last_success_at"`
	} `json:"health"`
}
