package parameters

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/envgraft/envgraft/internal/facts"
)

// Restorer is what a rollback needs of SSM.
type Restorer interface {
	Historian
	Creator
}

// Rollback is what putting an old version's value as a new version changes. It
// has names of keys, and no values.
type Rollback struct {
	Path string
	// From is the newest version, To the one whose value comes back.
	From, To int64
	// Added, Removed and Changed are keys.
	Added, Removed, Changed []string

	value  string
	newest Version
}

// PlanRollback compares the newest version of a parameter with an older one.
func PlanRollback(ctx context.Context, client Restorer, path string, to int64) (*Rollback, error) {
	versions, err := History(ctx, client, path)
	if err != nil {
		return nil, err
	}
	if len(versions) == 0 {
		return nil, fmt.Errorf("cannot roll back parameter %q: SSM lists no version of it", path)
	}
	newest := versions[0]
	switch {
	case newest.Number == to:
		return nil, fmt.Errorf("cannot roll back parameter %q to version %d: it is the newest", path, to)
	case !slices.ContainsFunc(versions, func(v Version) bool { return v.Number == to }):
		return nil, fmt.Errorf("cannot roll back parameter %q to version %d: SSM has versions %d to %d; envgraft parameters history %s lists them",
			path, to, versions[len(versions)-1].Number, newest.Number, path)
	case newest.policies:
		return nil, fmt.Errorf("cannot roll back parameter %q: it has policies, such as an expiration, which a new version would lose: put the version by hand", path)
	}
	r := &Rollback{Path: path, From: newest.Number, To: to, newest: newest}
	now, err := valueAt(ctx, client, path, newest.Number)
	if err != nil {
		return nil, err
	}
	if r.value, err = valueAt(ctx, client, path, to); err != nil {
		return nil, err
	}
	if err := r.compare(now); err != nil {
		return nil, err
	}
	return r, nil
}

func valueAt(ctx context.Context, client Creator, path string, version int64) (string, error) {
	out, err := client.GetParameter(ctx, &ssm.GetParameterInput{
		Name: aws.String(fmt.Sprintf("%s:%d", path, version)), WithDecryption: aws.Bool(true),
	})
	if err != nil {
		return "", fmt.Errorf("cannot read version %d of parameter %q: %s", version, path, facts.SSMFault(err).Cause)
	}
	if out.Parameter == nil || out.Parameter.Value == nil {
		return "", fmt.Errorf("cannot read version %d of parameter %q: SSM answered without a value", version, path)
	}
	return *out.Parameter.Value, nil
}

// compare notes which keys differ. A version that ESO cannot use is no aim; one
// that ESO cannot use may be what is rolled back.
func (r *Rollback) compare(now string) error {
	var before, after map[string]json.RawMessage
	if err := json.Unmarshal([]byte(r.value), &after); err != nil || after == nil {
		return fmt.Errorf("cannot roll back parameter %q to version %d: it is not a JSON object, and the External Secrets Operator could not use it", r.Path, r.To)
	}
	if json.Unmarshal([]byte(now), &before) != nil {
		before = nil
	}
	for _, key := range slices.Sorted(maps.Keys(after)) {
		switch value, ok := before[key]; {
		case !ok:
			r.Added = append(r.Added, key)
		case !bytes.Equal(value, after[key]):
			r.Changed = append(r.Changed, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[key]; !ok {
			r.Removed = append(r.Removed, key)
		}
	}
	return nil
}

// errChanged is for a parameter that changed while its rollback was considered.
var errChanged = errors.New("it changed meanwhile")

// Do puts the old value as a new version, and returns the version's number. Key
// and tier stay as they are.
func (r *Rollback) Do(ctx context.Context, client Restorer) (int64, error) {
	versions, err := History(ctx, client, r.Path)
	if err != nil {
		return 0, err
	}
	if len(versions) == 0 || versions[0].Number != r.From {
		return 0, fmt.Errorf("cannot roll back parameter %q: %w, nothing was written: run the command again", r.Path, errChanged)
	}
	in := &ssm.PutParameterInput{
		Name: &r.Path, Value: &r.value, Type: r.newest.kind, Tier: r.newest.tier, Overwrite: aws.Bool(true),
	}
	if r.newest.keyID != "" && r.newest.kind == types.ParameterTypeSecureString {
		in.KeyId = &r.newest.keyID
	}
	out, err := client.PutParameter(ctx, in)
	if err != nil {
		return 0, fmt.Errorf("cannot put the value of version %d of parameter %q: %s", r.To, r.Path, facts.SSMFault(err).Cause)
	}
	if out.Version != r.From+1 {
		// SSM has no compare-and-swap. The history keeps what was put in between.
		return out.Version, fmt.Errorf("version %d of parameter %q has the value of version %d, but somebody put version %d at the same moment: compare them",
			out.Version, r.Path, r.To, out.Version-1)
	}
	return out.Version, nil
}
