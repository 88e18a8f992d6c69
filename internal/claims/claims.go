// Package claims decides what the workloads of an app ask of its ExternalSecrets, and
// whose claim decides where they differ. It is pure.
package claims

import (
	"errors"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/inventory"
	"github.com/envgraft/envgraft/internal/workload"
)

// App has the workloads and pods of an app.
type App struct {
	Workloads []*inventory.Workload
	// Pods are those that the webhook labelled, newest first.
	Pods []*inventory.Pod
	// DecideWorkload and DecidePod decide by labels and annotations, those of a workload's
	// template or of a pod.
	DecideWorkload func(*inventory.Workload) graft.Decision
	DecidePod      func(*inventory.Pod) graft.Decision
	Settings       externalsecret.Settings
	// Top returns the workload above a pod; nil where its owner is gone.
	Top func(*inventory.Pod) (*workload.Ref, error)
	// Settled says that a pod that waited for a Secret needs no more thought.
	Settled func(pod types.UID) bool
}

// Of returns what an app's workloads ask for by their own templates, and
// what pods do that no workload stands above. No mark on a pod is trusted, nor
// the owner that it names: whoever may create pods can write both.
func Of(a App) ([]Claim, error) {
	var claims []Claim
	for _, row := range a.Workloads {
		if row.Deleting {
			continue
		}
		if c, ok := a.claim(row.Ref, a.DecideWorkload(row), row.Created()); ok {
			claims = append(claims, c)
		}
	}
	slices.SortFunc(claims, func(a, b Claim) int { return workload.Compare(a.Workload, b.Workload) })
	claims, err := a.addUnowned(claims)
	if err != nil || len(claims) == 0 {
		return nil, err
	}
	for n := range claims {
		if len(a.Pods) > 0 {
			claims[n].Newest = a.Pods[0].Created()
		}
	}
	return claims, a.addAwaiting(claims)
}

// claim is what a workload asks for by a decision about its pods.
func (a App) claim(w workload.Ref, d graft.Decision, created time.Time) (Claim, bool) {
	if d.Status != graft.StatusInjected || !d.Settings.Secrets {
		return Claim{}, false
	}
	return Claim{Workload: w, Created: created, Identity: d.Identity, Wants: externalsecret.WantsOf(d, a.Settings(d.Identity.ParameterEnvironment))}, true
}

// addUnowned adds the claims of pods that belong to no workload, one for each
// thing that they want. If a workload asks for the same ExternalSecret, that
// takes precedence, and the pods' owners are not worth a call.
func (a App) addUnowned(claims []Claim) ([]Claim, error) {
	owned := claims
	seen := make(map[types.UID]bool)
	var failed error
	for _, pod := range a.Pods {
		if pod.Controller != nil && seen[pod.Controller.UID] {
			continue // made of the same template
		}
		if pod.Controller != nil {
			seen[pod.Controller.UID] = true
		}
		c, ok := a.claim(pod.Ref(), a.DecidePod(pod), pod.Created())
		if !ok || slices.ContainsFunc(claims, c.wantsTheSame) || pod.Controller != nil && slices.ContainsFunc(owned, c.shares) {
			continue
		}
		top, err := a.Top(pod)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if top == nil || top.OwnsExternalSecrets() {
			continue
		}
		c.Workload = *top
		claims = append(claims, c)
	}
	return claims, failed
}

// addAwaiting notes of each workload the newest pod that may have started
// before its Secret existed. Pods of a former revision are being replaced already.
func (a App) addAwaiting(claims []Claim) error {
	if !slices.ContainsFunc(a.Pods, func(pod *inventory.Pod) bool { return pod.Awaits() && !a.Settled(pod.UID) }) {
		return nil
	}
	var failed error
	revisions := make(map[types.UID]string)
	for _, pod := range a.Pods {
		top, err := a.Top(pod)
		if err != nil {
			failed = errors.Join(failed, err)
		}
		if top == nil {
			continue
		}
		newest, known := revisions[top.UID]
		if !known {
			newest = pod.Revision
			revisions[top.UID] = newest
		}
		at := slices.IndexFunc(claims, func(c Claim) bool { return c.Workload.UID == top.UID })
		if at >= 0 && claims[at].Awaiting == "" && pod.Awaits() && pod.Revision == newest {
			claims[at].Awaiting = pod.UID
		}
	}
	return failed
}
