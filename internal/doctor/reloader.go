package doctor

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/clusterview"
)

// upgradeReloader is the start of its own documentation's way to install it.
const upgradeReloader = "helm upgrade --install --repo https://stakater.github.io/stakater-charts --namespace "

// The rule: Reloader runs, and watches this namespace. One that has
// KUBERNETES_NAMESPACE set watches only its own, silently, and one that was not
// told of Argo Rollouts restarts none.

func checkReloader(p Patient) Finding {
	if !p.Settings.Configuration.Reload.Enabled {
		return unneeded("reload.enabled is false")
	}
	if p.App != nil && !p.reloads() {
		return unneeded("%s", p.noReload())
	}
	if p.Operators.State != clusterview.Found {
		return unseen(p.Operators.Cause)
	}
	all := p.Operators.Value.Reloader
	if len(all) == 0 {
		return broken(upgradeReloader+"reloader --create-namespace reloader reloader", //nolint:dupword // release and chart
			"no Deployment of Reloader was found, so that nothing restarts pods after a rotation")
	}
	if p.App == nil {
		return anyReady(all)
	}
	var watching []clusterview.Deployment
	blind := ""
	for _, d := range all {
		watches, why := d.Watches(p.App.Workload.Namespace)
		if watches {
			watching = append(watching, d)
		} else {
			blind = why
		}
	}
	if len(watching) == 0 {
		return broken(fmt.Sprintf("kubectl -n %s set env deployment/%s KUBERNETES_NAMESPACE-", all[0].Metadata.Namespace, all[0].Metadata.Name),
			"no Reloader watches namespace %q: %s", p.App.Workload.Namespace, blind)
	}
	if p.App.Workload.Kind.Kind == "Rollout" {
		deaf := watching[0]
		watching = slices.DeleteFunc(watching, func(d clusterview.Deployment) bool { return !d.RestartsRollouts() })
		if len(watching) == 0 {
			return broken(tellOfRollouts(deaf.Metadata),
				"%s restarts no Rollouts: it was not started with --is-Argo-Rollouts=true", deaf)
		}
	}
	return anyReady(watching)
}

// tellOfRollouts is the command that does. The chart's value gives the rights, too.
func tellOfRollouts(reloader metav1.ObjectMeta) string {
	release := reloader.Annotations["meta.helm.sh/release-name"]
	if release == "" {
		return fmt.Sprintf("kubectl -n %s edit deployment/%s", reloader.Namespace, reloader.Name)
	}
	return upgradeReloader + fmt.Sprintf("%s %s reloader --reuse-values --set reloader.isArgoRollouts=true", reloader.Namespace, release)
}
