package ashbytest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"regexp"
)

// uuidPattern is looser than RFC 9562, because recorded answers carry scrubbed ids without a version.
var uuidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

func digest(seed uint64, parts ...any) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d %q", seed, fmt.Sprint(parts...)))
}

// stableID gives a UUID that depends on its arguments alone.
func stableID(seed uint64, slug, kind string, n int) string {
	d := digest(seed, slug, "\x00", kind, "\x00", n)
	d[6] = d[6]&0x0f | 0x40
	d[8] = d[8]&0x3f | 0x80
	h := hex.EncodeToString(d[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// stableKey gives an API key of the length that Ashby's have.
func stableKey(seed uint64, slug string, n int) string {
	d := digest(seed, slug, "\x00key\x00", n)
	return hex.EncodeToString(d[:])
}

// stableRand gives a source of choices that depends on its arguments alone.
func stableRand(seed uint64, slug, purpose string, n int) *rand.Rand {
	return rand.New(rand.NewChaCha8(digest(seed, slug, "\x00", purpose, "\x00", n)))
}

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// ulid gives a request id of the form Ashby uses: 48 bits of milliseconds, then 80 bits of a hash of the counter.
func ulid(millis int64, n uint64) string {
	d := digest(n, "request")
	var out [26]byte
	for i := 9; i >= 0; i-- {
		out[i] = crockford[millis&31]
		millis >>= 5
	}
	for i := range 16 {
		out[10+i] = crockford[d[i]&31]
	}
	return string(out[:])
}
