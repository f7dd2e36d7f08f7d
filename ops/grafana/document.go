package main

import (
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// documentHead begins docs/dashboards.md.
const documentHead = `# Dashboards

Made by ` + "`make dashboards`" + ` from ops/grafana, as the dashboards are: change the code, not this page.

In ` + "`docker compose`" + ` Grafana has them from the start, in the folder Ashbridge. With a Grafana of your own, give it the files of
ops/grafana/dashboards (` + "`ops/grafana/provisioning`" + ` shows how, or import them by hand) and a Prometheus that scrapes Ashbridge as
ops/prometheus/prometheus.yml does: the panels go by the labels ` + "`job=\"ashbridge\"`, `service` and `instance`" + `, and some by the recording rules in
ops/prometheus/rules. Set the data source's scrape interval to Prometheus', else rates have too few samples.

Each panel's description, the (i) beside its title, says what is good and what is bad; they stand here, too. The drawings show what lies
where, as the files say: there are no screenshots, since no Grafana was to be had where this was made, and none has drawn these panels yet.
What is tested is that every panel's queries have answers from a real Prometheus that scrapes a running system, and the form of the files.
`

// document describes the dashboards for people.
func document(boards []board, built []classic) []byte {
	var out strings.Builder
	out.WriteString(documentHead)
	for i, b := range boards {
		fmt.Fprintf(&out, "\n## %s\n\n%s\n\n```\n%s```\n", b.title, b.about, draw(built[i].Panels))
		for _, p := range built[i].Panels {
			if p.RowPanel != nil {
				fmt.Fprintf(&out, "\n### %s\n\n| panel | shows | good | bad |\n|---|---|---|---|\n", *p.RowPanel.Title)
				continue
			}
			sentences := strings.NewReplacer("\n\n**Good:** ", " | ", "\n\n**Bad:** ", " | ").Replace(*p.Panel.Description)
			fmt.Fprintf(&out, "| %s | %s |\n", *p.Panel.Title, sentences)
		}
	}
	return []byte(out.String())
}

// cell is how many characters a unit of the grid's width has in a drawing.
const cell = 4

// draw draws the panels as boxes. Those of one line have the same height.
func draw(panels []dashboard.PanelOrRowPanel) string {
	var out strings.Builder
	var line []*dashboard.Panel
	flush := func() {
		if len(line) > 0 {
			out.WriteString(drawLine(line))
			line = nil
		}
	}
	for _, p := range panels {
		if p.RowPanel != nil {
			flush()
			fmt.Fprintf(&out, "▾ %s\n", *p.RowPanel.Title)
			continue
		}
		if len(line) > 0 && p.Panel.GridPos.Y != line[0].GridPos.Y {
			flush()
		}
		line = append(line, p.Panel)
	}
	flush()
	return out.String()
}

func drawLine(line []*dashboard.Panel) string {
	edge, title, kind := "", "", ""
	for _, p := range line {
		wide := int(p.GridPos.W)*cell - 2
		edge += "+" + strings.Repeat("-", wide) + "+"
		title += "|" + padded(*p.Title, wide) + "|"
		kind += "|" + padded("("+p.Type+")", wide) + "|"
	}
	rows := []string{edge, title, kind}
	for range int(line[0].GridPos.H)/low - 1 {
		rows = append(rows, blank(title), blank(title))
	}
	return strings.Join(append(rows, edge), "\n") + "\n"
}

// padded is text with a blank before it, cut or filled to a width.
func padded(text string, wide int) string {
	runes := []rune(" " + text)
	if len(runes) > wide {
		runes = append(runes[:wide-1], '…')
	}
	return string(runes) + strings.Repeat(" ", wide-len(runes))
}

// blank keeps the borders of a line of boxes.
func blank(line string) string {
	return strings.Map(func(r rune) rune {
		if r == '|' {
			return r
		}
		return ' '
	}, line)
}
