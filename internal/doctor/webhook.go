package doctor

import (
	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
)

// The rule: the API server knows the webhooks for pods and for workloads. This
// comes before the replicas: without the configuration they turn unready, and no
// restartWorkload makes them ready again.

func checkWebhook(in Input) Finding {
	name := in.Settings.Configuration.Server.Certificates.WebhookConfiguration
	switch in.Webhooks.State {
	case clusterview.Found:
	case clusterview.NotFound:
		if in.Operators.State == clusterview.Found && len(in.Operators.Value.Envgraft) == 0 {
			return broken(install(in), "envgraft is not installed: there is neither a Deployment of it nor MutatingWebhookConfiguration %q", name)
		}
		return broken(upgrade(in), "MutatingWebhookConfiguration %q does not exist, so the API server never calls envgraft: "+
			"replicas are not ready without it, and a restart does not help", name)
	default:
		return unseen(in.Webhooks.Cause)
	}
	have := map[string]bool{}
	for _, w := range in.Webhooks.Value.Webhooks {
		have[w.Path()] = true
	}
	for _, path := range []string{api.PodsWebhook, api.WorkloadsWebhook} {
		if !have[path] {
			return broken(upgrade(in), "MutatingWebhookConfiguration %q has no webhook with path %s", name, path)
		}
	}
	return ok("%d webhooks are configured", len(in.Webhooks.Value.Webhooks))
}
