package postgres_test

import (
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
)

// The server runs without fsync: what is tested here does not depend on it, but for the refusal of such a server.
func TestMain(m *testing.M) { localtest.Main(m, localtest.Volatile()) }
