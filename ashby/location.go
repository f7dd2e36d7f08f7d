package ashby

// DecodeLocation reads a location.
func DecodeLocation(raw []byte) (Location, error) {
	return decode(raw, "location", locationFrom)
}

func locationFrom(o object) (Location, error) {
	id, err := o.id()
	if err != nil {
		return Location{}, err
	}
	return Location{
		ID: id, Name: o.text("name"), ExternalName: o.text("externalName"), IsArchived: o.isTrue("isArchived"),
		IsRemote: o.isTrue("isRemote"), WorkplaceType: o.text("workplaceType"), Address: addressFrom(o.object("address")),
	}, nil
}

// addressFrom reads an address with or without the postalAddress around it; both occur.
func addressFrom(o object) *PostalAddress {
	if inner := o.object("postalAddress"); inner != nil {
		o = inner
	}
	a := PostalAddress{
		Country: o.text("addressCountry"), Region: o.text("addressRegion"), Locality: o.text("addressLocality"),
		PostalCode: o.text("postalCode"), Street: o.text("streetAddress"),
	}
	if a == (PostalAddress{}) {
		return nil
	}
	return &a
}
