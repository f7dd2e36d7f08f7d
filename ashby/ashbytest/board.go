package ashbytest

import "slices"

// board is a job board beside the two primary ones.
type board struct {
	id, title string
	internal  bool
}

// AddBoard makes another job board; its postings are listed only where it is named.
func (o *Organization) AddBoard(title string, internal bool) (id string) {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	b := board{id: o.sid("board", 2+len(o.boards)), title: title, internal: internal}
	o.boards = append(o.boards, b)
	return b.id
}

// PublishOn moves a posting to a board, whether it is published or not; false when one of them is not there.
func (o *Organization) PublishOn(postingID, boardID string) bool {
	return o.editPosting(postingID, func(e *edit, p *posting) bool {
		b, ok := o.boardNamed(boardID)
		if !ok {
			return false
		}
		p.internal, p.board = b.internal, b.id
		if b.id == o.board || b.id == o.intranet {
			p.board = ""
		}
		e.touch(p)
		return true
	})
}

// allBoards gives the primary boards and the others.
func (o *Organization) allBoards() []board {
	return append([]board{{o.board, o.name, false}, {o.intranet, o.name + " (internal)", true}}, o.boards...)
}

func (o *Organization) boardNamed(id string) (board, bool) {
	all := o.allBoards()
	if i := slices.IndexFunc(all, func(b board) bool { return b.id == id }); i >= 0 {
		return all[i], true
	}
	return board{}, false
}

// boardOf is the id of the board that a posting stands on.
func (o *Organization) boardOf(p *posting) string {
	switch {
	case p.board != "":
		return p.board
	case p.internal:
		return o.intranet
	default:
		return o.board
	}
}

// boardList has the field moreDataAvailable without taking paging parameters, as the May document shows it.
//
// https://developers.ashbyhq.com/reference/jobboardlist
func (o *Organization) boardList(*call) (result, *failure) {
	rows := []any{}
	for _, b := range o.allBoards() {
		rows = append(rows, map[string]any{"id": b.id, "title": b.title, "isInternal": b.internal})
	}
	return result{rows: rows, paged: true}, nil
}
