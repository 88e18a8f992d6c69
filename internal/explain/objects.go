package explain

import (
	"context"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/graft"
)

// Objects remembers what containers refer to: several refer to the same.
type Objects struct {
	*clusterview.Reader

	ctx        context.Context //nolint:containedctx // it lives as long as one explanation, and envresolve.Keys takes none
	app        *clusterview.App
	configMaps map[string]clusterview.Seen[clusterview.ConfigMap]
	secrets    map[string]clusterview.Seen[clusterview.Secret]
}

// NewObjects returns what can be seen by a reader of what the containers of an app refer to.
func NewObjects(ctx context.Context, reader *clusterview.Reader, app *clusterview.App) *Objects {
	return &Objects{
		Reader: reader, ctx: ctx, app: app,
		configMaps: map[string]clusterview.Seen[clusterview.ConfigMap]{}, secrets: map[string]clusterview.Seen[clusterview.Secret]{},
	}
}

func (o *Objects) configMap(name string) clusterview.Seen[clusterview.ConfigMap] {
	if name == o.app.Subject.Identity.ConfigMap && o.app.ConfigMap.State != clusterview.Unasked {
		return o.app.ConfigMap
	}
	seen, ok := o.configMaps[name]
	if !ok {
		seen = o.ConfigMap(o.ctx, o.app.Workload.Namespace, name)
		o.configMaps[name] = seen
	}
	return seen
}

func (o *Objects) values(name string) map[string]string { return o.configMap(name).Value.Data }

func (o *Objects) keys(kind, name string) ([]string, bool) {
	if kind == envresolve.KindConfigMap {
		facts := clusterview.ConfigMapFacts(o.configMap(name))
		return facts.Keys, facts.State != graft.ConfigMapUnknown
	}
	if kind != envresolve.KindSecret {
		return nil, false
	}
	if name == o.app.Subject.Identity.Secret {
		p := o.app.Facts().Parameter
		return p.Keys, p.Known()
	}
	seen, ok := o.secrets[name]
	if !ok {
		seen = o.Secret(o.ctx, o.app.Workload.Namespace, name)
		o.secrets[name] = seen
	}
	return seen.Value.Keys, seen.Known()
}

// TrueKeys knows a Secret by itself: what a parameter would make of it is no proof.
// Where it may not be read, the parameter stands for it if its ExternalSecret takes
// it whole.
func (o *Objects) TrueKeys(kind, name string) ([]string, bool) {
	if kind != envresolve.KindSecret {
		return o.keys(kind, name)
	}
	seen, ok := o.secrets[name]
	if !ok {
		seen = o.Secret(o.ctx, o.app.Workload.Namespace, name)
		o.secrets[name] = seen
	}
	if seen.Known() {
		return seen.Value.Keys, true
	}
	for _, e := range o.ExternalSecrets(o.ctx, o.app.Workload.Namespace).Value.Items {
		if e.SecretName() != name {
			continue
		}
		if parameter := e.SoleParameter(); parameter != "" && e.Record.Known() && e.Record.Parameter == parameter {
			return e.Record.Keys, true
		}
	}
	return nil, false
}
