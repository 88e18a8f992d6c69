package plan

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/memory"
)

// informerLag is how long an apply may take to be seen by the informer.
const informerLag = 10 * time.Second

// isNew says that the ExternalSecret was made just now and that the informer
// does not have it yet: to make it again would cost calls and change nothing.
func (k keeper) isNew() bool {
	last, ok := k.Memory.Applied(types.NamespacedName{Namespace: k.App.Namespace, Name: k.name})
	if !ok {
		return false
	}
	age := k.Now.Sub(last.At)
	if age >= informerLag {
		return false
	}
	k.waitAtMost(informerLag - age)
	return true
}

// apply has the ExternalSecret changed to what it should be, if it is not.
func (p *planner) apply(d externalsecret.Desired, existing *externalsecret.ExternalSecret, a Apply) (changes bool, err error) {
	name := types.NamespacedName{Namespace: d.Namespace, Name: d.Name}
	last, applied := p.Memory.Applied(name)
	if d.Matches(existing) {
		if applied {
			p.remember(func(m *memory.Memory) { m.ForgetApplied(name) })
		}
		return false, nil
	}
	object, err := d.Object(p.ESOVersion, existing)
	if err != nil {
		return false, err
	}
	fingerprint, err := externalsecret.Fingerprint(object)
	if err != nil {
		return false, err
	}
	if applied && last.Fingerprint == fingerprint {
		if existing != nil && existing.ResourceVersion == last.ResourceVersion {
			return false, nil // the API server made of it what it is: asking again would not help
		}
		if age := p.Now.Sub(last.At); age < informerLag {
			p.waitAtMost(informerLag - age)
			return false, nil
		}
	}
	// Without force a create gives way to one that somebody makes this moment.
	a.Object, a.New, a.Fingerprint, a.Parameter, a.Owners = object, existing == nil, fingerprint, d.Wants.Parameter, len(d.Owners)
	p.do(a)
	return true, nil
}
