package offline

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

// ExternalSecrets are those among the documents.
func (o *Documents) ExternalSecrets(namespace string) ([]clusterview.ExternalSecret, error) {
	var all []clusterview.ExternalSecret
	for _, object := range o.Stream.Objects() {
		if object.Group != "external-secrets.io" || object.Kind != "ExternalSecret" || cmp.Or(object.Namespace, o.options.Namespace) != namespace {
			continue
		}
		raw, err := object.JSON()
		if err != nil {
			return nil, err
		}
		var e clusterview.ExternalSecret
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, fmt.Errorf("%s: cannot read ExternalSecret %q", object.Document.File, object.Name)
		}
		_, _ = externalsecret.Compact(&e) // it fails for no ExternalSecret
		all = append(all, e)
	}
	return all, nil
}

// Keys knows ConfigMaps by the documents, and Secrets by the parameter that
// an ExternalSecret of the documents makes them of.
func (o *Documents) Keys(ctx context.Context, namespace string, all []clusterview.ExternalSecret) envresolve.Keys {
	return func(kind, name string) ([]string, bool) {
		if kind == envresolve.KindConfigMap {
			found := o.known.ConfigMap(ctx, namespace, name)
			return found.Keys, found.State != graft.ConfigMapUnknown
		}
		for _, e := range all {
			if kind != envresolve.KindSecret || e.SecretName() != name {
				continue
			}
			parameter := e.SoleParameter()
			if parameter == "" {
				return nil, false
			}
			p := o.parameters.Parameter(ctx, facts.Question{Namespace: namespace, Parameter: parameter})
			return p.Keys, p.Known()
		}
		return nil, false
	}
}
