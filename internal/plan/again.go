package plan

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// The rule: a rotation ends in restarted pods, also where ESO removed the Secret in
// between, as it does for a parameter "{}" under deletionPolicy Delete. Reloader
// acts on changes of a Secret and ignores its creation, so pods that had the former
// one are restarted here, once, in their turn.

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

// again is a restart of a workload whose pods are older than the removal of a Secret
// that is there again.
type again struct {
	claim claim
	about outlived
}

// madeAgain returns the restarts of workloads whose pods are older than the removal
// of a Secret that is there again.
func (f follower) madeAgain() ([]again, error) {
	at := f.e.MadeAgain()
	if at.IsZero() {
		return nil, nil
	}
	pods, err := podsByWorkload(f.planner)
	if err != nil {
		return nil, err
	}
	var restarts []again
	for _, pod := range olderThan(at, pods) {
		n := slices.IndexFunc(f.claims, func(c claim) bool { return c.Workload.UID == pod.workload })
		about := outlived{pod.pod, at.Format(time.RFC3339)}
		if n >= 0 && !f.Memory.Settled(about) {
			restarts = append(restarts, again{f.claims[n], about})
		}
	}
	return restarts, nil
}

// podsByWorkload are the app's pods with the workloads that they belong to, newest first.
func podsByWorkload(p *planner) ([]ofWorkload, error) {
	tops, err := p.tops(p.Pods)
	if err != nil {
		return nil, err
	}
	var pods []ofWorkload
	for _, pod := range p.Pods {
		if top := tops[pod].Ref; top != nil {
			pods = append(pods, ofWorkload{
				pod: pod.UID, workload: top.UID, name: pod.Name, revision: pod.Revision, created: pod.Created(), deleting: pod.Deleting,
			})
		}
	}
	return pods, nil
}

// causeAgain is the cause of a restart of a workload whose Secret was made again.
func causeAgain(r again, version string, since time.Time) Cause {
	secret := r.claim.Wants.Secret
	cause := appeared(r.claim, version, since)
	cause.About = r.about
	cause.Done.note = fmt.Sprintf("restarted: its pods had Secret %q before it was removed at %s; it is there again, with %q",
		secret, r.about.removed, version)
	cause.Left.note = fmt.Sprintf("pods run with what Secret %q held before it was removed at %s; it is there again, with %q: restart them",
		secret, r.about.removed, version)
	return cause
}
