package eso

import (
	"context"
	"fmt"
	"time"

	"k8s.io/utils/clock"

	"github.com/envgraft/envgraft/internal/expiring"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// The rule: of a parameter that a namespace may not have, nobody asks for the
// keys, whoever's ExternalSecret names it. Whoever may create ExternalSecrets
// writes any name and any store into one; the answer would go into the pod's
// patch, and a denial would say how long the value is.

// Tenancy says what a Namespace may have.
type Tenancy struct {
	Namespaces NamespaceGetter
	Decider    TenancyChecker
}

// NamespaceGetter returns Namespaces.
type NamespaceGetter interface {
	// Namespace may answer from memory, and with envgraft's own labels alone.
	Namespace(ctx context.Context, name string) (identity.Namespace, error)
	// Current asks the API server.
	Current(ctx context.Context, name string) (identity.Namespace, error)
}

// TenancyChecker says why a Namespace may not have a parameter through a store.
type TenancyChecker interface {
	CheckTenancy(ns identity.Namespace, parameter string, store graft.Store) error
}

// The memory of which stores are open to which namespaces by their labels.
const (
	openRemembered = 4096
	openFor        = 5 * time.Minute
)

// permits answers whether a question may be asked.
type permits struct {
	Tenancy

	open *expiring.Cache[openKey, bool]
}

func newPermits(t Tenancy) *permits {
	return &permits{Tenancy: t, open: expiring.New[openKey, bool](clock.RealClock{}, openRemembered, openFor)}
}

// openKey is all that the answer depends on: a store that changed is another one.
type openKey struct{ store, resourceVersion, namespace string }

// refusal says why a question may not be asked; "" where it may.
func (p *permits) refusal(ctx context.Context, q facts.Question, store graft.Store, s foundStore) string {
	ns, err := p.Namespaces.Namespace(ctx, q.Namespace)
	if err != nil {
		return fmt.Sprintf("parameter %q was not asked for: cannot read namespace %q: %s", q.Parameter, q.Namespace, err)
	}
	name := q.Parameter
	if store.Kind == graft.KindSecretStore && s.Provider.AWS != nil {
		name = s.Provider.AWS.Prefix + name // whoever writes the store writes the prefix
	}
	if err := p.Decider.CheckTenancy(ns, name, store); err != nil {
		return fmt.Sprintf("parameter %q was not asked for: %s", name, err)
	}
	opens, err := p.opens(ctx, ns, store, s)
	switch {
	case err != nil:
		return fmt.Sprintf("parameter %q was not asked for: cannot read namespace %q: %s", name, q.Namespace, err)
	case !opens:
		return fmt.Sprintf("parameter %q was not asked for: %s is not open to namespace %q, see its spec.conditions", name, store, q.Namespace)
	}
	return ""
}

// opens says that the store's conditions admit the namespace. Its labels are read
// from the API server: informers hold envgraft's own alone.
func (p *permits) opens(ctx context.Context, ns identity.Namespace, store graft.Store, s foundStore) (bool, error) {
	conditions := s.Conditions
	if !conditions.ByLabels() {
		return conditions.Open(ns), nil
	}
	key := openKey{store.Name, s.resourceVersion, ns.Name}
	if known, ok := p.open.Get(key); ok {
		return known, nil
	}
	ns, err := p.Namespaces.Current(ctx, ns.Name)
	if err != nil {
		return false, err
	}
	opens := conditions.Open(ns)
	p.open.Add(key, opens)
	return opens, nil
}
