package doctor

import (
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: all running pods were injected, have started, and run with the data
// of today.

func checkPods(p Patient) Finding {
	if p.App.Subject.Status != graft.StatusInjected {
		return unneeded("the pods are not injected")
	}
	if p.App.Pods.State != clusterview.Found {
		return unseen(p.App.Pods.Cause)
	}
	running, unsure := 0, ""
	for _, pod := range p.App.Pods.Value {
		if pod.Ended() {
			continue
		}
		running++
		judged := p.App.Judge(pod)
		switch judged.Freshness {
		case clusterview.Bare, clusterview.Stale:
			return broken(p.renew(pod), "pod %s is %s: %s", pod.Metadata.Name, judged.Freshness, judged.Why)
		case clusterview.Waiting:
			if reason, _ := pod.Waiting(); reason != "" {
				return broken(p.renew(pod), "pod %s cannot start: %s", pod.Metadata.Name, judged.Why)
			}
		case clusterview.Unsure:
			unsure = judged.Why
		case clusterview.Fresh:
		}
	}
	switch {
	case running == 0 && p.App.Workload.Kind.Kind == "CronJob":
		return ok("no run is under way; each starts with the data of its time")
	case running == 0:
		return unneeded("no pod runs")
	case unsure != "":
		return ok("%d injected; how fresh is not known: %s", running, unsure)
	}
	return ok("%d injected and fresh", running)
}

// renew replaces pods, by the way of their kind.
func (p Patient) renew(pod clusterview.Pod) string {
	switch w := p.App.Workload; w.Kind.Kind {
	case "Deployment", "StatefulSet", "DaemonSet":
		return p.kubectl("rollout restart %s", w)
	case "Rollout":
		return p.kubectl(`patch %s --type merge -p "{\"spec\":{\"restartAt\":\"$(date -u +%%Y-%%m-%%dT%%H:%%M:%%SZ)\"}}"`, w)
	}
	return p.kubectl("delete pod %s", pod.Metadata.Name)
}
