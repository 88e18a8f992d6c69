// Package dashboard holds the chart's dashboard to the types of Grafana's own SDK,
// grafana-foundation-sdk: a misspelled option is no error to Grafana, it only has
// no effect.
package dashboard

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

const (
	file    = "../../deploy/chart/files/dashboard.json"
	runbook = "https://github.com/envgraft/envgraft/blob/main/docs/operations.md#"
	columns = 24
)

func register() {
	runtime := cog.NewRuntime()
	runtime.RegisterPanelcfgVariant(stat.VariantConfig())
	runtime.RegisterPanelcfgVariant(timeseries.VariantConfig())
	runtime.RegisterDataqueryVariant(prometheus.VariantConfig())
}

// board is the dashboard and its panels, rows left out.
type board struct {
	dashboard.Dashboard

	panels []dashboard.Panel
}

func read(t *testing.T) (board, []byte) {
	t.Helper()
	register()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := decode(data)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return b, data
}

// decode refuses unknown fields. Panels are decoded each by itself: the SDK decides
// by its own strict decoder whether one is a panel or a row, and that (v0.0.22)
// returns an empty list of errors as an error.
func decode(data []byte) (board, error) {
	var b board
	if err := strict(b.UnmarshalJSONStrict(data)); err != nil {
		return b, err
	}
	var raw struct {
		Panels []json.RawMessage `json:"panels"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return b, err
	}
	for _, one := range raw.Panels {
		var kind struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(one, &kind); err != nil {
			return b, err
		}
		if kind.Type == "row" {
			var row dashboard.RowPanel
			if err := strict(row.UnmarshalJSONStrict(one)); err != nil {
				return b, err
			}
			continue
		}
		var panel dashboard.Panel
		if err := strict(panel.UnmarshalJSONStrict(one)); err != nil {
			return b, err
		}
		b.panels = append(b.panels, panel)
	}
	return b, nil
}

func strict(err error) error {
	if err != nil && err.Error() == "" {
		return nil
	}
	return err
}

// TestTypes decodes every field, those of panels and queries too, and refuses
// the ones that Grafana does not know.
func TestTypes(t *testing.T) {
	d, _ := read(t)
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	if len(d.panels) == 0 {
		t.Fatal("the dashboard has no panel")
	}
	for _, panel := range d.panels {
		if panel.Type != "stat" && panel.Type != "timeseries" {
			t.Errorf("panel %q is of type %q, whose options this test does not register", *panel.Title, panel.Type)
		}
		if defaults := panel.FieldConfig.Defaults; panel.Type == "stat" && (defaults.Thresholds == nil || len(defaults.Thresholds.Steps) < 2) {
			t.Errorf("panel %q has no thresholds: it does not say what is good", *panel.Title)
		}
		for _, target := range panel.Targets {
			query, ok := target.(prometheus.Dataquery)
			if pointer, is := target.(*prometheus.Dataquery); is {
				query, ok = *pointer, true
			}
			if !ok || query.Expr == "" {
				t.Errorf("panel %q: target %T is no query of Prometheus", *panel.Title, target)
			}
		}
	}
}

// TestTypesRefuse proves that TestTypes can fail: at each level an unknown field
// is an error.
func TestTypesRefuse(t *testing.T) {
	_, data := read(t)
	for level, change := range map[string][2]string{
		"dashboard": {`"graphTooltip"`, `"graphTolltip"`},
		"panel":     {`"gridPos"`, `"gridPosition"`},
		"options":   {`"colorMode"`, `"colourMode"`},
		"variable":  {`"includeAll"`, `"includesAll"`},
		"query":     {`"legendFormat"`, `"legend"`},
		"custom":    {`"fillOpacity"`, `"fill"`},
	} {
		if !strings.Contains(string(data), change[0]) {
			t.Errorf("%s: the dashboard has no %s", level, change[0])
		}
		if _, err := decode([]byte(strings.Replace(string(data), change[0], change[1], 1))); err == nil {
			t.Errorf("%s: %s in place of %s is taken", level, change[1], change[0])
		}
	}
}

// TestLayout wants no panel beside or above another.
func TestLayout(t *testing.T) {
	d, _ := read(t)
	taken := map[[2]uint32]string{}
	ids := map[uint32]bool{}
	for _, panel := range d.panels {
		g := panel.GridPos
		if g.X+g.W > columns {
			t.Errorf("panel %q ends in column %d of %d", *panel.Title, g.X+g.W, columns)
		}
		if ids[*panel.Id] {
			t.Errorf("panel %q: another has its id %d", *panel.Title, *panel.Id)
		}
		ids[*panel.Id] = true
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, is := taken[[2]uint32{x, y}]; is {
					t.Fatalf("panels %q and %q lie on each other", *panel.Title, other)
				}
				taken[[2]uint32{x, y}] = *panel.Title
			}
		}
	}
}

// TestVariables wants every query to be limited by what can be chosen on top: one
// Prometheus may watch many clusters.
func TestVariables(t *testing.T) {
	d, _ := read(t)
	var names []string
	for _, variable := range d.Templating.List {
		names = append(names, variable.Name)
	}
	if got, want := strings.Join(names, " "), "datasource cluster namespace job"; got != want {
		t.Errorf("the dashboard's variables are %q, want %q", got, want)
	}
	for _, panel := range d.panels {
		for _, target := range panel.Targets {
			text, err := json.Marshal(target)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), `cluster=~\"$cluster\"`) {
				t.Errorf("panel %q is not limited to a cluster: %s", *panel.Title, text)
			}
		}
	}
}

// TestLinks wants panels to lead to the runbook's sections, and those to exist.
func TestLinks(t *testing.T) {
	d, _ := read(t)
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if name, is := strings.CutPrefix(strings.TrimSpace(line), "### "); is {
			sections[strings.ToLower(name)] = true
		}
	}
	found := 0
	for _, panel := range d.panels {
		for _, link := range panel.Links {
			found++
			section, is := strings.CutPrefix(*link.Url, runbook)
			if !is || !sections[section] {
				t.Errorf("panel %q links to %s, which is no section of the runbook", *panel.Title, *link.Url)
			}
		}
	}
	if found == 0 {
		t.Error("no panel links to the runbook")
	}
}
