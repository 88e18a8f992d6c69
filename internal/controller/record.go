package controller

import (
	"context"
	"time"

	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/lookup"
)

// record is what the ExternalSecret is to say of the parameter.
func (p *pass) record(existing *externalsecret.ExternalSecret, w externalsecret.Wants) *externalsecret.Record {
	var found *externalsecret.Record
	if last, q, ok := p.lookups.Last(lookup.SubjectOf(p.app, w)); ok {
		found = eso.NewRecord(w, last, q)
	}
	return existing.NextRecord(w, found, p.clock.Now())
}

// unrecorded has the keys looked up of an ExternalSecret that does not say
// them, or says those of an older version, so that admissions need not.
func (p *pass) unrecorded(ctx context.Context, existing *externalsecret.ExternalSecret, w externalsecret.Wants) {
	if newer := p.lookups.Newest(lookup.SubjectOf(p.app, w)); !newer.IsZero() {
		p.ask(ctx, w, newer)
		return
	}
	q, _ := p.external.Ask(ctx, p.installation, w, p.app.Namespace, time.Time{})
	if freshAfter, unrecorded := existing.Unrecorded(w, q.Origin); unrecorded {
		p.ask(ctx, w, freshAfter)
	}
}

// ask returns what the parameter is, once that is known.
func (p *pass) ask(ctx context.Context, w externalsecret.Wants, freshAfter time.Time) (parameter facts.Parameter, ok bool) {
	q, unchecked := p.external.Ask(ctx, p.installation, w, p.app.Namespace, freshAfter)
	if unchecked != "" {
		return facts.Parameter{}, false
	}
	parameter, ok, wait := p.lookups.Ask(lookup.SubjectOf(p.app, w), q) //nolint:contextcheck // a lookup goes on when the pass that asked has ended
	p.waitAtMost(wait)
	return parameter, ok
}
