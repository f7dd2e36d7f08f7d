package ashbytest

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"maps"
)

// maxPage is the default and the greatest page size.
const maxPage = 100

// instanceSize is how many bytes tell simulators apart.
const instanceSize = 4

// bookmark is what a cursor or a sync token stands for. To the client both are opaque.
type bookmark struct {
	// params is a hash of method and parameters: a cursor or token used with others is refused. What Ashby does then is
	// not documented.
	params uint32
	// since limits the pass to records changed after that revision; zero means all.
	since int64
	// start is the revision at the beginning of the pass, and the next token's since: what changes during a pass comes
	// again in the next one.
	start int64
	// seq is the place behind which the next page begins; zero in tokens.
	seq int64
	// page is the number of the page that a cursor leads to.
	page int64
	// issued is when it was given, in Unix milliseconds, where there is Options.TokenAge.
	issued int64
	// nonce tells tokens apart that stand for the same.
	nonce int64
}

// fields are the numbers in their order in a text, where zeros at the end are left out.
func (b *bookmark) fields() []*int64 {
	return []*int64{&b.since, &b.start, &b.seq, &b.page, &b.issued, &b.nonce}
}

// leastFields are there even where they are zero.
const leastFields = 3

func (s *Simulator) encode(b bookmark) string {
	raw := append([]byte{}, s.instance[:]...)
	raw = binary.BigEndian.AppendUint32(raw, b.params)
	fields := b.fields()
	for len(fields) > leastFields && *fields[len(fields)-1] == 0 {
		fields = fields[:len(fields)-1]
	}
	for _, field := range fields {
		raw = binary.AppendVarint(raw, *field)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func (s *Simulator) decode(text string) (bookmark, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < instanceSize+4 || [instanceSize]byte(raw) != s.instance {
		return bookmark{}, false
	}
	rest := raw[instanceSize:]
	b := bookmark{params: binary.BigEndian.Uint32(rest)}
	rest = rest[4:]
	for i, field := range b.fields() {
		if len(rest) == 0 && i >= leastFields {
			break
		}
		value, n := binary.Varint(rest)
		if n <= 0 {
			return bookmark{}, false
		}
		*field, rest = value, rest[n:]
	}
	return b, len(rest) == 0
}

// page answers one page of a listing in the order in which records were made. A token may come alone or beside the
// cursor of later pages; both are in use. Only the last page carries the new token.
//
// https://developers.ashbyhq.com/docs/pagination-and-incremental-sync
func (o *Organization) page(c *call, rows []*record, fits func(*record) bool, show func(*record) any) (result, *failure) {
	at, refused := o.position(c)
	if refused != nil {
		return result{}, refused
	}
	limit := int(c.params.number("limit"))
	if limit == 0 {
		limit = maxPage
	}
	limit = min(limit, cmp.Or(o.sim.opts.PageSize, maxPage))
	out := result{rows: make([]any, 0, limit), paged: true}
	ends := bookmark{params: at.params, start: at.start, issued: o.issuedAt(c)}
	if c.fault != nil {
		out.before = shownAt(rows, at.seq, show)
		if c.fault.Kind == FaultFreshToken {
			ends.nonce = int64(o.sim.served)
		}
	}
	next := at
	next.page, next.issued = max(1, at.page)+1, ends.issued
	for _, r := range after(rows, at.seq) {
		if r.rev <= at.since || !fits(r) {
			continue
		}
		if len(out.rows) == limit {
			out.next = o.sim.encode(next)
			break
		}
		out.rows = append(out.rows, show(r))
		next.seq = r.seq
	}
	if out.next == "" {
		out.token = o.sim.encode(ends)
	}
	if c.fault != nil {
		out.here, out.ends = o.sim.encode(next), o.sim.encode(ends)
	}
	return out, nil
}

// issuedAt is the time from which a token or cursor ages.
func (o *Organization) issuedAt(c *call) int64 {
	if o.sim.opts.TokenAge == 0 {
		return 0
	}
	return c.at.UnixMilli()
}

// isOld says whether a token or cursor has expired.
func (o *Organization) isOld(b bookmark, c *call) bool {
	age := o.sim.opts.TokenAge
	return b.start < o.tokensFrom || age > 0 && b.issued > 0 && c.at.UnixMilli()-b.issued > age.Milliseconds()
}

// ExpireTokens makes all sync tokens and cursors that were given so far expire.
func (o *Organization) ExpireTokens() {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	o.tokensFrom = o.nextRev()
}

// shownAt shows the record of a place; nil when it is not there.
func shownAt(rows []*record, seq int64, show func(*record) any) any {
	if from := after(rows, seq-1); seq > 0 && len(from) > 0 && from[0].seq == seq {
		return show(from[0])
	}
	return nil
}

// position says where the page begins.
func (o *Organization) position(c *call) (bookmark, *failure) {
	hash := paramsHash(o.id, c)
	if cursor := c.params.text("cursor"); cursor != "" && cursor != "start" {
		at, ok := o.sim.decode(cursor)
		if !ok || at.params != hash || at.seq == 0 || !o.remembers(at.start) {
			return bookmark{}, &failure{code: "cursor_invalid", message: "The cursor is not valid."}
		}
		if o.isOld(at, c) {
			return bookmark{}, &failure{code: "next_cursor_expired", message: "The cursor has expired."}
		}
		return at, nil
	}
	at := bookmark{params: hash, start: o.rev}
	if token := c.params.text("syncToken"); token != "" {
		before, ok := o.sim.decode(token)
		if !ok || before.params != hash || before.seq != 0 || !o.remembers(before.start) {
			return bookmark{}, &failure{code: "sync_token_invalid", message: "The sync token is not valid."}
		}
		if o.isOld(before, c) {
			return bookmark{}, &failure{code: "sync_token_expired", message: "The sync token has expired."}
		}
		at.since = before.start
	}
	return at, nil
}

// paramsHash identifies a listing: organisation, method, and all parameters but those of paging.
func paramsHash(org string, c *call) uint32 {
	rest := maps.Clone(c.params)
	for _, name := range []string{"cursor", "limit", "syncToken"} {
		delete(rest, name)
	}
	encoded, _ := json.Marshal(rest) // it was JSON a moment ago
	h := fnv.New32a()
	for _, part := range []string{org, c.method, string(encoded)} {
		_, _ = h.Write([]byte(part)) // never fails
	}
	return h.Sum32()
}
