package mirror

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
)

// Hash returns the SHA-256 of the document's canonical form: keys sorted, no white space, strings spelt in one way,
// numbers kept digit for digit. Two documents that say the same have the same hash, whatever order they were written
// in. What is no JSON document is hashed as it stands.
func Hash(doc []byte) []byte {
	sum := sha256.Sum256(canonical(doc))
	return sum[:]
}

// canonical is the form that Hash and Changed compare.
func canonical(doc []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber() // a float64 would make one number of 72000.1 and 72000.10000000001
	var value any
	if err := d.Decode(&value); err != nil {
		return doc
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return doc
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return doc
	}
	return raw
}
