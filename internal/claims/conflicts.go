package claims

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/workload"
)

// Claim is what one workload asks for, by its own template.
type Claim struct {
	Workload workload.Ref
	// Created is the workload's age, which decides conflicts.
	Created  time.Time
	Identity identity.Identity
	Wants    externalsecret.Wants
	// Newest is when the newest pod of the app was created.
	Newest time.Time
	// Awaiting is the newest pod of the current revision that may have started
	// before its Secret existed; empty where there is none.
	Awaiting types.UID
}

// shares says that the claims are for one ExternalSecret.
func (c Claim) shares(other Claim) bool {
	return c.Identity.ExternalSecret == other.Identity.ExternalSecret
}

func (c Claim) wantsTheSame(other Claim) bool { return c.shares(other) && c.Wants == other.Wants }

// Conflict is a workload that does not get what it asks for.
type Conflict struct {
	Winner, Loser workload.Ref
	// Message says for people what differs, and who decided.
	Message string
}

// InConflict says that the claims do not all want the same.
func InConflict(claims []Claim) bool {
	return slices.ContainsFunc(claims, func(c Claim) bool { return c.Wants != claims[0].Wants })
}

// Winner returns the claim that an ExternalSecret is made by: the oldest
// workload's, and a pod's or a Job's own only where no workload asks. An app's
// second workload must not redirect the first one's secrets, and a pod not at all.
func Winner(claims []Claim) (Claim, []Conflict) {
	sorted := slices.SortedFunc(slices.Values(claims), func(a, b Claim) int {
		if a.Workload.OwnsExternalSecrets() != b.Workload.OwnsExternalSecrets() {
			if a.Workload.OwnsExternalSecrets() {
				return -1
			}
			return 1
		}
		return cmp.Or(a.Created.Compare(b.Created), workload.Compare(a.Workload, b.Workload))
	})
	winner := sorted[0]
	var conflicts []Conflict
	for _, c := range sorted[1:] {
		if c.Wants != winner.Wants {
			conflicts = append(conflicts, Conflict{Winner: winner.Workload, Loser: c.Workload, Message: explain(winner, c)})
		}
	}
	return winner, conflicts
}

// why says by which rule the winner decides.
func why(winner, loser Claim) string {
	if winner.Workload.OwnsExternalSecrets() && !loser.Workload.OwnsExternalSecrets() {
		return "a workload decides over pods of their own"
	}
	return "the older one decides"
}

func explain(winner, loser Claim) string {
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
	return fmt.Sprintf("%s and %s share ExternalSecret %q of app %q and ask it for different things; %s, which is %s: %s. "+
		"Make their annotations agree, or give them different app labels",
		winner.Workload, loser.Workload, winner.Identity.ExternalSecret, winner.Identity.App, why(winner, loser), winner.Workload, strings.Join(differences, ", "))
}
