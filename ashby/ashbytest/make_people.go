package ashbytest

import "fmt"

const userCount = 12

var (
	globalRoles = []string{"Organization Admin", "Elevated Access", "Limited Access", "External Recruiter"}
	teamRoles   = []string{"Hiring Manager", "Recruiter", "Sourcer", "Recruiting Coordinator"}
	firstNames  = []string{
		"Robin", "Amina", "Björn", "Chloé", "Dmitri", "Esra", "Fatou", "Giulia", "Håkon", "Ines", "Jürgen", "Kenji", "Łucja", "Mei",
		"Nkechi", "Oğuz", "Priya", "Quentin", "Rania", "Søren", "Tomás", "Uma", "Valentin", "Wanjiru",
	}
)

// person is the n-th employee as Ashby shows one inside other objects.
func (o *Organization) person(n int) map[string]any {
	return map[string]any{
		"id":        o.sid("user", n),
		"firstName": firstNames[n%len(firstNames)] + " " + PersonalMarker, "lastName": PersonalMarker,
		"email": fmt.Sprintf("%s-%d@%s.example", PersonalMarker, n, o.slug), "globalRole": globalRoles[n%len(globalRoles)],
		"isEnabled": n%userCount != userCount-1, "updatedAt": instant(generatedAt),
	}
}

// someone is the n-th employee as that user is now.
func (o *Organization) someone(n int) map[string]any {
	out := o.person(n % userCount)
	if user, ok := o.table("user").get(o.sid("user", n%userCount)); ok && user.body != nil {
		for name := range out {
			out[name] = user.body[name]
		}
	}
	return out
}

// byline is an employee as the author of a note.
func (o *Organization) byline(n int) map[string]any {
	who := o.someone(n)
	return map[string]any{"id": who["id"], "firstName": who["firstName"], "lastName": who["lastName"], "email": who["email"]}
}

func (o *Organization) hiringTeam(n int) []map[string]any {
	who := o.someone(n)
	return []map[string]any{{
		"userId": who["id"], "firstName": who["firstName"], "lastName": who["lastName"], "email": who["email"], "role": "Hiring Manager",
	}}
}

// makeUser makes an employee as user.list shows one, with an undocumented time zone.
func (o *Organization) makeUser(r *record) map[string]any {
	body := o.person(r.n)
	body["timezone"] = "Europe/Berlin"
	if r.n > 0 {
		body["managerId"] = o.sid("user", 0)
	}
	if r.n%3 == 1 {
		body["customFields"] = []map[string]any{}
	}
	return body
}

func (*Organization) makeTeamRole(r *record) map[string]any {
	return map[string]any{"id": r.id, "title": teamRoles[r.n]}
}
