package localenv

import (
	"cmp"
	"context"
	"fmt"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/externalsecret"
)

// FromCluster returns the next pod of a workload of a cluster, in the environment that
// is named, else in its own. It leaves the parameters to the caller.
func FromCluster(ctx context.Context, c *clusterview.Reader, settings clusterview.Settings, w clusterview.Workload, environment string) (Pod, error) {
	ns := c.Namespace(ctx, w.Namespace)
	if ns.State != clusterview.Found {
		return Pod{}, fmt.Errorf("cannot read namespace %q, whose labels choose the parameter: %s", w.Namespace, cmp.Or(ns.Cause, string(ns.State)))
	}
	pod, err := decide(settings.Configuration.Engine(), ns.Value, w.Template, environment)
	if err != nil {
		return pod, err
	}
	app := c.App(ctx, settings, w)
	pod.Injected = w.Kind.IsPod() && len(app.Pods.Value) == 1 && app.Pods.Value[0].Injected()
	pod.NeverSeen = environment == "" && neverSeen(app)
	pod.Objects = clusterObjects{c, w.Namespace}
	return pod, nil
}

// neverSeen is what the webhook knows of an app whose Secret does not exist.
func neverSeen(app *clusterview.App) bool {
	return app.ExternalSecrets.State == clusterview.Found && app.Secret.State == clusterview.NotFound &&
		externalsecret.NeverSeen(app.ExternalSecret, app.Subject.Identity.App)
}

// clusterObjects reads with the rights of whoever asks.
type clusterObjects struct {
	*clusterview.Reader

	namespace string
}

// ConfigMap reads one.
func (o clusterObjects) ConfigMap(ctx context.Context, name string) (map[string]string, bool, error) {
	seen := o.Reader.ConfigMap(ctx, o.namespace, name)
	return read(seen.Value.Data, seen.State, seen.Cause, "ConfigMap", o.namespace, name)
}

// Secret reads one.
func (o clusterObjects) Secret(ctx context.Context, name string) (map[string]string, bool, error) {
	seen := clusterview.SecretValues(ctx, o.Reader, o.namespace, name)
	return read(seen.Value, seen.State, seen.Cause, "Secret", o.namespace, name)
}

func read(data map[string]string, state clusterview.State, cause, kind, namespace, name string) (map[string]string, bool, error) {
	switch state {
	case clusterview.Found:
		return data, true, nil
	case clusterview.NotFound:
		return nil, false, nil
	case clusterview.Unasked, clusterview.Forbidden, clusterview.Failed:
	}
	return nil, false, fmt.Errorf("cannot read %s %s/%s: %s", kind, namespace, name, cmp.Or(cause, string(state)))
}
