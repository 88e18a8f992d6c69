package lookup

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/ssmevents"
)

// indexTTL is how long the index of parameters is used: events come in bursts,
// and each look at all ExternalSecrets takes milliseconds.
const indexTTL = 2 * time.Second

// Events has the parameters checked that events name. It is safe for concurrent use.
type Events struct {
	check *VersionCheck
	// region is the one of stores that name none.
	region string

	mu      sync.Mutex
	built   time.Time
	asked   map[facts.Key][]*externalsecret.ExternalSecret
	byName  map[string][]facts.Key
	newest  map[facts.Key]externalsecret.Version
	current func(context.Context) (map[facts.Key][]*externalsecret.ExternalSecret, map[string][]facts.Key)
}

// NewEvents returns Events of the parameters of check; region is that of stores
// that name none.
func NewEvents(check *VersionCheck, region string) *Events {
	return &Events{check: check, region: region, newest: map[facts.Key]externalsecret.Version{}, current: check.gather}
}

// index reads all ExternalSecrets from memory, where the last look is older than
// age. The caller holds the lock.
func (p *Events) index(ctx context.Context, age time.Duration) {
	if p.check.clock().Since(p.built) < age {
		return
	}
	p.asked, _ = p.current(ctx)
	p.byName = make(map[string][]facts.Key, len(p.asked))
	for key := range p.asked {
		p.byName[key.Name] = append(p.byName[key.Name], key)
	}
	p.built = p.check.clock().Now()
}

// Concerned implements ssmevents.Parameters. A store without a role reads the
// account of envgraft's own credentials, which need not be known here: an event
// is a hint, and one of another account's parameter of that name costs a question.
func (p *Events) Concerned(change ssmevents.Change) []facts.Key {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index(context.Background(), indexTTL)
	return slices.DeleteFunc(slices.Clone(p.byName[change.Name]), func(key facts.Key) bool {
		region := key.Access.Region
		if region == "" {
			region = p.region
		}
		return region != "" && region != change.Region || key.Access.Role != "" && accountOf(key.Access.Role) != change.Account
	})
}

// accountOf is the account of a role's ARN, arn:aws:iam::ACCOUNT:role/NAME.
func accountOf(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts[4]
	}
	return ""
}

// Check implements ssmevents.Parameters.
func (p *Events) Check(ctx context.Context, keys []facts.Key) map[facts.Key]ssmevents.Answer {
	versions := p.check.Versions.Read(ctx, keys)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index(ctx, indexTTL)
	answers := make(map[facts.Key]ssmevents.Answer, len(keys))
	for key, version := range versions {
		switch version.State {
		case graft.ParameterFound:
			answers[key] = ssmevents.Unchanged
			if p.check.compare(p.asked[key], version) {
				answers[key] = ssmevents.Newer
				p.newest[key] = recordedAs(version)
			}
		case graft.ParameterNotFound:
			p.check.compare(p.asked[key], version) // a version that was seen before is gone
			answers[key] = ssmevents.Unchanged
		default: // it may answer the next time
		}
	}
	return answers
}

// Recorded implements ssmevents.Parameters.
func (p *Events) Recorded(key facts.Key) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index(context.Background(), 0)
	newest := p.newest[key]
	if slices.ContainsFunc(p.asked[key], func(e *externalsecret.ExternalSecret) bool { return newest.After(e.Record.At()) }) {
		return false
	}
	delete(p.newest, key)
	return true
}
