package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// tag is what all dashboards carry, and what the links between them go by.
const tag = "ashbridge"

// Each dashboard's uid is its address in Grafana: links and bookmarks hold it, so it never changes.
const (
	uidOverview = "ashbridge-overview"
	uidEmployer = "ashbridge-employer"
	uidPlumbing = "ashbridge-plumbing"
)

// board is a dashboard: sections of panels, from left to right and from above to below.
type board struct {
	file, uid, title, about string
	// from is the range that it opens with, such as now-6h.
	from      string
	variables []cog.Builder[dashboard.VariableModel]
	sections  []section
}

// panels are laid out from left to right; a line is full at 24.
type panels []cog.Builder[dashboard.Panel]

// section is a row's title and the panels under it.
type section struct {
	title  string
	panels panels
}

// source is the Prometheus that is chosen above the dashboard.
func source() common.DataSourceRef {
	return common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}
}

// classic is the format of dashboards that every Grafana reads from files. The kit calls it deprecated, since Grafana 13 has
// another, too, into which it puts classic ones when it loads them.
type classic = dashboard.Dashboard //nolint:staticcheck // said above

func (b board) build() (classic, error) {
	d := dashboard.NewDashboardBuilder(b.title) //nolint:staticcheck // the same
	d.Uid(b.uid).Description(b.about).Tags([]string{tag}).
		Timezone("browser").Refresh("30s").Time(b.from, "now").Readonly().Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("Ashbridge").Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{tag}).KeepTime(true)).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Prometheus").Type("prometheus"))
	for _, v := range b.variables {
		d.WithVariable(v)
	}
	for _, s := range b.sections {
		d.WithRow(dashboard.NewRowBuilder(s.title))
		for _, p := range s.panels {
			d.WithPanel(p)
		}
	}
	built, err := d.Build()
	if err != nil {
		return built, err
	}
	for i := range built.Links {
		built.Links[i].Placement = nil // the default of the kit hides them in a menu
	}
	return built, number(built.Panels)
}

// number gives each panel its id and each of its queries its letter.
func number(panels []dashboard.PanelOrRowPanel) error {
	for i := range panels {
		id := uint32(i + 1)
		if row := panels[i].RowPanel; row != nil {
			row.Id = id
			continue
		}
		p := panels[i].Panel
		p.Id = cog.ToPtr(id)
		p.Datasource = cog.ToPtr(source())
		for j, t := range p.Targets {
			q, ok := t.(prometheus.Dataquery)
			if !ok {
				return fmt.Errorf("panel %q has a query of another kind: %T", *p.Title, t)
			}
			q.RefId = cog.ToPtr(string(rune('A' + j)))
			q.Datasource = cog.ToPtr(source())
			p.Targets[j] = q
		}
	}
	return nil
}

// ask is a query over the dashboard's range; legend names its series, as {{label}}.
func ask(expr, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Expr(expr).LegendFormat(legend).EditorMode(prometheus.QueryEditorModeCode).Range()
}

// rows is a query of the present state, for a table.
func rows(expr string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Expr(expr).EditorMode(prometheus.QueryEditorModeCode).Format(prometheus.PromQueryFormatTable).Instant()
}

// cells is a query of a histogram's buckets, for a heat map.
func cells(expr string) *prometheus.DataqueryBuilder {
	return ask(expr, "{{le}}").Format(prometheus.PromQueryFormatHeatmap)
}

func targets(queries []*prometheus.DataqueryBuilder) []cog.Builder[variants.Dataquery] {
	out := make([]cog.Builder[variants.Dataquery], 0, len(queries))
	for _, q := range queries {
		out = append(out, q)
	}
	return out
}
