package syncer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// doubler answers each number with its double, in groups that it notes, once the gate lets it.
type doubler struct {
	gather[int, int]
	mu     sync.Mutex
	groups [][]int
	gate   chan error
}

func newDoubler(most int) *doubler {
	d := &doubler{gate: make(chan error)}
	d.most = most
	d.answer = func(ctx context.Context, group []int) ([]int, error) {
		d.mu.Lock()
		d.groups = append(d.groups, slices.Clone(group))
		d.mu.Unlock()
		select {
		case err := <-d.gate:
			if err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		out := make([]int, len(group))
		for i, n := range group {
			out[i] = 2 * n
		}
		return out, nil
	}
	return d
}

// ask calls for each number in turn, and returns what waits for the answers.
func (d *doubler) ask(ctx context.Context, t *testing.T, numbers ...int) func() map[int]error {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	errs := map[int]error{}
	for _, n := range numbers {
		wg.Go(func() {
			out, err := d.do(ctx, n)
			if err == nil && out != 2*n {
				t.Errorf("%d was answered with %d", n, out)
			}
			mu.Lock()
			defer mu.Unlock()
			errs[n] = err
		})
		synctest.Wait()
	}
	return func() map[int]error { wg.Wait(); return errs }
}

func TestGatherGroupsWhatComesMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoubler(3)
		answers := d.ask(t.Context(), t, 1, 2, 3, 4, 5)
		for range 3 {
			d.gate <- nil
			synctest.Wait()
		}
		for n, err := range answers() {
			if err != nil {
				t.Errorf("%d: %v", n, err)
			}
		}
		want := [][]int{{1}, {2, 3, 4}, {5}}
		if !slices.EqualFunc(d.groups, want, slices.Equal) {
			t.Errorf("groups %v, want %v", d.groups, want)
		}
		last := d.ask(t.Context(), t, 6)
		d.gate <- nil
		if err := last()[6]; err != nil || len(d.groups) != 4 {
			t.Errorf("a later call: %v, groups %v", err, d.groups)
		}
	})
}

func TestGatherFailsAsAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoubler(10)
		answers := d.ask(t.Context(), t, 1, 2, 3)
		failed := errors.New("failed")
		d.gate <- nil
		d.gate <- failed
		errs := answers()
		if errs[1] != nil || !errors.Is(errs[2], failed) || !errors.Is(errs[3], failed) {
			t.Errorf("errors %v", errs)
		}
	})
}

// TestGatherOutlivesItsCallers: one who waits, one who is to lead and one who leads give up; the others are answered.
func TestGatherOutlivesItsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoubler(10)
		first := d.ask(t.Context(), t, 1)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		impatient := d.ask(short, t, 2)
		patient := d.ask(t.Context(), t, 3, 4)
		d.gate <- nil // 1 is answered, and 2 leads the group with 3 and 4
		synctest.Wait()
		<-time.After(2 * time.Second) // 2 gives up in the middle of its group
		synctest.Wait()
		leaving, leave := context.WithCancel(t.Context())
		gone := d.ask(leaving, t, 5)
		leave()
		if err := gone()[5]; !errors.Is(err, context.Canceled) {
			t.Errorf("one that gave up while waiting: %v", err)
		}
		for done := false; !done; {
			select {
			case d.gate <- nil:
				synctest.Wait()
			default:
				done = true
			}
		}
		if err := first()[1]; err != nil {
			t.Error(err)
		}
		if err := impatient()[2]; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one that ran out of time: %v", err)
		}
		for n, err := range patient() {
			if err != nil {
				t.Errorf("%d fell with its leader: %v", n, err)
			}
		}
	})
}
