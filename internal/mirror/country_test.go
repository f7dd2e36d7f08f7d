package mirror

import (
	"regexp"
	"strings"
	"testing"
)

// Every name of the table is that of one country, and stays so however it is spelt.
func TestCountryTable(t *testing.T) {
	t.Parallel()
	owner, rows := map[string]string{}, 0
	for line := range strings.Lines(countryTable) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		rows++
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 3 || !regexp.MustCompile(`^[A-Z]{2}$`).MatchString(fields[0]) || !regexp.MustCompile(`^[A-Z]{3}$`).MatchString(fields[1]) {
			t.Fatalf("row %q", line)
		}
		for _, name := range append(strings.Split(fields[2], "|"), fields[:2]...) {
			key := countryKey(name)
			if other, taken := owner[key]; key == "" || taken && other != fields[0] {
				t.Errorf("%q of %s is a name of %s too", name, fields[0], other)
			}
			owner[key] = fields[0]
			for _, spelt := range []string{name, strings.ToUpper(name), " " + strings.ToLower(name) + " "} {
				if got := countryCode(spelt); got != fields[0] {
					t.Errorf("%q: %q, want %s", spelt, got, fields[0])
				}
			}
		}
	}
	if rows != 249 { // https://www.iso.org/iso-3166-country-codes.html
		t.Errorf("%d countries, ISO 3166-1 has 249", rows)
	}
}

func TestCountryCode(t *testing.T) {
	t.Parallel()
	for country, want := range map[string]string{
		"Germany": "DE", "germany ": "DE", "Deutschland": "DE", "DE": "DE", "DEU": "DE", "Österreich": "AT", "Osterreich": "AT",
		"USA": "US", "U.S.": "US", "U.S.A.": "US", "U. S. A.": "US", "US": "US", "United States": "US", "the United States of America": "US",
		"UK": "GB", "U.K.": "GB", "GB": "GB", "Great Britain": "GB", "England": "GB", "Scotland": "GB", "United Kingdom": "GB",
		"The Netherlands": "NL", "Holland": "NL", "Nederland": "NL", "Czech Republic": "CZ", "Czechia": "CZ", "Česko": "CZ",
		"Turkey": "TR", "Türkiye": "TR", "Turkiye": "TR", "Republic of Korea": "KR", "South Korea": "KR", "대한민국": "KR",
		"日本": "JP", "中国": "CN", "भारत": "IN", "Brasil": "BR", "México": "MX", "Mexico": "MX", "España": "ES", "Espan\u0303a": "ES",
		"Ivory Coast": "CI", "Cote d'Ivoire": "CI", "Côte d’Ivoire": "CI", "Trinidad and Tobago": "TT", "Bosnia and Herzegovina": "BA",
		"Hong Kong": "HK", "Taiwan": "TW", "UAE": "AE", "Republic of the Congo": "CG", "DR Congo": "CD", "Georgia": "GE", "Ireland": "IE",
		"Schweiz": "CH", "Suisse": "CH", "Viet Nam": "VN", "Vietnam": "VN", "Russian Federation": "RU", "Swaziland": "SZ", "Eswatini": "SZ",

		"": "", "-": "", "Congo": "", "Korea": "", "European Union": "", "EU": "", "Europe": "", "EMEA": "", "Remote": "", "Anywhere": "",
		"Kosovo": "", "XK": "", "California": "", "Berlin": "", "Berlin, Germany": "", "Germany / Austria": "", "US or Canada": "", "XX": "",
		"Virgin Islands": "", "North America": "", "Americas": "", "Worldwide": "", "LATAM": "", "MENA": "", "APAC": "", "DACH": "",
	} {
		if got := countryCode(country); got != want {
			t.Errorf("%q: %q, want %q", country, got, want)
		}
	}
}

func FuzzCountryCode(f *testing.F) {
	f.Add("U.S.")
	f.Add("\u0130\xff")
	f.Fuzz(func(t *testing.T, country string) {
		if code := countryCode(country); code != "" && (len(code) != 2 || countryCode(code) != code) {
			t.Errorf("%q: %q", country, code)
		}
	})
}
