package mirror

import (
	"fmt"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

// Public says whether a posting is public, and if not, why: it is public only if it is published, listed, on an
// external board, and its Ashby job is neither confidential nor a draft.
//
// One condition that is plainly not met is enough to say no. An answer that meets none of these plainly, but leaves one
// of them open, is ErrImplausible: it must neither publish a job nor close one.
func Public(p ashby.Posting, job *ashby.Job) (bool, events.Reason, error) {
	switch p.Status {
	case "Published", "": // answers from before July 2026 had no status and held published postings alone
	case "Draft":
		return false, events.ReasonUnpublished, nil
	default:
		return false, "", implausible(p, "unknown status %q", p.Status)
	}
	switch {
	case p.IsListed == nil:
		return false, "", implausible(p, "isListed is missing")
	case !*p.IsListed:
		return false, events.ReasonUnlisted, nil
	case !p.HasExternalLink:
		return false, "", implausible(p, "externalLink is missing")
	case p.ExternalLink == "":
		return false, events.ReasonInternal, nil
	case job == nil:
		return false, "", implausible(p, "its job is unknown")
	case p.JobID != "" && job.ID != p.JobID:
		return false, "", implausible(p, "it belongs to job %s, not %s", p.JobID, job.ID)
	case job.Confidential:
		return false, events.ReasonConfidential, nil
	case job.Status == "":
		return false, "", implausible(p, "the status of its job is missing")
	case job.Status == "Draft":
		return false, events.ReasonDraft, nil
	}
	return true, "", nil
}

func implausible(p ashby.Posting, format string, args ...any) error {
	return fmt.Errorf("posting %s: %s: %w", p.ID, fmt.Sprintf(format, args...), ErrImplausible)
}
