package doctor

import (
	"strings"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
)

// The rule: the API server knows of the webhooks for pods and for workloads.

func checkWebhook(p Patient) Finding {
	switch p.Webhooks.State {
	case clusterview.Found:
	case clusterview.NotFound:
		return broken(p.upgrade(),
			"there is no MutatingWebhookConfiguration of envgraft, so that the API server never calls it")
	default:
		return unseen(p.Webhooks.Cause)
	}
	have := map[string]bool{}
	for _, w := range p.Webhooks.Value.Webhooks {
		path := ""
		if w.ClientConfig.Service != nil {
			path = w.ClientConfig.Service.Path
		} else if at := strings.Index(w.ClientConfig.URL, "/mutate/"); at >= 0 {
			path = w.ClientConfig.URL[at:]
		}
		have[path] = true
	}
	for _, path := range []string{api.PodsWebhook, api.WorkloadsWebhook} {
		if !have[path] {
			return broken(p.upgrade(),
				"the MutatingWebhookConfiguration has no webhook with path %s", path)
		}
	}
	return ok("%d webhooks are configured", len(p.Webhooks.Value.Webhooks))
}
