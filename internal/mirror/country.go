package mirror

import (
	_ "embed"
	"strings"
	"sync"
	"unicode"
)

// countryTable has a line for each country of ISO 3166-1: its alpha-2 and alpha-3 codes and its names, separated by tabs and
// bars. countries_generate.go writes it.
//
//go:embed countries.txt
var countryTable string

// countryCode is the ISO 3166-1 alpha-2 code of a country as an employer wrote it: a code of two or three letters, a
// name in English or in an official language of the country, or an abbreviation in wide use. It is empty where the text
// is anything else, such as a city, a region or several countries, and where a name is that of more than one country, such
// as Congo: a wrong country is worse than none.
func countryCode(country string) string { return countriesByKey()[countryKey(country)] }

var countriesByKey = sync.OnceValue(func() map[string]string {
	codes := map[string]string{}
	for line := range strings.Lines(countryTable) {
		alpha2, rest, _ := strings.Cut(strings.TrimSpace(line), "\t")
		alpha3, names, isRow := strings.Cut(rest, "\t")
		if !isRow { // a comment
			continue
		}
		for name := range strings.SplitSeq(alpha2+"|"+alpha3+"|"+names, "|") {
			codes[countryKey(name)] = alpha2
		}
	}
	return codes
})

// countryKey makes one of the ways in which a name is spelt: without case, accents, spaces, punctuation and article.
func countryKey(name string) string {
	name = plainLetters.Replace(strings.ToLower(strings.TrimSpace(name)))
	return strings.Map(func(r rune) rune {
		isAccent := r >= 0x300 && r <= 0x36f // marks of other scripts tell words apart
		if isAccent || !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) {
			return -1
		}
		return r
	}, strings.TrimPrefix(name, "the "))
}

var plainLetters = strings.NewReplacer(
	"&", "and",
	"á", "a", "à", "a", "â", "a", "ä", "a", "ã", "a", "å", "a", "ā", "a", "ă", "a", "ą", "a", "æ", "ae",
	"ç", "c", "ć", "c", "č", "c", "ď", "d", "đ", "d", "ð", "d",
	"é", "e", "è", "e", "ê", "e", "ë", "e", "ē", "e", "ė", "e", "ę", "e", "ě", "e", "ğ", "g", "ģ", "g",
	"í", "i", "ì", "i", "î", "i", "ï", "i", "ī", "i", "į", "i", "ı", "i", "ķ", "k", "ļ", "l", "ľ", "l", "ĺ", "l", "ł", "l",
	"ñ", "n", "ń", "n", "ň", "n", "ņ", "n",
	"ó", "o", "ò", "o", "ô", "o", "ö", "o", "õ", "o", "ō", "o", "ő", "o", "ø", "o", "œ", "oe",
	"ř", "r", "ŕ", "r", "ś", "s", "š", "s", "ş", "s", "ș", "s", "ß", "ss", "ť", "t", "ţ", "t", "ț", "t", "þ", "th",
	"ú", "u", "ù", "u", "û", "u", "ü", "u", "ū", "u", "ů", "u", "ű", "u", "ų", "u",
	"ά", "α", "έ", "ε", "ή", "η", "ί", "ι", "ό", "ο", "ύ", "υ", "ώ", "ω", "ς", "σ",
	"ý", "y", "ÿ", "y", "ź", "z", "ž", "z", "ż", "z",
)
