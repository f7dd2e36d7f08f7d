package ashbytest

import (
	"maps"
	"slices"
)

// offerKinds are offers and what has to be approved.
func offerKinds() []kind {
	return []kind{
		{
			name: "offer", scope: scopeOffers, list: "offer.list", info: "offer.info", idParam: "offerId",
			paged: true, token: true, created: true, make: (*Organization).makeOffer, seen: (*Organization).applicationVisible,
			params: map[string]rule{
				"offerStatus": isSubset(offerStatuses...), "acceptanceStatus": isSubset(acceptanceStatuses...),
				"approvalStatus": isSubset("Approved", "WaitingOnApprovals", "Declined"), "applicationId": isID,
			},
			infoParams: map[string]rule{"excludeFormDefinition": isFlag}, fits: offerFits, showInfo: offerWithForm,
			onCreate: []string{"offerCreate"}, onUpdate: []string{"offerUpdate"}, onDelete: []string{"offerDelete"}, payload: "offer",
		},
		{
			name: "approval", scope: scopeApprovals, list: "approval.list", paged: true, token: true, count: 5,
			params: map[string]rule{"entityType": isWord("offer", "job", "opening"), "entityId": isID},
			fits:   matches("entityType", "entityId"), make: (*Organization).makeApproval,
		},
	}
}

func offerFits(_ *Organization, r *record, p params) bool {
	body := r.fields()
	latest, _ := body["latestVersion"].(map[string]any)
	for name, has := range map[string]any{
		"offerStatus": body["offerStatus"], "acceptanceStatus": body["acceptanceStatus"], "approvalStatus": latest["approvalStatus"],
	} {
		text, _ := has.(string)
		if wanted := p.texts(name); len(wanted) > 0 && !slices.Contains(wanted, text) {
			return false
		}
	}
	want := p.text("applicationId")
	return want == "" || body["applicationId"] == want
}

// offerWithForm is an offer as offer.info shows it, which has the form that was filled in unless it is excluded.
func offerWithForm(o *Organization, r *record, p params) any {
	body := maps.Clone(r.fields())
	if !p.flag("excludeFormDefinition") {
		body["formDefinition"] = smallForm(o.sim.opts.Seed, r.id, "Salary and start")
	}
	return body
}
