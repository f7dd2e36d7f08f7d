package mirror

import (
	"github.com/bebitcoiner/ashbridge/ashby"
	"github.com/bebitcoiner/ashbridge/schema/events"
)

const remoteWorkplace = "Remote"

// locations returns a posting's places of work, the primary one first. The posting itself tells its primary location's
// name and address; all else is in the location records, which a key without Organization read does not open. A place
// of which nothing but the id is known is kept with that.
func locations(p ashby.Posting, known map[string]ashby.Location) []events.Location {
	all := []events.Location{}
	primary := place(p.PrimaryLocationID, known)
	primary.Primary = true
	if record, ok := known[p.PrimaryLocationID]; !ok || record.ExternalName == "" {
		primary.Name = first(tidy(p.LocationName), primary.Name)
	}
	if own := address(p.Address); own != (events.Address{}) {
		primary.Address = own
	}
	if _, ok := known[p.PrimaryLocationID]; !ok {
		primary.Remote = isRemote(p)
	}
	if primary.ID != "" || primary.Name != "" || primary.Address != (events.Address{}) {
		all = append(all, primary)
	}
	seen := map[string]bool{"": true, p.PrimaryLocationID: true}
	for _, id := range p.SecondaryLocations {
		if !seen[id] {
			seen[id] = true
			all = append(all, place(id, known))
		}
	}
	return all
}

// place is a location as its record has it. The external name is the one meant for candidates.
func place(id string, known map[string]ashby.Location) events.Location {
	record, ok := known[id]
	if !ok {
		return events.Location{ID: id}
	}
	return events.Location{
		ID: id, Name: first(tidy(record.ExternalName), tidy(record.Name)), Address: address(record.Address),
		Remote: record.WorkplaceType == remoteWorkplace || record.WorkplaceType == "" && record.IsRemote,
	}
}

// isRemote prefers the workplace type: isRemote alone is also true of hybrid postings.
func isRemote(p ashby.Posting) bool {
	return p.WorkplaceType == remoteWorkplace || p.WorkplaceType == "" && p.IsRemote
}

func address(a *ashby.PostalAddress) events.Address {
	if a == nil {
		return events.Address{}
	}
	return events.Address{
		Street: tidy(a.Street), Locality: tidy(a.Locality), Region: tidy(a.Region),
		PostalCode: tidy(a.PostalCode), Country: tidy(a.Country), CountryCode: countryCode(tidy(a.Country)),
	}
}

func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}
