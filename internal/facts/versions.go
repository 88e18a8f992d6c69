package facts

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/time/rate"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// versionBatch is the most names that GetParameters takes.
const versionBatch = 10

// versionTimeout bounds one call.
const versionTimeout = 5 * time.Second

// VersionClient is the operation of SSM that tells versions.
type VersionClient interface {
	GetParameters(ctx context.Context, in *ssm.GetParametersInput, options ...func(*ssm.Options)) (*ssm.GetParametersOutput, error)
}

// Version is what SSM says of a parameter without decrypting it.
type Version struct {
	// State is ParameterFound, which says nothing of its keys, ParameterNotFound,
	// or the fault that kept SSM from telling.
	State graft.ParameterState
	// Number counts the changes, from 1 on; only with ParameterFound.
	Number int64
	// Modified is when it changed last.
	Modified time.Time
	// Cause says for people what went wrong.
	Cause string
}

// Versions tells which versions of parameters SSM has, ten a call, without
// decryption: KMS is not asked, and the value of a SecureString does not come.
type Versions struct {
	client  func(Access) VersionClient
	budget  *rate.Limiter
	metrics Recorder
}

// NewVersions returns one that makes callsPerSecond at most, besides what
// others may make. It has no use for bursts: nobody waits for it.
func NewVersions(clients *SSMClients, m Recorder, callsPerSecond float64) *Versions {
	return &Versions{
		client:  func(access Access) VersionClient { return clients.client(access) },
		budget:  rate.NewLimiter(rate.Limit(callsPerSecond), 1),
		metrics: m,
	}
}

// KeyOf is the key by which Read knows the parameter of a question.
func (*Versions) KeyOf(q Question) Key { return Key{Name: q.Parameter, Access: q.Access} }

// The bounds of one round of checks.
const (
	// accessesAtOnce bounds the accesses that are read at the same time: a store
	// of a namespace's own may name a region that never answers.
	accessesAtOnce = 8
	// maxFailures is how many batches in a row of one access may fail whole. After
	// them the access itself is at fault, and its other keys are not asked for.
	maxFailures = 2
)

// Interleave returns the keys of all namespaces in turns: no namespace can fill
// the first batches with names that SSM refuses. Which one begins is random.
func Interleave(byNamespace map[string][]Key) []Key {
	var lists [][]Key
	total := 0
	for _, keys := range byNamespace {
		lists = append(lists, keys)
		total += len(keys)
	}
	rand.Shuffle(len(lists), func(i, j int) { lists[i], lists[j] = lists[j], lists[i] }) //nolint:gosec // it shares out turns, and guards nothing
	all := make([]Key, 0, total)
	for i := 0; len(lists) > 0; i++ {
		lists = slices.DeleteFunc(lists, func(keys []Key) bool { return i >= len(keys) })
		for _, keys := range lists {
			all = append(all, keys[i])
		}
	}
	return all
}

// Read asks for the version of every key, in the order given, at the pace of
// its budget: of 20,000 parameters 2,000 calls. What ctx leaves no time for is
// not in the answer. A batch that SSM refuses is asked for name by name, because
// one name can have all ten refused. When SSM throttles, or two batches in a row
// of an access fail whole, its other keys get the same answer without a call.
func (v *Versions) Read(ctx context.Context, keys []Key) map[Key]Version {
	round := &round{Versions: v, versions: make(map[Key]Version, len(keys))}
	byAccess := map[Access][]Key{}
	var accesses []Access
	for _, key := range keys {
		if err := identity.ValidateParameter(key.Name); err != nil {
			round.versions[key] = Version{State: graft.ParameterNotFound, Cause: err.Error()}
			continue
		}
		if byAccess[key.Access] == nil {
			accesses = append(accesses, key.Access)
		}
		byAccess[key.Access] = append(byAccess[key.Access], key)
	}
	turns := make(chan struct{}, accessesAtOnce)
	var all sync.WaitGroup
	for _, access := range accesses {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			round.readAll(ctx, access, unique(byAccess[access]))
		})
	}
	all.Wait()
	return round.versions
}

