package doctor

import "github.com/envgraft/envgraft/internal/clusterview"

// The rule: the Service that the API server calls has a ready pod behind it.
// One that selects no pods is not noticed as long as the API server keeps its
// connections.

func checkService(in Input) Finding {
	b := in.Backends
	switch b.State {
	case clusterview.Found:
	case clusterview.NotFound:
		return broken(upgrade(in), "Service %s, which the API server calls, does not exist", b.Value.Service)
	case clusterview.Unasked:
		if in.Webhooks.State != clusterview.Found {
			return unseen(in.Webhooks.Cause)
		}
		return unneeded("no Service is called")
	default:
		return unseen(b.Cause)
	}
	if b.Value.Ready == 0 {
		return broken(upgrade(in), "Service %s has no ready pod behind it, so the API server reaches envgraft only by connections that are still open: "+
			"see its selector", b.Value.Service)
	}
	return ok("Service %s: %d ready pods", b.Value.Service, b.Value.Ready)
}
