package ashbytest

// peopleKinds are the employees and their roles: https://developers.ashbyhq.com/reference/userlist
func peopleKinds() []kind {
	return []kind{
		{
			name: "user", scope: scopeOrganization, list: "user.list", info: "user.info", idParam: "userId",
			paged: true, token: true, archive: byEnabled, count: userCount, make: (*Organization).makeUser,
			search: search{method: "user.search", params: map[string]func(*record) []string{"email": textsAt("email")}},
		},
		{
			name: "hiring_team_role", scope: scopeOrganization, list: "hiringTeamRole.list", count: len(teamRoles),
			params: map[string]rule{"namesOnly": isFlag}, make: (*Organization).makeTeamRole,
			// The titles alone are the default.
			show: func(_ *Organization, r *record, p params) any {
				if only, given := p["namesOnly"].(bool); given && !only {
					return r.fields()
				}
				return r.text("title")
			},
		},
		{
			name: "application_hiring_team_role", scope: scopeCandidates, list: "applicationHiringTeamRole.list", count: 3,
			make: (*Organization).makeTeamRole,
		},
	}
}
