package eso

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/externalsecret"
)

// OfApp lists the ExternalSecrets that are labelled for an app.
func (i *Installation) OfApp(ctx context.Context, app client.ObjectKey) ([]*externalsecret.ExternalSecret, error) {
	if !i.Installed() {
		return nil, nil
	}
	list := &externalsecret.ExternalSecretList{}
	if err := i.cache.List(ctx, list, client.InNamespace(app.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("cannot list ExternalSecrets of app %q: %w", app.Name, err)
	}
	var of []*externalsecret.ExternalSecret
	for n := range list.Items {
		if e := &list.Items[n]; e.App == app.Name {
			of = append(of, e)
		}
	}
	return of, nil
}

// Abandonable lists the apps that have an ExternalSecret which nothing owns.
func (i *Installation) Abandonable(ctx context.Context) ([]client.ObjectKey, error) {
	if !i.Installed() {
		return nil, nil
	}
	list := &externalsecret.ExternalSecretList{}
	if err := i.cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("cannot list ExternalSecrets: %w", err)
	}
	var apps []client.ObjectKey
	for n := range list.Items {
		e := &list.Items[n]
		if e.App != "" && e.Abandonable(e.App) {
			apps = append(apps, client.ObjectKey{Namespace: e.Namespace, Name: e.App})
		}
	}
	return apps, nil
}
