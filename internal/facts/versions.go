package facts

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"golang.org/x/time/rate"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
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
	metrics *metrics.Metrics
}

// NewVersions returns one that makes callsPerSecond at most, besides what
// others may make. It has no use for bursts: nobody waits for it.
func NewVersions(clients *SSMClients, m *metrics.Metrics, callsPerSecond float64) *Versions {
	return &Versions{
		client:  func(access Access) VersionClient { return clients.client(access) },
		budget:  rate.NewLimiter(rate.Limit(callsPerSecond), 1),
		metrics: m,
	}
}

// KeyOf is the key by which Read knows the parameter of a question.
func (*Versions) KeyOf(q Question) Key { return Key{Name: q.Parameter, Access: q.Access} }

// Read asks for the version of every key, at the pace of its budget: of 20,000
// parameters 2,000 calls. What ctx leaves no time for is not in the answer.
// When SSM throttles, fails, or refuses an access its first call, the rest is
// told the same without being asked for.
func (v *Versions) Read(ctx context.Context, keys []Key) map[Key]Version {
	sorted := slices.SortedFunc(slices.Values(keys), func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Access.Region, b.Access.Region), cmp.Compare(a.Access.Role, b.Access.Role),
			cmp.Compare(a.Access.ExternalID, b.Access.ExternalID), cmp.Compare(a.Name, b.Name))
	})
	sorted = slices.Compact(sorted)
	versions := make(map[Key]Version, len(sorted))
	for len(sorted) > 0 {
		access := sorted[0].Access
		end := slices.IndexFunc(sorted, func(k Key) bool { return k.Access != access })
		if end < 0 {
			end = len(sorted)
		}
		v.readAll(ctx, access, sorted[:end], versions)
		sorted = sorted[end:]
	}
	return versions
}

// readAll reads the versions of one access' keys.
func (v *Versions) readAll(ctx context.Context, access Access, keys []Key, versions map[Key]Version) {
	answered := false
	for batch := range slices.Chunk(keys, versionBatch) {
		if v.budget.Wait(ctx) != nil {
			return
		}
		fault := v.read(ctx, access, batch, versions)
		if fault == (Version{}) {
			answered = true
			continue
		}
		// A policy that goes by path refuses a batch for one name in it.
		if fault.State == graft.ParameterAccessDenied && answered {
			tell(batch, fault, versions)
			continue
		}
		tell(keys, fault, versions)
		return
	}
}

// tell says the same of all keys that nothing is known of.
func tell(keys []Key, of Version, versions map[Key]Version) {
	for _, key := range keys {
		if _, known := versions[key]; !known {
			versions[key] = of
		}
	}
}

// read makes one call. It returns what went wrong; zero where nothing did.
func (v *Versions) read(ctx context.Context, access Access, batch []Key, versions map[Key]Version) Version {
	names := make([]string, len(batch))
	for i, key := range batch {
		names[i] = key.Name
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := v.client(access).GetParameters(ctx, &ssm.GetParametersInput{Names: names})
	if err != nil {
		fault := SSMFault(err)
		v.metrics.SSMVersionRequest(fault.State)
		return Version{State: fault.State, Cause: fault.Cause}
	}
	v.metrics.SSMVersionRequest(graft.ParameterFound)
	for i := range out.Parameters {
		p := &out.Parameters[i]
		p.Value = nil // of a parameter that is no SecureString it is the value
		if p.Name == nil {
			continue
		}
		version := Version{State: graft.ParameterFound, Number: p.Version}
		if p.LastModifiedDate != nil {
			version.Modified = *p.LastModifiedDate
		}
		versions[Key{Name: *p.Name, Access: access}] = version
	}
	for _, name := range out.InvalidParameters {
		versions[Key{Name: name, Access: access}] = Version{State: graft.ParameterNotFound}
	}
	return Version{}
}
