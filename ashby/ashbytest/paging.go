package ashbytest

import (
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
}

func (s *Simulator) encode(b bookmark) string {
	raw := append([]byte{}, s.instance[:]...)
	raw = binary.BigEndian.AppendUint32(raw, b.params)
	raw = binary.AppendVarint(raw, b.since)
	raw = binary.AppendVarint(raw, b.start)
	raw = binary.AppendVarint(raw, b.seq)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func (s *Simulator) decode(text string, want uint32) (bookmark, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < instanceSize+4 || [instanceSize]byte(raw) != s.instance {
		return bookmark{}, false
	}
	rest := raw[instanceSize:]
	b := bookmark{params: binary.BigEndian.Uint32(rest)}
	rest = rest[4:]
	for _, field := range []*int64{&b.since, &b.start, &b.seq} {
		value, n := binary.Varint(rest)
		if n <= 0 {
			return bookmark{}, false
		}
		*field, rest = value, rest[n:]
	}
	return b, len(rest) == 0 && b.params == want
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
	out := result{rows: make([]any, 0, limit), paged: true}
	for _, r := range after(rows, at.seq) {
		if r.rev <= at.since || !fits(r) {
			continue
		}
		if len(out.rows) == limit {
			out.next = o.sim.encode(at)
			return out, nil
		}
		out.rows = append(out.rows, show(r))
		at.seq = r.seq
	}
	out.token = o.sim.encode(bookmark{params: at.params, start: at.start})
	return out, nil
}

// position says where the page begins.
func (o *Organization) position(c *call) (bookmark, *failure) {
	hash := paramsHash(o.id, c)
	if cursor := c.params.text("cursor"); cursor != "" && cursor != "start" {
		at, ok := o.sim.decode(cursor, hash)
		if !ok || at.seq == 0 || !o.remembers(at.start) {
			return bookmark{}, &failure{code: "cursor_invalid", message: "The cursor is not valid."}
		}
		return at, nil
	}
	at := bookmark{params: hash, start: o.rev}
	if token := c.params.text("syncToken"); token != "" {
		before, ok := o.sim.decode(token, hash)
		if !ok || before.seq != 0 || !o.remembers(before.start) {
			return bookmark{}, &failure{code: "sync_token_invalid", message: "The sync token is not valid."}
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
