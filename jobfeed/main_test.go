package jobfeed_test

import (
	"flag"
	"testing"

	"github.com/bebitcoiner/ashbridge/internal/local/localtest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// These tests mostly wait, for servers and timeouts, and two processors would run two at a time.
	if f := flag.Lookup("test.parallel"); f.Value.String() == "2" {
		_ = f.Value.Set("8") // a number is always taken
	}
	localtest.Main(m, localtest.Volatile())
}
