package inspect

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/cli/output"
	"github.com/envgraft/envgraft/internal/doctor"
)

const longProblem = "could not get secret data from provider: AccessDeniedException: User is not authorized to perform ssm:GetParameter because no policy allows it"

func statusLines() []doctor.Line {
	return []doctor.Line{
		{Namespace: "shop", Workload: "cart", Kind: "Deployment", Parameter: "/shop/cart/stage/app", Version: 3, Synced: "yes"},
		{
			Namespace: "shop", Workload: "mail", Kind: "Deployment", Parameter: "/shop/mail/stage/app", Version: 7, Synced: "no",
			Severity: doctor.Broken, Link: "sync", Problem: longProblem,
		},
	}
}

// TestProblemIsNeverCut wants the whole cause of a problem in the table, whatever the
// width: on the line, or where that is too narrow on the next one.
func TestProblemIsNeverCut(t *testing.T) {
	for _, width := range []int{0, 20, 80, 120, 400} {
		var out bytes.Buffer
		writeStatusTable(&out, statusLines(), output.Palette{}, false, width)
		if !strings.Contains(out.String(), "sync: "+longProblem+"\n") {
			t.Errorf("%d columns: the problem is cut:\n%s", width, &out)
		}
		if own := strings.Contains(out.String(), "↓\n    sync: "); own != (width > 0 && width < 200) {
			t.Errorf("%d columns: the problem has a line of its own: %t\n%s", width, own, &out)
		}
	}
}

// TestWatch wants a terminal to be redrawn whole, and a pipe to get what changed.
func TestWatch(t *testing.T) {
	first := statusLines()
	later := statusLines()
	refreshed := time.Date(2026, 1, 3, 12, 0, 0, 0, time.UTC)
	later[0].Refreshed = &refreshed // ESO looks all the time
	changed := statusLines()
	changed[1].Severity, changed[1].Link, changed[1].Problem, changed[1].Synced = doctor.OK, "", "", "yes"

	var flags statusFlags
	flags.format = &cmdutil.Choice{Value: output.Table}
	shown := func(redraw, first bool, was, is []doctor.Line) string {
		t.Helper()
		var out bytes.Buffer
		if err := flags.show(&out, redraw, first, was, statusReport{Apps: is}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := shown(true, false, first, later); !strings.HasPrefix(got, clearScreen) || !strings.Contains(got, "cart") || !strings.Contains(got, "mail") {
		t.Errorf("a terminal is not redrawn whole: %q", got)
	}
	if got := shown(false, true, nil, first); !strings.Contains(got, "cart") || !strings.Contains(got, "mail") || strings.Contains(got, "\x1b") {
		t.Errorf("a pipe does not begin with all: %q", got)
	}
	if diff := cmp.Diff("", shown(false, false, first, later)); diff != "" {
		t.Errorf("nothing changed, and a pipe gets: -want, +got:\n%s", diff)
	}
	if got := shown(false, false, later, changed); strings.Contains(got, "cart") || !strings.Contains(got, "mail") {
		t.Errorf("one app changed, and a pipe gets %q", got)
	}
	if diff := cmp.Diff("No app is injected here.\n", shown(false, true, nil, nil)); diff != "" {
		t.Errorf("without apps: -want, +got:\n%s", diff)
	}
}
