package postgres

import (
	"bytes"
	"strconv"
	"strings"
)

// replacement is the escape of the character that stands for one that cannot be kept.
const replacement = `\ufffd`

// storable returns the document with what Postgres refuses in jsonb replaced: bytes that are not UTF-8, the escape of
// the zero character, and halves of surrogate pairs. One such character in one posting would otherwise keep a whole
// batch from being stored, again and again. The Ashby client removes them as it reads; this keeps the store safe from any
// other writer. A document without any is returned as it is.
func storable(doc []byte) []byte {
	doc = bytes.ToValidUTF8(doc, []byte("\uFFFD"))
	if !bytes.Contains(doc, []byte(`\u0000`)) && !bytes.Contains(doc, []byte(`\ud`)) &&
		!bytes.Contains(doc, []byte(`\uD`)) {
		return doc
	}
	doc = bytes.Clone(doc)
	for i := 0; i < len(doc)-1; {
		if doc[i] != '\\' {
			i++
			continue
		}
		width := 2 // an escape such as \n or \\
		if unit, ok := escapeAt(doc, i); ok {
			width = len(replacement)
			low, paired := escapeAt(doc, i+width)
			switch {
			case isHigh(unit) && paired && isLow(low):
				width *= 2
			case unit == 0 || isHigh(unit) || isLow(unit):
				copy(doc[i:], replacement)
			}
		}
		i += width
	}
	return doc
}

// legible returns a text with what Postgres refuses in text replaced. It is for sentences, which may quote anything; a key
// must stay what it is.
func legible(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// escapeAt reads an escape of the form \uXXXX.
func escapeAt(doc []byte, i int) (uint64, bool) {
	if i+len(replacement) > len(doc) || doc[i] != '\\' || doc[i+1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(doc[i+2:i+6]), 16, 16)
	return unit, err == nil
}

func isHigh(unit uint64) bool { return unit >= 0xD800 && unit <= 0xDBFF }
func isLow(unit uint64) bool  { return unit >= 0xDC00 && unit <= 0xDFFF }
