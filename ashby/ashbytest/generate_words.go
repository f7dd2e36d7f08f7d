package ashbytest

var departments = []struct {
	name, external string
	parent         int // index of the department above, -1 for none
}{
	{"Engineering", "", -1},
	{"Platform", "", 0},
	{"Data", "Data & AI", 0},
	{"Go-to-Market", "", -1},
	{"Sales", "", 3},
	{"Marketing", "", 3},
	{"People", "", -1},
	{"Finance", "", -1},
}

// teams are the departments that have postings, with the roles they hire for; n is the index in departments.
var teams = []struct {
	n     int
	roles []string
}{
	{0, []string{"Frontend Engineer", "Full-Stack Engineer", "Mobile Engineer", "Engineering Manager, Payments"}},
	{1, []string{"Backend Engineer", "Site Reliability Engineer", "Security Engineer", "Database Engineer"}},
	{2, []string{"Data Engineer", "Machine Learning Engineer", "Analytics Engineer"}},
	{4, []string{"Account Executive, Mid-Market", "Sales Engineer", "Business Development Representative"}},
	{5, []string{"Product Marketing Manager", "Content Designer", "Growth Marketer (SEO & Paid)"}},
	{6, []string{"Technical Recruiter", "People Operations Partner"}},
	{7, []string{"Controller", "Financial Analyst", "Payroll Specialist"}},
}

var levels = []string{"", "", "Senior ", "Staff ", "Junior ", "Lead "}

var workplaces = []string{"OnSite", "Hybrid", "Hybrid", "Remote", ""}

var employments = []string{"FullTime", "FullTime", "FullTime", "FullTime", "PartTime", "Contract", "Intern", "Temporary"}

type place struct {
	name, external, workplace string
	remote                    bool
	address                   map[string]any
}

// places has whole addresses, thin ones and none, and country names as employers write them.
var places = []place{
	{name: "Berlin (HQ)", external: "Berlin", workplace: "Hybrid", address: map[string]any{
		"addressCountry": "Germany", "addressRegion": "Berlin", "addressLocality": "Berlin", "postalCode": "10117",
		"streetAddress": "Friedrichstraße 68",
	}},
	{name: "London", workplace: "OnSite", address: map[string]any{
		"addressCountry": "United Kingdom", "addressLocality": "London", "postalCode": "EC2A 4BX", "streetAddress": "12 Great Eastern St",
	}},
	{name: "New York, NY", external: "New York City", workplace: "Hybrid", address: map[string]any{
		"addressCountry": "USA", "addressRegion": "NY ", "addressLocality": "New York City",
	}},
	{name: "São Paulo", address: map[string]any{
		"addressCountry": "Brazil", "addressRegion": "São Paulo", "addressLocality": "São Paulo", "postalCode": "01310-100",
	}},
	{name: "Remote (Europe)", workplace: "Remote", remote: true, address: map[string]any{"addressCountry": "Ireland"}},
	{name: "Bengaluru", workplace: "OnSite"},
}
