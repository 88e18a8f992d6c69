package doctor

import (
	"fmt"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/workload"
)

// The rule: the pods that the workload wants exist, were injected, have started,
// and run with the data of today.

func checkPods(in Input) Finding {
	if f, stop := notInjected(in); stop {
		return f
	}
	if in.App.Pods.State != clusterview.Found {
		return unseen(in.App.Pods.Cause)
	}
	var j judged
	for _, pod := range in.App.Pods.Value {
		if !pod.Ended() {
			j.add(pod, in.App.Judge(pod))
		}
	}
	if f, found := notCreated(in, j.running); found {
		return f
	}
	if f, found := mustReplace(in, j); found {
		return f
	}
	switch {
	case j.waiting != "":
		return warn("%s", j.waiting)
	case j.running == 0:
		return noPods(in)
	case j.unsure != "" && in.runsWithout():
		return ok("%d injected, running without a parameter", j.running)
	case j.unsure != "":
		return ok("%d injected; how fresh is not known: %s", j.running, j.unsure)
	}
	return ok("%d injected and fresh", j.running)
}

// judged sums the pods up; each text is of the first pod of its sort.
type judged struct {
	running, notInjected, stale                     int
	notInjectedWhy, staleAs, stuck, waiting, unsure string
}

func (j *judged) add(pod clusterview.Pod, of clusterview.Judgement) {
	j.running++
	say := func(text *string, format string) {
		if *text == "" {
			*text = fmt.Sprintf(format, pod.Metadata.Name, of.Why)
		}
	}
	switch of.Freshness {
	case clusterview.Uninjected:
		j.notInjected++
		say(&j.notInjectedWhy, "pod %s: %s")
	case clusterview.Stale:
		j.stale++
		say(&j.staleAs, "pod %s: %s")
	case clusterview.Replacing:
		say(&j.waiting, "pod %s has older data: %s")
	case clusterview.Waiting:
		if reason, _ := pod.Waiting(); reason == clusterview.ConfigError {
			say(&j.stuck, "pod %s cannot start: %s")
		} else {
			say(&j.waiting, "pod %s waits: %s")
		}
	case clusterview.Unsure:
		if j.unsure == "" {
			j.unsure = of.Why
		}
	case clusterview.Fresh:
	}
}

// mustReplace is for pods that must be replaced.
func mustReplace(in Input, j judged) (Finding, bool) {
	switch {
	case j.stuck != "":
		return broken(restartWorkload(in), "%s", j.stuck), true
	case j.notInjected > 0:
		return broken(restartWorkload(in), "%d of %d pods are not injected: %s", j.notInjected, j.running, j.notInjectedWhy), true
	case j.stale > 0:
		return broken(restartWorkload(in), "%d of %d pods are stale: %s", j.stale, j.running, j.staleAs), true
	}
	return Finding{}, false
}

// notCreated is for pods that the workload wants and cannot make.
func notCreated(in Input, running int) (Finding, bool) {
	if in.App.Failure == "" || running >= in.App.Workload.Wanted() {
		return Finding{}, false
	}
	by := none()
	if parseRefusal(in, in.App.Failure).kind == refusedQuota {
		by = describeQuota(in)
	}
	return broken(by, "%d of %d pods exist, and no more can be created: %s", running, in.App.Workload.Wanted(), in.App.Failure), true
}

func noPods(in Input) Finding {
	w := in.App.Workload
	switch {
	case w.Kind.Kind == workload.CronJob:
		return ok("no run is under way; each starts with the data of its time")
	case w.Wanted() == 0:
		return unneeded("%s is scaled to 0", w)
	case w.Kind.Kind == workload.Job, w.Kind.Kind == workload.DaemonSet:
		return unneeded("no pod runs")
	}
	return warn("no pod of %s exists, though it wants %d", w, w.Wanted())
}
