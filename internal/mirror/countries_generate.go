//go:build ignore

// Countries_generate writes countries.txt from the Unicode Common Locale Data Repository. It takes two folders: the npm
// packages cldr-core and cldr-localenames-full, unpacked.
//
//	go run countries_generate.go <cldr-core> <cldr-localenames-full>
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// others are names in wide use that the repository lacks: those of ISO 3166-1 itself, formal and former ones, abbreviations.
const others = `
AE UAE|Emirates
BA Bosnia & Herzegovina|Bosnia-Herzegovina
BN Brunei Darussalam
BO Plurinational State of Bolivia|Bolivia, Plurinational State of
BR Federative Republic of Brazil
CD Democratic Republic of the Congo|Congo, Democratic Republic of the|Congo, The Democratic Republic of the|DR Congo|DRC
CG Republic of the Congo|Congo Republic
CH Swiss Confederation
CN People's Republic of China|PR China|PRC|Mainland China
CV Republic of Cabo Verde
CZ Česká republika
DE Federal Republic of Germany|Bundesrepublik Deutschland|BRD
DK Kingdom of Denmark
ES Kingdom of Spain
FK Falkland Islands (Malvinas)
FM Federated States of Micronesia|Micronesia, Federated States of
FR French Republic
GB Great Britain|Britain|England|Scotland|Wales|Northern Ireland|United Kingdom of Great Britain and Northern Ireland
GR Hellenic Republic
HK Hong Kong SAR|Hongkong
IE Republic of Ireland
IN Republic of India
IR Islamic Republic of Iran|Iran, Islamic Republic of
IT Italian Republic
KP Democratic People's Republic of Korea|Korea, Democratic People's Republic of|DPRK
KR Republic of Korea|Korea, Republic of|Korea, South
LA Lao People's Democratic Republic|Lao PDR
MD Republic of Moldova|Moldova, Republic of
MK Macedonia|Republic of North Macedonia
MM Burma
MO Macau|Macau SAR|Macao SAR
NL Holland|Kingdom of the Netherlands|Netherlands, Kingdom of the|Netherlands, The
PL Republic of Poland
PS State of Palestine|Palestine, State of
PT Portuguese Republic
RU Russian Federation
SA KSA|Kingdom of Saudi Arabia
SG Republic of Singapore
SK Slovak Republic
ST Sao Tome and Principe
SY Syrian Arab Republic
SZ Kingdom of Eswatini
TR Republic of Türkiye|Republic of Turkey
TW Taiwan, Province of China|Taiwan, R.O.C.
TZ United Republic of Tanzania|Tanzania, United Republic of
US United States of America|U.S.|U.S.A.|The States
VA Holy See|Vatican
VE Bolivarian Republic of Venezuela|Venezuela, Bolivarian Republic of
VG British Virgin Islands|Virgin Islands, British
VI US Virgin Islands|Virgin Islands, U.S.
VN Viet Nam|Socialist Republic of Vietnam
`

// ambiguous names stand for several countries and are left out, even where ISO 3166-1 gives one of them to one country.
var ambiguous = []string{"congo", "korea", "virgin islands", "guiana"}

// notISO are codes of the repository that ISO 3166-1 reserves at most, or leaves to its users, as it does Kosovo's.
var notISO = []string{"AC", "CP", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ"}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: go run countries_generate.go <cldr-core> <cldr-localenames-full>")
	}
	core, names := os.Args[1], os.Args[2]
	notice, err := os.ReadFile(filepath.Join(core, "LICENSE"))
	if err != nil {
		log.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# Countries of ISO 3166-1: alpha-2, alpha-3, names in English and in the country's official languages.\n" +
		"# Made from the Unicode CLDR " + version(core) + " by countries_generate.go; do not edit. The data's licence:\n#\n")
	for line := range strings.Lines(strings.TrimSpace(string(notice))) {
		b.WriteString(strings.TrimSpace("# "+strings.TrimSpace(line)) + "\n")
	}
	for _, row := range rows(core, names) {
		b.WriteString(row + "\n")
	}
	if err := os.WriteFile("countries.txt", []byte(b.String()), 0o644); err != nil {
		log.Fatal(err)
	}
}

func rows(core, localNames string) []string {
	more := map[string][]string{}
	for line := range strings.Lines(strings.TrimSpace(others)) {
		code, list, _ := strings.Cut(strings.TrimSpace(line), " ")
		more[code] = strings.Split(list, "|")
	}
	var mappings struct {
		Supplemental struct {
			Codes map[string]struct {
				Alpha3 string `json:"_alpha3"`
			} `json:"codeMappings"`
		}
	}
	read(&mappings, core, "supplemental", "codeMappings.json")
	var info struct {
		Supplemental struct {
			Territories map[string]struct {
				Languages map[string]struct {
					Status string `json:"_officialStatus"`
				} `json:"languagePopulation"`
			} `json:"territoryInfo"`
		}
	}
	read(&info, core, "supplemental", "territoryInfo.json")
	english := territories(localNames, "en")
	var out []string
	for _, code := range slices.Sorted(maps.Keys(mappings.Supplemental.Codes)) {
		alpha3 := mappings.Supplemental.Codes[code].Alpha3
		all := namesOf(english, code)
		if len(code) != 2 || alpha3 == "" || len(all) == 0 || slices.Contains(notISO, code) {
			continue
		}
		for _, lang := range slices.Sorted(maps.Keys(info.Supplemental.Territories[code].Languages)) {
			status := info.Supplemental.Territories[code].Languages[lang].Status
			if status == "official" || status == "de_facto_official" {
				all = append(all, namesOf(territories(localNames, strings.ReplaceAll(lang, "_", "-")), code)...)
			}
		}
		all = append(all, more[code]...)
		out = append(out, code+"\t"+alpha3+"\t"+strings.Join(distinct(all), "|"))
	}
	return out
}

func namesOf(territories map[string]string, code string) []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(territories)) {
		if name := territories[key]; (key == code || strings.HasPrefix(key, code+"-alt-")) && name != code {
			all = append(all, name)
		}
	}
	return all
}

func distinct(names []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(names, func(name string) bool {
		key := strings.ToLower(name)
		drop := seen[key] || slices.Contains(ambiguous, key)
		seen[key] = true
		return drop
	})
}

func territories(folder, lang string) map[string]string {
	path := filepath.Join(folder, "main", lang, "territories.json")
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	var doc struct {
		Main map[string]struct {
			Names struct {
				Territories map[string]string `json:"territories"`
			} `json:"localeDisplayNames"`
		}
	}
	read(&doc, path)
	return doc.Main[lang].Names.Territories
}

func version(core string) string {
	var doc struct{ Version string }
	read(&doc, core, "package.json")
	return doc.Version
}

func read(into any, path ...string) {
	raw, err := os.ReadFile(filepath.Join(path...))
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		log.Fatal(fmt.Errorf("%s: %w", filepath.Join(path...), err))
	}
}
