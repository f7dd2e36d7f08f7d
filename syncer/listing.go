package syncer

import (
	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// listing is one of Ashby's listings: a kind, in one of its variants.
type listing struct {
	res     ashby.Resource
	variant string
}

// listingsOf are the listings of a kind.
func listingsOf(res ashby.Resource) []listing {
	if len(res.Variants) == 0 {
		return []listing{{res: res}}
	}
	all := make([]listing, 0, len(res.Variants))
	for _, v := range res.Variants {
		all = append(all, listing{res: res, variant: v.Name})
	}
	return all
}

func (l listing) kind() string { return string(l.res.Kind) }

func (l listing) key(sweep bool) mirror.PassKey {
	return mirror.PassKey{Kind: l.kind(), Variant: l.variant, Sweep: sweep}
}

// polled are the kinds that a poll reads beside the postings, since public jobs are made with them, in its order. All
// others are read in slices, which never delay a poll.
var polled = []ashby.Kind{ashby.KindLocation, ashby.KindDepartment, ashby.KindBoard, ashby.KindJob}
