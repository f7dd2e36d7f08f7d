package syncer

import (
	"bytes"
	"crypto/sha256"
	"reflect"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// record is an answer as it is stored.
func record(r ashby.Record) mirror.Record {
	return mirror.Record{
		Kind: string(r.Kind), ID: r.ID, Parent: r.Parent, Doc: r.Raw, Hash: mirror.Hash(r.Raw), UpdatedAt: r.UpdatedAt,
		FetchedAt: r.SentAt,
	}
}

// differs says whether a record is new or another than what is stored.
func differs(r mirror.Record, stored map[string]mirror.Head) bool {
	head, known := stored[r.ID]
	return !known || head.Gone || !bytes.Equal(head.Hash, r.Hash)
}

// listHash is the hash by which a row of the listing is recognised.
func listHash(p ashby.Posting) []byte {
	sum := sha256.Sum256(ashby.ListShape(p))
	return sum[:]
}

// recognisedBy is the list hash to store with a posting read by info, so that the listing's next row, if unchanged, is
// recognised. Where row and read show the same update and still differ, the listing shows this posting in its own way
// for good, and its row is what to recognise. Where the update differs, the posting changed in between, and the row is
// history.
func recognisedBy(read ashby.Posting, row *ashby.Posting) []byte {
	if row != nil && row.UpdatedAt != nil && read.UpdatedAt != nil && row.UpdatedAt.Equal(*read.UpdatedAt) {
		return listHash(*row)
	}
	return listHash(read)
}

// laterThan is the update's time if it is newer than what was stored before, else zero.
func laterThan(updated *time.Time, stored *mirror.Record) time.Time {
	if updated == nil || stored != nil && stored.UpdatedAt != nil && !updated.After(*stored.UpdatedAt) {
		return time.Time{}
	}
	return *updated
}

// sameJob says whether two shapes of a job tell the same of what postings are made from: listings, expansions and info
// show a job differently without any change.
func sameJob(a, b ashby.Job) bool {
	a.JobPostingIDs, b.JobPostingIDs = nil, nil
	a.UpdatedAt, b.UpdatedAt = nil, nil
	return reflect.DeepEqual(a, b)
}
