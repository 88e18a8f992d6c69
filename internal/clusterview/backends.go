package clusterview

import (
	"context"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
)

// Backends are the pods behind the Service that the API server calls.
type Backends struct {
	// Service is its namespace/name.
	Service string
	Ready   int
}

func services() Kind { return Kind{Kind: "Service", Version: "v1", Resource: "services"} }

func endpointSlices() Kind {
	return Kind{Kind: "EndpointSlice", Group: discoveryv1.GroupName, Version: "v1", Resource: "endpointslices"}
}

// Path is the path that the API server calls.
func (w Webhook) Path() string {
	if s := w.ClientConfig.Service; s != nil {
		return s.Path
	}
	if at := strings.Index(w.ClientConfig.URL, "/mutate/"); at >= 0 {
		return w.ClientConfig.URL[at:]
	}
	return ""
}

// Backends counts the ready pods behind the webhooks' Service. It is Unasked
// where webhooks are called by URL.
func (r Installation) Backends(ctx context.Context, webhooks Webhooks) Seen[Backends] {
	for _, w := range webhooks.Webhooks {
		s := w.ClientConfig.Service
		if s == nil {
			continue
		}
		found := Backends{Service: s.Namespace + "/" + s.Name}
		service := get[struct{}](ctx, r.Reader, services(), s.Namespace, s.Name, metadataOf)
		if service.State != Found {
			return Seen[Backends]{State: service.State, Cause: service.Cause, Value: found}
		}
		ofService := query{labels: discoveryv1.LabelServiceName + "=" + s.Name, accept: whole}
		slices := list[discoveryv1.EndpointSlice](ctx, r.Reader, endpointSlices(), s.Namespace, ofService)
		for _, slice := range slices.Value {
			for _, e := range slice.Endpoints {
				if e.Conditions.Ready == nil || *e.Conditions.Ready {
					found.Ready++
				}
			}
		}
		return Seen[Backends]{State: slices.State, Cause: slices.Cause, Value: found}
	}
	return Seen[Backends]{}
}
