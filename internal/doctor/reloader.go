package doctor

import (
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/workload"
)

// The rule: a Reloader runs, watches this namespace and the app's Secret, and
// restarts workloads of this kind. Its arguments can make it deaf, which it says
// nowhere; reloaderargs.go reads them.

func checkReloader(in Input) Finding {
	if !in.Settings.Configuration.Reload.Enabled {
		return unneeded("reload.enabled is false")
	}
	if in.App != nil {
		if f, stop := noReload(in); stop {
			return f
		}
	}
	if in.Operators.State != clusterview.Found {
		return unseen(in.Operators.Cause)
	}
	all := in.Operators.Value.Reloader
	if len(all) == 0 {
		return broken(installReloader(), "no Deployment of Reloader was found, so that nothing restarts pods after a rotation")
	}
	if in.App == nil {
		return independentOperator(in, all)
	}
	var hearing []clusterview.Deployment
	var deaf, unsure string
	for _, d := range all {
		switch h := argumentsOf(d).hears(in); {
		case h.deaf != "":
			deaf = h.deaf
		case h.unsure != "":
			unsure = h.unsure
		default:
			hearing = append(hearing, d)
		}
	}
	switch {
	case len(hearing) > 0:
		return restarting(in, hearing)
	case unsure != "":
		return unseen("cannot tell whether Reloader restarts " + in.App.Workload.String() + ": " + unsure)
	}
	return broken(editDeployment(all[0].Metadata, "to have it act on Secrets of namespace "+in.App.Workload.Namespace),
		"no Reloader restarts %s: %s", in.App.Workload, deaf)
}

// restarting looks at the Reloaders that watch the Secret.
func restarting(in Input, hearing []clusterview.Deployment) Finding {
	if in.App.Workload.Kind.Kind != workload.Rollout {
		return independentOperator(in, hearing)
	}
	var able []clusterview.Deployment
	for _, d := range hearing {
		if argumentsOf(d).is("is-Argo-Rollouts") {
			able = append(able, d)
		}
	}
	if len(able) == 0 {
		return broken(enableRollouts(hearing[0].Metadata), "%s restarts no Rollouts: it was not started with --is-Argo-Rollouts=true", hearing[0])
	}
	return independentOperator(in, able)
}
