package syncer

import (
	"context"
	"fmt"
	"slices"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// mostChildPages bounds the pages of one parent's children.
const mostChildPages = 200

// childList is everything that Ashby shows of a parent's children.
type childList struct {
	rows []ashby.Record
	bad  []ashby.BadRow
}

// blind says that a row did not show its id, so that it may be any of them.
func (c childList) blind() bool {
	return slices.ContainsFunc(c.bad, func(b ashby.BadRow) bool { return b.ID == "" })
}

// lacks are the stored children that are not shown, in order.
func (c childList) lacks(stored map[string]mirror.Head) []string {
	shown := make(map[string]bool, len(c.rows)+len(c.bad))
	for _, r := range c.rows {
		shown[r.ID] = true
	}
	for _, b := range c.bad {
		shown[b.ID] = true
	}
	var absent []string
	for id := range stored {
		if !shown[id] {
			absent = append(absent, id)
		}
	}
	slices.Sort(absent)
	return absent
}

// listChildren reads all pages of a parent's children; each after the first counts in the budget, and is read even so.
func (s *slice) listChildren(ctx context.Context, res ashby.Resource, parent string) (childList, error) {
	var list childList
	cursor, seen := "", map[string]bool{}
	for range mostChildPages {
		page, err := s.client.Page(ctx, res.Kind, ashby.PageRequest{Parent: parent, Cursor: cursor})
		if err != nil && !isFewBad(page, err, len(list.rows)) {
			return childList{}, err
		}
		list.rows, list.bad = append(list.rows, page.Records...), append(list.bad, page.Bad...)
		s.tally.read(len(page.Records))
		if page.Next == "" {
			return list, nil
		}
		if seen[page.Next] {
			return childList{}, errCursorLoop
		}
		seen[page.Next] = true
		cursor = page.Next
		_ = s.budget.take()
	}
	return childList{}, fmt.Errorf("%w: more than %d pages", errCursorLoop, mostChildPages)
}
