package ashbytest

import (
	"reflect"
	"testing"
)

// What the state says of pay, places and department is what was entered, and follows each edit.
func TestStateTellsPayPlacesAndDepartment(t *testing.T) {
	t.Parallel()
	b := setup(t, 2, Options{})
	id := b.org.Postings()[0].ID
	want := Pay{Tiers: []PayTier{{Title: "Europe", Note: "Before bonus", Components: []PayComponent{
		salary("EUR", 60, 70), {Type: "Bonus", Label: "Annual bonus", Interval: "1 YEAR", Currency: "EUR", Min: "2500.75"},
	}}}}
	b.org.SetPay(id, want)
	shown := func() *Pay {
		t.Helper()
		pay, err := b.org.ShownPay(id)
		if err != nil {
			t.Fatal(err)
		}
		return pay
	}
	if got := shown(); got == nil || !reflect.DeepEqual(*got, want) {
		t.Errorf("%+v instead of %+v", got, want)
	}
	want.Hidden = true
	b.org.SetPay(id, want)
	if got := shown(); got != nil {
		t.Errorf("hidden pay is shown: %+v", got)
	}

	before, _ := b.org.Posting(id)
	place := before.Places[0]
	b.org.SetAddress(place.ID, map[string]any{"addressLocality": "Porto", "addressCountry": "Portugal"})
	after, _ := b.org.Posting(id)
	if got := after.Places[0]; got.ID != place.ID || got.Name == "" || got.Locality != "Porto" || got.Country != "Portugal" {
		t.Errorf("%+v", got)
	}
	var department string
	b.sim.mu.Lock()
	for r, ok := b.org.departments.get(b.org.postings[id].departmentID); ok; r, ok = b.org.departments.get(r.text("parentId")) {
		department = r.id
	}
	b.sim.mu.Unlock()
	b.org.RenameDepartment(department, "Bridges")
	if after, _ := b.org.Posting(id); after.DepartmentName != "Bridges" {
		t.Errorf("the department is %q", after.DepartmentName)
	}
}
