package board

import (
	"context"
	"errors"
	"strings"

	"github.com/bebitcoiner/ashbridge/jobfeed"
)

// PageSize is how many jobs a page of the list shows.
const PageSize = 20

// ErrUnknown says that there never was a job of that name.
var ErrUnknown = errors.New("no such job")

// Store keeps jobs. Memory and Postgres are the two.
type Store interface {
	// Apply stores a job's state unless a newer one is known, and says whether that changed anything. The job's version is
	// its position: both are stored in one step.
	Apply(ctx context.Context, j Job) (changed bool, err error)
	// Search finds the open jobs that meet the query, the newest first.
	Search(ctx context.Context, q Query) (Results, error)
	// Job returns a job, also a closed one; ErrUnknown where there never was one.
	Job(ctx context.Context, connection, posting string) (Job, error)
	// Positions are what the feed remembers across restarts, nil where the jobs themselves do not outlive one.
	Positions() jobfeed.Positions
	// Ping says whether the store answers.
	Ping(ctx context.Context) error
}

// Query says which jobs are wanted. What is empty does not matter.
type Query struct {
	// Words must all occur in a job's text.
	Words string
	// Employer is an EmployerRef; the others are as they stand in the job.
	Employer, Department, Location, Workplace, Employment string
	// Page counts from 1. One beyond the last means the last.
	Page int
}

// maxWords bounds the work of a search.
const maxWords = 8

// words are what is searched for, in lower case.
func (q Query) words() []string {
	words := strings.Fields(strings.ToLower(q.Words))
	return words[:min(len(words), maxWords)]
}

// Results are a page of what was found.
type Results struct {
	Jobs []Job
	// Total counts all that was found, Page is the one shown, Pages how many there are, at least 1.
	Total, Page, Pages int
	// Facets are the values that each filter could take next, with the number of jobs that it would show.
	Facets Facets
}

// Facets are the choices of each filter: of the jobs that meet all other conditions of the query.
type Facets struct {
	Employers, Departments, Locations, Workplaces, Employments []Choice
}

// Choice is a value of a filter.
type Choice struct {
	Value, Label string
	Count        int
}

// paged fills in which page is shown of so many jobs.
func (r *Results) paged(total, page int) {
	r.Total = total
	r.Pages = max(1, (total+PageSize-1)/PageSize)
	r.Page = min(max(1, page), r.Pages)
}

// offset is the number of jobs before the page.
func (r *Results) offset() int { return (r.Page - 1) * PageSize }

// searchText is what words are looked for in, in lower case.
func searchText(j Job) string {
	parts := []string{j.Title, j.EmployerName, j.Department, j.Team, j.WorkplaceType, j.EmploymentType, j.DescriptionText}
	for _, l := range j.Locations {
		parts = append(parts, l.Name, l.Address.Locality, l.Address.Region, l.Address.Country)
	}
	return strings.ToLower(strings.Join(parts, "\n"))
}

// locationNames are the places that the filter knows of a job.
func locationNames(j Job) []string {
	names := make([]string, 0, len(j.Locations))
	for _, l := range j.Locations {
		if l.Name != "" {
			names = append(names, l.Name)
		}
	}
	return names
}
