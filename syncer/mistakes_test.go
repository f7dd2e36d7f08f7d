package syncer

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

// Clients that make mistakes, or are slow.

// slowPages holds pages back at a gate.
type slowPages struct {
	AshbyClient
	gate *gate
}

func (s slowPages) Page(ctx context.Context, kind ashby.Kind, req ashby.PageRequest) (ashby.Page, error) {
	page, err := s.AshbyClient.Page(ctx, kind, req)
	if kind != s.gate.kind {
		return page, err
	}
	s.gate.mu.Lock()
	held, arrived := s.gate.held, s.gate.arrived
	s.gate.arrived = nil
	s.gate.mu.Unlock()
	if held == nil || arrived == nil {
		return page, err
	}
	close(arrived)
	select {
	case <-held:
	case <-ctx.Done(): // as a paused process, it goes on all the same
	}
	return page, err
}

// emptyForbidden takes a refusal for an answer that there is nothing.
type emptyForbidden struct{ AshbyClient }

func (c emptyForbidden) Postings(ctx context.Context, boards ...string) (ashby.PostingList, error) {
	list, err := c.AshbyClient.Postings(ctx, boards...)
	if errors.Is(err, ashby.ErrMissingPermission) {
		return ashby.PostingList{SentAt: time.Now()}, nil
	}
	return list, err
}

func (c emptyForbidden) Posting(ctx context.Context, id string) (ashby.PostingAnswer, error) {
	answer, err := c.AshbyClient.Posting(ctx, id)
	if errors.Is(err, ashby.ErrMissingPermission) {
		return answer, ashby.ErrNotFound
	}
	return answer, err
}

func (c emptyForbidden) Page(ctx context.Context, kind ashby.Kind, req ashby.PageRequest) (ashby.Page, error) {
	page, err := c.AshbyClient.Page(ctx, kind, req)
	if errors.Is(err, ashby.ErrMissingPermission) {
		return ashby.Page{SentAt: time.Now()}, nil
	}
	return page, err
}

// firstPage takes the first page for all of them.
type firstPage struct{ AshbyClient }

func (c firstPage) Page(ctx context.Context, kind ashby.Kind, req ashby.PageRequest) (ashby.Page, error) {
	page, err := c.AshbyClient.Page(ctx, kind, req)
	page.Next = ""
	return page, err
}

// storeEarly keeps the token of a pass with its first page, and nothing of where the pass stands.
func (w *world) storeEarly(u *mirror.Unit) {
	if w.tokenOfAll == nil || u.Pass == nil || u.Pass.Pass.ReadAll || u.Pass.Done {
		return
	}
	u.Token = &mirror.Token{
		Kind: u.Pass.Pass.Kind, ParamsHash: u.Pass.Pass.ParamsHash, Token: w.tokenOfAll(u.Pass.Pass.Kind),
	}
	u.Pass = nil
}

// tokenByHand reads a whole listing beside the syncer, and returns the token at its end.
func (l *lab) tokenByHand(kind string) string {
	c, err := ashby.NewClient(ashby.Options{
		BaseURL: labAPI, Key: ashby.Secret(l.key), HTTPClient: &http.Client{Transport: inside{h: l.beside()}},
		Pace: ashby.NewPace(1 << 30),
	})
	if err != nil {
		l.t.Fatal(err)
	}
	cursor := ""
	for {
		page, err := c.Page(l.t.Context(), ashby.Kind(kind), ashby.PageRequest{Cursor: cursor})
		if err != nil {
			l.t.Fatal(err)
		}
		if cursor = page.Next; cursor == "" {
			return page.SyncToken
		}
	}
}

// beside is the simulator without its faults: they are for the syncer.
func (l *lab) beside() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		faults := l.sim.ActiveFaults()
		l.sim.ClearFaults()
		l.sim.ServeHTTP(w, r)
		for _, f := range faults {
			l.sim.Inject(f)
		}
	})
}