// unique drops repeated keys, and keeps the order.
func unique(keys []Key) []Key {
	seen := make(map[Key]bool, len(keys))
	return slices.DeleteFunc(keys, func(key Key) bool {
		again := seen[key]
		seen[key] = true
		return again
	})
}

// round is one check of all keys.
type round struct {
	*Versions

	mu       sync.Mutex
	versions map[Key]Version
}

// readAll reads the versions of one access' keys.
func (r *round) readAll(ctx context.Context, access Access, keys []Key) {
	failures := 0
	for start := 0; start < len(keys); start += versionBatch {
		batch := keys[start:min(start+versionBatch, len(keys))]
		fault, answered, ok := r.readBatch(ctx, access, batch)
		if !ok {
			return
		}
		if answered {
			failures = 0
			continue
		}
		if failures++; failures == maxFailures || fault.State == graft.ParameterThrottled {
			r.set(keys[start:], fault.Version)
			return
		}
		r.set(batch, fault.Version)
	}
}

// readBatch reads a batch, name by name where SSM refuses it whole. answered
// says that SSM answered for some name; ok is false once ctx is done.
func (r *round) readBatch(ctx context.Context, access Access, batch []Key) (fault fault, answered, ok bool) {
	if r.budget.Wait(ctx) != nil {
		return fault, false, false
	}
	fault = r.read(ctx, access, batch)
	if fault.State == "" || !fault.refused || len(batch) == 1 {
		return fault, fault.State == "", true
	}
	for _, key := range batch {
		if r.budget.Wait(ctx) != nil {
			return fault, answered, false
		}
		one := r.read(ctx, access, []Key{key})
		switch {
		case one.State == "":
			answered = true
		case one.refused:
			r.set([]Key{key}, one.Version)
		default: // SSM cannot answer now: it would answer the same of the other names
			r.set(batch, one.Version)
			return one, answered, true
		}
	}
	return fault, answered, true
}

// set gives keys without a version this one.
func (r *round) set(keys []Key, version Version) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		if _, known := r.versions[key]; !known {
			r.versions[key] = version
		}
	}
}

// fault is why a call failed; its State is empty where it did not.
type fault struct {
	Version

	// refused says that SSM took the call and refused it for what it asks.
	refused bool
}

// read makes one call, and returns what went wrong.
func (r *round) read(ctx context.Context, access Access, batch []Key) fault {
	names := make([]string, len(batch))
	for i, key := range batch {
		names[i] = key.Name
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := r.client(access).GetParameters(ctx, &ssm.GetParametersInput{Names: names})
	if err != nil {
		why := SSMFault(err)
		r.metrics.SSMVersionRequest(why.State)
		return fault{Version: Version{State: why.State, Cause: why.Cause}, refused: refused(err, why.State)}
	}
	r.metrics.SSMVersionRequest(graft.ParameterFound)
	for i := range out.Parameters {
		p := &out.Parameters[i]
		p.Value = nil // of a parameter that is no SecureString it is the value
		if p.Name == nil {
			continue
		}
		r.set([]Key{{Name: *p.Name, Access: access}}, Version{
			State: graft.ParameterFound, Number: p.Version, Modified: modified(p.LastModifiedDate),
		})
	}
	for _, name := range out.InvalidParameters {
		r.set([]Key{{Name: name, Access: access}}, Version{State: graft.ParameterNotFound})
	}
	return fault{}
}

// refused tells the refusals that are about the names of a call: those with a
// status of 400 to 499 that is not about their number.
func refused(err error, state graft.ParameterState) bool {
	var answer *smithyhttp.ResponseError
	if state == graft.ParameterThrottled || !errors.As(err, &answer) || answer.Response == nil {
		return false
	}
	return answer.HTTPStatusCode() >= 400 && answer.HTTPStatusCode() < 500
}
