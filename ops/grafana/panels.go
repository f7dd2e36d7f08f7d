package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// Widths of panels; a line of the grid is 24 wide.
const (
	sixth   = 4
	quarter = 6
	third   = 8
	half    = 12
	whole   = 24
)

// Heights of panels.
const (
	low  = 4
	tall = 8
)

const (
	green  = "green"
	orange = "orange"
	red    = "red"
	blue   = "blue"
)

// told is the description of a panel: what it shows, and what of it is good and bad.
type told struct{ what, good, bad string }

func (t told) String() string { return t.what + "\n\n**Good:** " + t.good + "\n\n**Bad:** " + t.bad }

// lines draws series over time. A panel's height and whatever else is special to it are set on what is returned.
func lines(title string, t told, unit string, width uint32, queries ...*prometheus.DataqueryBuilder) *timeseries.PanelBuilder {
	return timeseries.NewPanelBuilder().Title(title).Description(t.String()).Unit(unit).Span(width).Height(tall).Targets(targets(queries)).
		Min(0).LineWidth(1).FillOpacity(8).ShowPoints(common.VisibilityModeAuto).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
}

// bars draws amounts that add up, one bar a step.
func bars(title string, t told, unit string, width uint32, queries ...*prometheus.DataqueryBuilder) *timeseries.PanelBuilder {
	return lines(title, t, unit, width, queries...).DrawStyle(common.GraphDrawStyleBars).FillOpacity(60).LineWidth(0).
		Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A"))
}

// limited draws the limits into a panel of lines.
func limited(p *timeseries.PanelBuilder, limits *dashboard.ThresholdsConfigBuilder) *timeseries.PanelBuilder {
	return p.Thresholds(limits).ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
}

// figure shows one number, or one for each series, large and in the colour of its limit.
func figure(title string, t told, unit string, width uint32, limits *dashboard.ThresholdsConfigBuilder, query *prometheus.DataqueryBuilder) *stat.PanelBuilder {
	return stat.NewPanelBuilder().Title(title).Description(t.String()).Unit(unit).Span(width).Height(low).WithTarget(query).
		Thresholds(limits).ColorMode(common.BigValueColorModeBackground).GraphMode(common.BigValueGraphModeArea).
		JustifyMode(common.BigValueJustifyModeAuto).Orientation(common.VizOrientationAuto).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
}

// ranking shows the present values as bars, one below the other.
func ranking(title string, t told, unit string, width uint32, limits *dashboard.ThresholdsConfigBuilder, query *prometheus.DataqueryBuilder) *bargauge.PanelBuilder {
	return bargauge.NewPanelBuilder().Title(title).Description(t.String()).Unit(unit).Span(width).Height(tall).WithTarget(query.Instant()).
		Min(0).Thresholds(limits).Orientation(common.VizOrientationHorizontal).DisplayMode(common.BarGaugeDisplayModeBasic).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
}

// heat draws how a histogram's values spread over time; unit is the values'.
func heat(title string, t told, unit string, width uint32, expr string) *heatmap.PanelBuilder {
	return heatmap.NewPanelBuilder().Title(title).Description(t.String()).Unit(units.Short).Span(width).Height(tall).WithTarget(cells(expr)).
		Calculate(false).YAxis(heatmap.NewYAxisConfigBuilder().Unit(unit)).CellGap(1).
		RowsFrame(heatmap.NewRowsHeatmapOptionsBuilder().Layout(common.HeatmapCellLayoutLe)).
		CellValues(heatmap.NewCellValuesBuilder().Unit(units.Short)).
		Color(heatmap.NewHeatmapColorOptionsBuilder().Mode(heatmap.HeatmapColorModeScheme).Scheme("Oranges").Fill("dark-orange").
			Scale(heatmap.HeatmapColorScaleExponential).Exponent(0.5).Steps(64)).
		Tooltip(heatmap.NewHeatmapTooltipBuilder().Mode(common.TooltipDisplayModeSingle).YHistogram(true)).ShowLegend()
}

// states draws which of its states a thing was in, over time; the query's series are 1 while they are the state.
func states(title string, t told, width uint32, query *prometheus.DataqueryBuilder) *statetimeline.PanelBuilder {
	return statetimeline.NewPanelBuilder().Title(title).Description(t.String()).Unit(units.NoUnit).Span(width).Height(tall).WithTarget(query).
		ShowValue(common.VisibilityModeNever).MergeValues(true).RowHeight(0.8).FillOpacity(70).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(false).DisplayMode(common.LegendDisplayModeHidden).Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeSingle).Sort(common.SortOrderNone))
}

// column is one of a table: the label it shows, or Value, and its heading.
type column struct{ of, heading string }

// list shows the present state as a table of these columns; unit is the value's. The value is sorted by, highest first.
func list(title string, t told, unit string, width uint32, limits *dashboard.ThresholdsConfigBuilder, expr string, columns ...column) *table.PanelBuilder {
	order, headings, value := map[string]any{}, map[string]any{}, ""
	for i, c := range columns {
		order[c.of], headings[c.of] = i, c.heading
		if c.of == "Value" {
			value = c.heading
		}
	}
	return table.NewPanelBuilder().Title(title).Description(t.String()).Unit(unit).Span(width).Height(tall).WithTarget(rows(expr)).
		Thresholds(limits).CellHeight(common.TableCellHeightSm).ShowHeader(true).
		SortBy([]cog.Builder[common.TableSortByFieldState]{common.NewTableSortByFieldStateBuilder().DisplayName(value).Desc(true)}).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"excludeByName": map[string]any{"Time": true}, "indexByName": order, "renameByName": headings,
		}}).
		OverrideByName(value, []dashboard.DynamicConfigValue{
			{Id: "custom.cellOptions", Value: map[string]any{"type": "color-text"}},
		})
}

// toEmployer makes a column of a table a link to the dashboard of that row's employer.
func toEmployer(p *table.PanelBuilder, heading string) *table.PanelBuilder {
	return p.OverrideByName(heading, []dashboard.DynamicConfigValue{{Id: "links", Value: []map[string]any{{
		"title": "Show this employer",
		"url": "/d/" + uidEmployer + "?${datasource:queryparam}&var-employer=${__data.fields.Employer}" +
			"&var-connection=${__data.fields.Connection}&${__url_time_range}",
	}}}})
}

// limit is where a colour begins.
type limit struct {
	from  float64
	color string
}

// limits gives values below all limits the first colour.
func limits(first string, more ...limit) *dashboard.ThresholdsConfigBuilder {
	steps := []dashboard.Threshold{{Color: first}}
	for _, l := range more {
		steps = append(steps, dashboard.Threshold{Value: cog.ToPtr(l.from), Color: l.color})
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)
}

// atMost is for what ought to be low.
func atMost(warn, bad float64) *dashboard.ThresholdsConfigBuilder {
	return limits(green, limit{warn, orange}, limit{bad, red})
}

// atLeast is for what ought to be high.
func atLeast(warn, good float64) *dashboard.ThresholdsConfigBuilder {
	return limits(red, limit{warn, orange}, limit{good, green})
}

// none is for what is neither good nor bad.
func none() *dashboard.ThresholdsConfigBuilder { return limits(blue) }

// colour gives a series a colour of its own.
func colour(name string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{{Id: "color", Value: map[string]any{"mode": "fixed", "fixedColor": name}}}
}
