package ashby

import "fmt"

// The decoders take an object in any shape that Ashby has shown it in: from a list, an info method or a webhook.
// Unknown members, nulls, absent members and new enumeration values are normal, and a member of an unexpected type
// counts as absent. What is an error, and matches ErrMalformed, is a missing id, and an unexpected type of a member
// that decides whether a job is public: reading "isListed":"no" as absent could publish or close it.

// DecodePosting reads a job posting.
func DecodePosting(raw []byte) (Posting, error) {
	return decode(raw, "posting", postingFrom)
}

func decode[T any](raw []byte, what string, from func(object) (T, error)) (T, error) {
	var v T
	o, err := parseObject(raw)
	if err == nil {
		v, err = from(o)
	}
	if err != nil {
		var zero T
		return zero, fmt.Errorf("%w: %s: %w", ErrMalformed, what, err)
	}
	return v, nil
}

// id returns the object's id. Ids end up in subjects and paths, so one that looks otherwise is an error too.
func (o object) id() (string, error) {
	s, err := o.strictText("id")
	if err != nil {
		return "", err
	}
	if identifier(s) == "" {
		return "", fmt.Errorf("it has no usable id")
	}
	return s, nil
}

func postingFrom(o object) (Posting, error) {
	id, err := o.id()
	if err != nil {
		return Posting{}, err
	}
	status, err := o.strictText("status")
	if err != nil {
		return Posting{}, err
	}
	listed, err := o.strictFlag("isListed")
	if err != nil {
		return Posting{}, err
	}
	external, err := o.strictText("externalLink")
	if err != nil {
		return Posting{}, err
	}
	_, hasExternal := o["externalLink"]
	places := o.object("locationIds")
	pay := o.object("compensation")
	p := Posting{
		ID: id, JobID: o.text("jobId"), Title: o.text("title"),
		Status: status, IsListed: listed, ExternalLink: external, HasExternalLink: hasExternal,
		DepartmentName: o.text("departmentName"), TeamName: o.text("teamName"),
		TeamNameHierarchy:   o.texts("teamNameHierarchy"),
		LocationName:        first(o.text("locationExternalName"), o.text("locationName")),
		PrimaryLocationID:   places.text("primaryLocationId"),
		SecondaryLocations:  places.texts("secondaryLocationIds"),
		WorkplaceType:       o.text("workplaceType"),
		EmploymentType:      o.text("employmentType"),
		IsRemote:            o.isTrue("isRemote"),
		PublishedDate:       o.date("publishedDate"),
		ApplicationDeadline: o.instant("applicationDeadline"),
		ApplyLink:           o.text("applyLink"),
		UpdatedAt:           o.instant("updatedAt"),
		DescriptionHTML:     o.text("descriptionHtml"),
		DescriptionPlain:    o.text("descriptionPlain"),
		Address:             addressFrom(o.object("address")),
		Compensation:        compensationFrom(pay),
		ShowCompensation:    showsPay(o, pay),
	}
	if linked := o.object("linkedData"); len(linked) > 0 {
		p.LinkedData = o["linkedData"]
	}
	p.CompensationTierSummary = first(o.text("compensationTierSummary"), pay.text("compensationTierSummary"))
	return p, nil
}

// showsPay unites the names of one flag. Where two of them disagree, pay stays hidden.
func showsPay(posting, pay object) bool {
	shown := false
	for _, f := range []*bool{
		posting.flag("shouldDisplayCompensationOnJobBoard"),
		posting.flag("shouldDisplayCompensationOnJobPostings"),
		pay.flag("shouldDisplayCompensation"),
		pay.flag("shouldDisplayCompensationOnJobBoard"),
	} {
		if f != nil && !*f {
			return false
		}
		shown = shown || f != nil
	}
	return shown
}

func compensationFrom(o object) *Compensation {
	if len(o) == 0 {
		return nil
	}
	c := &Compensation{TierSummary: o.text("compensationTierSummary")}
	for _, t := range o.objects("compensationTiers") {
		tier := CompensationTier{
			ID: t.text("id"), Title: t.text("title"),
			AdditionalInformation: t.text("additionalInformation"), TierSummary: t.text("tierSummary"),
		}
		for _, part := range t.objects("components") {
			tier.Components = append(tier.Components, CompensationComponent{
				Summary: part.text("summary"), Label: part.text("label"),
				Type: part.text("compensationType"), Interval: part.text("interval"),
				CurrencyCode: part.text("currencyCode"),
				MinValue:     part.number("minValue"), MaxValue: part.number("maxValue"),
			})
		}
		c.Tiers = append(c.Tiers, tier)
	}
	return c
}

// first returns the first string that is not empty.
func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}
