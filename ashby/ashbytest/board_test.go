package ashbytest

import (
	"fmt"
	"testing"
)

func TestFurtherBoards(t *testing.T) {
	t.Parallel()
	b := setup(t, 4, Options{})
	campus := b.org.AddBoard("Campus", false)
	if rows := b.good("jobBoard.list", "{}").rows(t); len(rows) != 3 || rows[2]["id"] != campus || rows[2]["isInternal"] != false {
		t.Errorf("boards %v", rows)
	}
	id := b.org.Postings()[1].ID
	if !b.org.PublishOn(id, campus) || b.org.PublishOn(id, "nowhere") {
		t.Fatal("moving to a board errs")
	}
	on := func(board string) int {
		return len(b.good("jobPosting.list", board).rows(t))
	}
	if primary, other := on("{}"), on(fmt.Sprintf(`{"jobBoardId":%q}`, campus)); primary != 3 || other != 1 {
		t.Errorf("%d postings on the primary board, %d on the other", primary, other)
	}
	if p, _ := b.org.Posting(id); !p.Public() || p.Board != campus {
		t.Errorf("state %+v", p)
	}
	c := b.load(b.save())
	if rows := c.good("jobPosting.list", fmt.Sprintf(`{"jobBoardId":%q}`, campus)).rows(t); len(rows) != 1 {
		t.Errorf("%d postings on the board after a load", len(rows))
	}
	b.org.PublishOn(id, b.org.ExternalBoard())
	if primary := on(fmt.Sprintf(`{"jobBoardId":%q}`, b.org.ExternalBoard())); primary != 4 {
		t.Errorf("%d postings on the primary board", primary)
	}
	b.org.PublishOn(id, b.org.InternalBoard())
	if p, _ := b.org.Posting(id); p.Public() || on("{}") != 3 {
		t.Errorf("an internal posting is public: %+v", p)
	}
}
