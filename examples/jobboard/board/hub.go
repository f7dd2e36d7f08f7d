package board

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

const (
	// keptChanges is how many changes are kept at most, and half of it at least: a page that missed more has to fetch
	// everything anew.
	keptChanges = 512
	// clientBuffer is how many changes wait for a slow page before it is sent away. It comes back and says where it was.
	clientBuffer = 64
)

// errFull says that as many pages are watched as the board allows, or that it is stopping.
var errFull = errors.New("no room for another live page")

// change is what a page is told. What the job looks like now, it fetches.
type change struct {
	Key     string `json:"key"`
	Version int64  `json:"version"`
	Open    bool   `json:"open"`
	// Title and Employer are for saying it aloud.
	Title    string `json:"title"`
	Employer string `json:"employer"`
	// id is the change's place among all of this process.
	id uint64
}

// hub tells every watched page of every change. It never waits for one of them.
type hub struct {
	max int
	// epoch tells the places of this process from those of one before it.
	epoch string

	mu      sync.Mutex
	last    uint64
	recent  []change
	clients map[*client]struct{}
	closed  bool
}

// client is one watched page. Its channel is closed when it was too slow, or when the board stops.
type client struct{ changes chan change }

func newHub(maxClients int) *hub {
	return &hub{max: maxClients, epoch: strings.ToLower(rand.Text()[:8]), clients: map[*client]struct{}{}}
}

// publish tells all pages.
func (h *hub) publish(c change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	c.id = h.last
	if len(h.recent) == keptChanges {
		h.recent = append(h.recent[:0], h.recent[keptChanges/2:]...)
	}
	h.recent = append(h.recent, c)
	for cl := range h.clients {
		select {
		case cl.changes <- c:
		default:
			h.remove(cl)
		}
	}
}

// position is the place of the last change, to be taken before what is shown is read: then nothing is missed.
func (h *hub) position() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.place(h.last)
}

func (h *hub) place(id uint64) string { return h.epoch + "-" + strconv.FormatUint(id, 10) }

// join adds a page that knows everything up to a position. It returns what came after that, or isLost where that can
// no longer be told, and the page has to fetch everything; at is the position it is then at.
func (h *hub) join(after string) (cl *client, missed []change, isLost bool, at string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.clients) >= h.max {
		return nil, nil, false, "", errFull
	}
	cl = &client{changes: make(chan change, clientBuffer)}
	h.clients[cl] = struct{}{}
	missed, err = h.since(after)
	return cl, missed, err != nil, h.place(h.last), nil
}

// since are the changes after a position; an error where they are no longer all known.
func (h *hub) since(position string) ([]change, error) {
	epoch, number, _ := strings.Cut(position, "-")
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil || epoch != h.epoch || id > h.last {
		return nil, fmt.Errorf("%q is no position of this process", position)
	}
	n := h.last - id
	if n > uint64(len(h.recent)) {
		return nil, fmt.Errorf("%d changes are more than are kept", n)
	}
	return append([]change(nil), h.recent[uint64(len(h.recent))-n:]...), nil
}

// leave forgets a page.
func (h *hub) leave(cl *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(cl)
}

func (h *hub) remove(cl *client) {
	if _, ok := h.clients[cl]; ok {
		delete(h.clients, cl)
		close(cl.changes)
	}
}

// close sends all pages away and lets none in.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for cl := range h.clients {
		h.remove(cl)
	}
}
