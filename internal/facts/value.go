package facts

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/envgraft/envgraft/internal/graft"
)

// Value is a parameter with its values. The webhook and the controller never hold
// one: it is for commands that pass the values on, with the rights of whoever runs
// them.
type Value struct {
	graft.Parameter
	// Data is what the Secret of the parameter holds; nil unless Parameter is found.
	Data map[string]string
}

// ValueReader reads the values of a parameter.
type ValueReader interface {
	Value(ctx context.Context, name string) Value
}

// SSMValues reads values from SSM.
type SSMValues struct{ Client SSMClient }

// Value calls GetParameter.
func (s SSMValues) Value(ctx context.Context, name string) Value {
	out, err := s.Client.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	if err != nil {
		return Value{Parameter: SSMFault(err)}
	}
	if out.Parameter == nil || out.Parameter.Value == nil {
		return Value{Parameter: without(graft.ParameterUnreachable, "SSM answered without a value")}
	}
	v := decodeValue([]byte(*out.Parameter.Value))
	v.Version = out.Parameter.Version
	return v
}

// Value reads the parameter's file.
func (d *Directory) Value(_ context.Context, name string) Value {
	text, err := d.read(strings.TrimPrefix(name, "/") + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return Value{Parameter: without(graft.ParameterNotFound, "")}
	}
	if err != nil {
		return Value{Parameter: without(graft.ParameterUnreachable, oneLine(err.Error()))}
	}
	return decodeValue(text)
}

// decodeValue decodes as the External Secrets Operator does: strings without their
// quotes, null as the empty string, anything else as its JSON text.
func decodeValue(text []byte) Value {
	var object map[string]json.RawMessage
	failed := json.Unmarshal(text, &object)
	v := Value{Parameter: ParseKeys(text)} // it overwrites text
	if failed != nil || v.State != graft.ParameterFound {
		return v
	}
	v.Data = make(map[string]string, len(object))
	for name, raw := range object {
		if name == "" {
			continue
		}
		var value string
		if json.Unmarshal(raw, &value) != nil {
			value = string(raw)
		}
		v.Data[SecretKey(name)] = value
	}
	return v
}
