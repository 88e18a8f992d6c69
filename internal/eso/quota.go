package eso

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The rule: one namespace must not use up what all have of SSM. Invented apps
// cost nothing where pods need not even run.

// quota is Quota for an admission, which does not fail for it.
func (x *ExternalSecrets) quota(ctx context.Context, i *Installation, app client.ObjectKey) string {
	why, err := x.Quota(ctx, i, app)
	if err != nil {
		x.log.Error(err, "Cannot count ExternalSecrets", "namespace", app.Namespace)
	}
	return why
}

// Quota says for people that a namespace has as many ExternalSecrets of ours as
// it may, so that an app gets none; "" where it may have more.
func (x *ExternalSecrets) Quota(ctx context.Context, i *Installation, app client.ObjectKey) (string, error) {
	if x.MaxPerNamespace == 0 {
		return "", nil
	}
	made, err := i.Made(ctx, app.Namespace, "")
	if err != nil || len(made) < x.MaxPerNamespace {
		return "", err
	}
	return fmt.Sprintf("namespace %q has %d ExternalSecrets, so app %q gets none: delete unused workloads, or have externalSecrets.maxPerNamespace (%d) raised",
		app.Namespace, len(made), app.Name, x.MaxPerNamespace), nil
}
