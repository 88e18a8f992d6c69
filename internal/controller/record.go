package controller

import (
	"context"
	"time"

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
	last, ok := p.lookups.last(p.app, w)
	if !ok {
		return have
	}
	found := eso.NewRecord(w, last)
	if found == nil || found.Same(have) || have != nil && found.Version < have.Version {
		return have
	}
	return found
}

// unrecorded has the keys looked up of an ExternalSecret that does not say
// them, or says those of an older version, so that admissions need not.
func (p *pass) unrecorded(ctx context.Context, existing *eso.ExternalSecret, w eso.Wants) {
	if newer := p.lookups.newest(p.app, w); !newer.IsZero() {
		p.ask(ctx, w, newer)
		return
	}
	if existing != nil && existing.Record.Of(w) {
		return
	}
	var freshAfter time.Time
	if existing != nil {
		freshAfter = existing.Status.RefreshTime.Time
	}
	p.ask(ctx, w, freshAfter)
}

// ask returns what the parameter is, once that is known.
func (p *pass) ask(ctx context.Context, w eso.Wants, freshAfter time.Time) (parameter facts.Parameter, ok bool) {
	q, unchecked := p.external.Ask(ctx, p.installation, w, p.app.Namespace, freshAfter)
	if unchecked != "" {
		return facts.Parameter{}, false
	}
	parameter, ok, wait := p.lookups.ask(p.app, w, q) //nolint:contextcheck // a lookup goes on when the pass that asked has ended
	p.waitAtMost(wait)
	return parameter, ok
}
