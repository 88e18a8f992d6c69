// Package parameters creates placeholders for the SSM parameters of apps, lists and
// restores their versions, and checks that ESO can make Secrets of them. Values
// never leave the functions that read them.
package parameters

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// placeholder is a parameter without keys: SSM takes no empty values. Pods
// start without it and are restarted once it has keys.
const placeholder = "{}"

// Creator is what Init needs of SSM.
type Creator interface {
	PutParameter(ctx context.Context, in *ssm.PutParameterInput, options ...func(*ssm.Options)) (*ssm.PutParameterOutput, error)
	GetParameter(ctx context.Context, in *ssm.GetParameterInput, options ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
}

// InitOptions say how placeholders are made.
type InitOptions struct {
	// KeyID is the KMS key; empty means the account's default one.
	KeyID string
	Tags  map[string]string
	// DryRun only looks whether the parameter exists.
	DryRun bool
}

// Action is what Init did.
type Action string

// The actions.
const (
	ActionCreated     Action = "created"
	ActionWouldCreate Action = "would create"
	// ActionExists left a parameter as it was.
	ActionExists Action = "exists"
)

// Path returns the path of an app's parameter by the template that the
// cluster's webhook goes by, checked by the same rules.
func Path(names identity.Names, system, app, environment string) (string, error) {
	rules := identity.Rules{Tenancy: identity.TenancyNamespace, Names: names}
	id, err := rules.Resolve(
		identity.Namespace{Name: system, Labels: map[string]string{api.LabelSystem: system, api.LabelEnvironment: environment}},
		identity.Pod{Labels: map[string]string{api.LabelApp: app}},
	)
	if err != nil {
		return "", fmt.Errorf("cannot name the parameter: %w", err)
	}
	return id.Parameter, nil
}

// Init creates a placeholder where nothing is, and never overwrites.
func Init(ctx context.Context, client Creator, path string, o InitOptions) (Action, error) {
	if o.DryRun {
		return look(ctx, client, path)
	}
	in := &ssm.PutParameterInput{
		Name:      &path,
		Value:     aws.String(placeholder),
		Type:      types.ParameterTypeSecureString,
		Overwrite: aws.Bool(false),
		Tags:      tags(o.Tags),
	}
	if o.KeyID != "" {
		in.KeyId = &o.KeyID
	}
	_, err := client.PutParameter(ctx, in)
	if _, exists := errors.AsType[*types.ParameterAlreadyExists](err); exists {
		return ActionExists, nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot create parameter %q: %s", path, facts.SSMFault(err).Cause)
	}
	return ActionCreated, nil
}

// look asks without decryption: a dry run needs no right to KMS.
func look(ctx context.Context, client Creator, path string) (Action, error) {
	_, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: &path})
	if err == nil {
		return ActionExists, nil
	}
	fault := facts.SSMFault(err)
	if fault.State == graft.ParameterNotFound {
		return ActionWouldCreate, nil
	}
	return "", fmt.Errorf("cannot look for parameter %q: %s", path, fault.Cause)
}

// tags are sorted, so that two runs make the same call.
func tags(values map[string]string) []types.Tag {
	var all []types.Tag
	for _, key := range slices.Sorted(maps.Keys(values)) {
		all = append(all, types.Tag{Key: aws.String(key), Value: aws.String(values[key])})
	}
	return all
}
