package controller

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// The rule: each step of a reconciliation fails alone, is reported on the workloads
// that it was for, and is tried again by itself. A restart that a policy refuses
// must not keep an app from its ExternalSecret.

// eventNotWritten is the reason of Events about writes that failed. Restarts that
// fail are reported by those that ask for them.
const eventNotWritten = "ExternalSecretNotWritten"

const (
	// firstRetry is when a step that failed is tried again. It doubles with each
	// failure, up to maxRetry.
	firstRetry = time.Second
	maxRetry   = 5 * time.Minute
)

// step names a step of an app, and what an Event says when it fails.
type step struct {
	app    client.ObjectKey
	what   string // what is done, and to which object
	reason string // of the Event; empty for a step that reads
}

// failure is a step that failed, and when it is tried again.
type failure struct {
	times int
	next  time.Time
}

// try takes a step. One that failed is left alone until its time has come.
func (p *pass) try(ctx context.Context, reason, what string, about []workload.Ref, do func() error) {
	s := step{app: p.app, what: what, reason: reason}
	var last failure
	if value, ok := p.failures.Get(s); ok {
		last = value.(failure) //nolint:forcetypeassert // nothing else is put there
	}
	if rest := last.next.Sub(p.clock.Now()); rest > 0 {
		p.waitAtMost(rest)
		return
	}
	err := do()
	if err == nil || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) { // its workloads are about to go, too
		if last.times > 0 {
			p.failures.Remove(s)
			for _, w := range about {
				p.events.Over(w, reason)
			}
		}
		return
	}
	delay := min(firstRetry<<min(last.times, 10), maxRetry)
	p.failures.Add(s, failure{times: last.times + 1, next: p.clock.Now().Add(delay)}, 2*maxRetry)
	p.waitAtMost(delay)
	p.log(ctx).Error(err, "A step failed; it is tried again", "step", what, "after", delay.String())
	if reason == "" {
		return
	}
	for _, w := range about {
		p.events.Say(w, workloadevents.Warn(reason, "Reconcile", fmt.Sprintf("cannot %s: %s; it is tried again", what, err)))
	}
}

// workloadsOf are the workloads of claims.
func workloadsOf(claims []claim) []workload.Ref {
	refs := make([]workload.Ref, len(claims))
	for n, c := range claims {
		refs[n] = c.Workload
	}
	return refs
}
