package mirror_test

import (
	"strings"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/mirror"
)

func TestUsersAreReadBack(t *testing.T) {
	t.Parallel()
	id := "sub_" + strings.Repeat("0a", 16)
	for _, generation := range []int{1, 2, 10, 4711} {
		s := mirror.Subscriber{ID: id, Generation: generation}
		if got, n, ok := mirror.ParseSubscriberUser(s.User()); got != id || n != generation || !ok {
			t.Errorf("%s became %s, %d, %v", s.User(), got, n, ok)
		}
	}
	for _, odd := range []string{
		"", "-", "-1", id, id + "-", id + "-0", id + "-01", id + "--1", id + "-x", id + "-1-1", id + "-99999999999999999999",
		"sub_-1", id[1:] + "-1", id + "0-1", strings.ToUpper(id) + "-1", "sub_" + strings.Repeat("*", 32) + "-1",
		"sub_" + strings.Repeat("g", 32) + "-1", "admin-1", id + "-1 ", id + "-+1",
	} {
		if got, n, ok := mirror.ParseSubscriberUser(odd); ok {
			t.Errorf("%q became %s, %d", odd, got, n)
		}
	}
}
