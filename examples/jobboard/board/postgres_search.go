package board

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Search finds the open jobs that meet the query: their number, a page of them, and the filters' choices, all of one
// moment.
func (p *Postgres) Search(ctx context.Context, q Query) (Results, error) {
	var r Results
	err := p.inTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, func(tx *sqlx.Tx) error {
		conditions := []any{pq.Array(q.patterns()), q.Employer, q.Department, q.Location, q.Workplace, q.Employment}
		var total int
		err := tx.GetContext(ctx, &total, `
			SELECT count(*) FROM jobboard.jobs
			WHERE is_open AND search LIKE ALL ($1)
				AND ($2 = '' OR employer = $2) AND ($3 = '' OR department = $3) AND ($4 = '' OR $4 = ANY (locations))
				AND ($5 = '' OR workplace_type = $5) AND ($6 = '' OR employment_type = $6)`, conditions...)
		if err != nil {
			return err
		}
		r.paged(total, q.Page)
		var rows []row
		err = tx.SelectContext(ctx, &rows, `
			SELECT version, is_open, reason, posted_at, job FROM jobboard.jobs
			WHERE is_open AND search LIKE ALL ($1)
				AND ($2 = '' OR employer = $2) AND ($3 = '' OR department = $3) AND ($4 = '' OR $4 = ANY (locations))
				AND ($5 = '' OR workplace_type = $5) AND ($6 = '' OR employment_type = $6)
			ORDER BY posted_at DESC, connection, posting LIMIT $7 OFFSET $8`,
			append(conditions, PageSize, r.offset())...)
		if err != nil {
			return err
		}
		for _, row := range rows {
			j, err := row.job()
			if err != nil {
				return err
			}
			r.Jobs = append(r.Jobs, j)
		}
		return r.Facets.read(ctx, tx, conditions)
	})
	if err != nil {
		return Results{}, fmt.Errorf("searching: %w", err)
	}
	return r, nil
}

// patterns are the words for LIKE, in which % and _ mean themselves.
func (q Query) patterns() []string {
	escape := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
	patterns := []string{}
	for _, w := range q.words() {
		patterns = append(patterns, "%"+escape.Replace(w)+"%")
	}
	return patterns
}

// read counts, for each filter, the jobs that meet all other conditions.
func (f *Facets) read(ctx context.Context, tx *sqlx.Tx, conditions []any) error {
	var rows []struct {
		Facet string `db:"facet"`
		Value string `db:"value"`
		Label string `db:"label"`
		Count int    `db:"count"`
	}
	err := tx.SelectContext(ctx, &rows, `
		WITH j AS (
			SELECT employer, employer_name, department, locations, workplace_type, employment_type,
				($2 = '' OR employer = $2) AS is_employer, ($3 = '' OR department = $3) AS is_department,
				($4 = '' OR $4 = ANY (locations)) AS is_location, ($5 = '' OR workplace_type = $5) AS is_workplace,
				($6 = '' OR employment_type = $6) AS is_employment
			FROM jobboard.jobs WHERE is_open AND search LIKE ALL ($1)
		), c AS (
			SELECT 'employer' AS facet, employer AS value, max(employer_name COLLATE "C") AS label, count(*) AS count
			FROM j WHERE is_department AND is_location AND is_workplace AND is_employment GROUP BY employer
			UNION ALL
			SELECT 'department', department, '', count(*)
			FROM j WHERE is_employer AND is_location AND is_workplace AND is_employment GROUP BY department
			UNION ALL
			SELECT 'location', l.name, '', count(*)
			FROM j CROSS JOIN LATERAL (SELECT DISTINCT unnest(locations) AS name) l
			WHERE is_employer AND is_department AND is_workplace AND is_employment GROUP BY l.name
			UNION ALL
			SELECT 'workplace', workplace_type, '', count(*)
			FROM j WHERE is_employer AND is_department AND is_location AND is_employment GROUP BY workplace_type
			UNION ALL
			SELECT 'employment', employment_type, '', count(*)
			FROM j WHERE is_employer AND is_department AND is_location AND is_workplace GROUP BY employment_type
		)
		SELECT facet, value, label, count FROM c WHERE value <> '' ORDER BY facet, value COLLATE "C"`, conditions...)
	if err != nil {
		return err
	}
	lists := map[string]*[]Choice{
		"employer": &f.Employers, "department": &f.Departments, "location": &f.Locations,
		"workplace": &f.Workplaces, "employment": &f.Employments,
	}
	for _, r := range rows {
		list := lists[r.Facet]
		*list = append(*list, Choice{Value: r.Value, Label: r.Label, Count: r.Count})
	}
	return nil
}
