package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
)

// The rule: a rotation ends in restarted pods, also where ESO removed the Secret in
// between, as it does for a parameter "{}" under deletionPolicy Delete. Reloader
// acts on changes of a Secret and ignores its creation, so pods that had the former
// one are restarted here, once, in their turn.

// removed is when the Secret was found removed, as it is to stand on the
// ExternalSecret; empty where it never was.
func (p *pass) removed(existing *externalsecret.ExternalSecret, secret string) string {
	if existing == nil || existing.SecretName() != secret {
		return ""
	}
	if existing.Phase() == externalsecret.PhaseOwn && existing.NextPhase(secret) == externalsecret.PhaseProbe {
		return p.clock.Now().UTC().Format(time.RFC3339)
	}
	return existing.Annotations[api.AnnotationSecretRemoved]
}

// outlived is a pod that had the Secret before it was removed.
type outlived struct {
	pod     types.UID
	removed string
}

// ofWorkload is a pod with the workload that it belongs to.
type ofWorkload struct {
	pod, workload types.UID
	name          string
	revision      string
	created       time.Time
	deleting      bool
}

// olderThan returns the pods, which are sorted by age with the newest first, that are
// older than a time and that nothing replaces: a former revision's are being replaced.
func olderThan(at time.Time, pods []ofWorkload) []ofWorkload {
	var older []ofWorkload
	newest := make(map[types.UID]string) // the revision of each workload
	for _, pod := range pods {
		if _, known := newest[pod.workload]; !known {
			newest[pod.workload] = pod.revision
		}
		if !pod.deleting && pod.revision == newest[pod.workload] && pod.created.Before(at) {
			older = append(older, pod)
		}
	}
	return older
}

// removedAt is when the Secret was removed that is there again; zero where it was
// not, or is not there again.
func removedAt(e *externalsecret.ExternalSecret) time.Time {
	at, err := time.Parse(time.RFC3339, e.Annotations[api.AnnotationSecretRemoved])
	if err != nil || !e.Filled() || !e.Status.RefreshTime.After(at) {
		return time.Time{}
	}
	return at
}

// outlived returns the restarts of workloads whose pods are older than the removal
// of a Secret that is there again; version names what it holds now.
func (p *pass) outlived(ctx context.Context, e *externalsecret.ExternalSecret, claims []claim) ([]func(version string) cause, error) {
	at := removedAt(e)
	if at.IsZero() {
		return nil, nil
	}
	pods, err := p.podsByWorkload(ctx)
	if err != nil {
		return nil, err
	}
	var restarts []func(string) cause
	for _, pod := range olderThan(at, pods) {
		n := slices.IndexFunc(claims, func(c claim) bool { return c.Workload.UID == pod.workload })
		about := outlived{pod.pod, at.Format(time.RFC3339)}
		if _, settled := p.settled.Get(about); n < 0 || settled {
			continue
		}
		restarts = append(restarts, func(version string) cause { return madeAgain(claims[n], about, version) })
	}
	return restarts, nil
}

// podsByWorkload are the app's pods with the workloads that they belong to, newest first.
func (p *pass) podsByWorkload(ctx context.Context) ([]ofWorkload, error) {
	var pods []ofWorkload
	for _, pod := range p.inventory.Pods(p.app) {
		top, err := p.owners.Top(ctx, pod)
		if err != nil {
			return nil, err
		}
		if top != nil {
			pods = append(pods, ofWorkload{
				pod: pod.UID, workload: top.UID, name: pod.Name, revision: pod.Revision, created: pod.Created(), deleting: pod.Deleting,
			})
		}
	}
	return pods, nil
}

func madeAgain(c claim, about outlived, version string) cause {
	again := appeared(c, version)
	again.about = about
	again.done.note = fmt.Sprintf("restarted: its pods had Secret %q before it was removed at %s; it is there again, with %q",
		c.Wants.Secret, about.removed, version)
	again.left.note = fmt.Sprintf("pods run with what Secret %q held before it was removed at %s; it is there again, with %q: restart them",
		c.Wants.Secret, about.removed, version)
	return again
}
