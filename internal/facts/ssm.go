package facts

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

// SSMClient is the operation of SSM that tells keys.
type SSMClient interface {
	GetParameter(ctx context.Context, in *ssm.GetParameterInput, options ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
}

// SSM reads parameters from AWS Systems Manager.
type SSM struct {
	client  func(Access) SSMClient
	metrics Recorder
}

// NewSSM returns a source that asks SSM by the clients.
func NewSSM(clients *SSMClients, m Recorder) *SSM {
	return &SSM{client: func(access Access) SSMClient { return clients.client(access) }, metrics: m}
}

// Name is the source's label in metrics.
func (s *SSM) Name() metrics.Source { return metrics.SourceSSM }

// Key is the parameter's path and its access: an account and region have one SSM.
func (s *SSM) Key(q Question) Key { return Key{Name: q.Parameter, Access: q.Access} }

// Read calls GetParameter. Of what it answers, only the keys are kept.
func (s *SSM) Read(ctx context.Context, key Key) Parameter {
	start := time.Now()
	p := s.read(ctx, key)
	s.metrics.SSMRequest(p.State, time.Since(start))
	return p
}

func (s *SSM) read(ctx context.Context, key Key) Parameter {
	out, err := s.client(key.Access).GetParameter(ctx, &ssm.GetParameterInput{Name: &key.Name, WithDecryption: aws.Bool(true)})
	if err != nil {
		return Parameter{Parameter: SSMFault(err)}
	}
	if out.Parameter == nil || out.Parameter.Value == nil {
		return Parameter{Parameter: without(graft.ParameterUnreachable, "SSM answered without a value")}
	}
	p := Parameter{Parameter: ParseKeys([]byte(*out.Parameter.Value))}
	p.Version, p.Modified = out.Parameter.Version, modified(out.Parameter.LastModifiedDate)
	out.Parameter.Value = nil
	return p
}
