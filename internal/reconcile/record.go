package reconcile

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/facts"
)

// record is what the ExternalSecret is to say of the keys: the newest answer,
// else what it says already. An equal one keeps its words, for each change of
// an annotation has ESO read the parameter again.
func (p *pass) record(existing *eso.ExternalSecret, w eso.Wants) *eso.Record {
	var have *eso.Record
	if existing != nil && existing.Record.Of(w) {
		have = existing.Record
	}
	value, ok := p.answers.Get(types.NamespacedName{Namespace: p.app.Namespace, Name: p.app.Name})
	if !ok {
		return have
	}
	last := value.(answer) //nolint:forcetypeassert // nothing else is put there
	found := eso.NewRecord(w, last.parameter)
	if found == nil || !last.of(w) || found.Same(have) || have != nil && found.Version < have.Version {
		return have
	}
	return found
}

// answer is what a parameter was when it was last looked up.
type answer struct {
	wants     eso.Wants
	parameter facts.Parameter
}

func (a answer) of(w eso.Wants) bool {
	return a.wants.Parameter == w.Parameter && a.wants.Store == w.Store
}
