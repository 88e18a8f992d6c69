package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/identity"
)

// claim is what one workload, by its newest pod, asks for.
type claim struct {
	Workload workload
	// Created is the workload's age, which decides conflicts; it is only
	// looked up where there is one.
	Created  time.Time
	Identity identity.Identity
	Wants    eso.Wants
	// Newest is when the newest pod of the workload was created.
	Newest time.Time
	// Awaiting is the newest pod of the current revision that may have started
	// before its Secret existed; empty where there is none.
	Awaiting types.UID

	// revision is that of the newest pod.
	revision string
	// read is when the oldest read was made that led to the workload.
	read time.Time
}

// eventConflict is the reason of the Events about conflicts.
const eventConflict = "ExternalSecretConflict"

// conflict is a workload that does not get what it asks for.
type conflict struct {
	Winner, Loser workload
	// Message says for people what differs, and who decided.
	Message string
}

// inConflict says that the claims do not all want the same.
func inConflict(claims []claim) bool {
	return slices.ContainsFunc(claims, func(c claim) bool { return c.Wants != claims[0].Wants })
}

// decide returns the claim that an ExternalSecret is made by: the oldest
// workload's. An app's second workload must not redirect the first one's
// secrets, whichever of them has the newer pods.
func decide(claims []claim) (claim, []conflict) {
	sorted := slices.SortedFunc(slices.Values(claims), func(a, b claim) int {
		return cmp.Or(a.Created.Compare(b.Created), compareWorkloads(a.Workload, b.Workload))
	})
	winner := sorted[0]
	var conflicts []conflict
	for _, c := range sorted[1:] {
		if c.Wants != winner.Wants {
			conflicts = append(conflicts, conflict{Winner: winner.Workload, Loser: c.Workload, Message: explain(winner, c)})
		}
	}
	return winner, conflicts
}

func explain(winner, loser claim) string {
	var differences []string
	for _, d := range []struct{ what, winner, loser string }{
		{"parameter", winner.Wants.Parameter, loser.Wants.Parameter},
		{"Secret", winner.Wants.Secret, loser.Wants.Secret},
		{"refresh interval", winner.Wants.RefreshInterval.String(), loser.Wants.RefreshInterval.String()},
		{"deletion policy", winner.Wants.DeletionPolicy, loser.Wants.DeletionPolicy},
		{"store", winner.Wants.Store.String(), loser.Wants.Store.String()},
	} {
		if d.winner != d.loser {
			differences = append(differences, fmt.Sprintf("%s %q, not %q", d.what, d.winner, d.loser))
		}
	}
	return fmt.Sprintf("%s and %s share ExternalSecret %q of app %q and ask it for different things; the older workload decides, which is %s: %s. "+
		"Make their annotations agree, or give them different app labels",
		winner.Workload, loser.Workload, winner.Identity.ExternalSecret, winner.Identity.App, winner.Workload, strings.Join(differences, ", "))
}
