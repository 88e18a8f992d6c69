package webhook

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"

	"gomodules.xyz/jsonpatch/v2"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/internal/bounded"
	"github.com/envgraft/envgraft/internal/jsonscan"
)

// The rule: an answer is written as it goes on the wire, by appending. What
// encoding/json would make of the same values says the same.

// answer is a review's answer.
type answer struct {
	buffer
	patch buffer
}

func (l *limits) newAnswer() *answer { return &answer{buffer: l.newBuffer(), patch: l.newBuffer()} }

func (a *answer) release() {
	a.buffer.release()
	a.patch.release()
}

// write writes the whole review, with the patch that was written before.
func (a *answer) write(version string, uid types.UID, r *admission.Response) {
	b := a.data
	b = append(b, `{"kind":"AdmissionReview","apiVersion":"`...)
	b = append(b, version...)
	b = append(b, `","response":{"uid":`...)
	b = jsonscan.AppendText(b, string(uid))
	b = append(b, `,"allowed":`...)
	b = strconv.AppendBool(b, r.Allowed)
	if r.Result != nil {
		b = append(b, `,"status":{"metadata":{}`...)
		b = appendMember(b, "message", bounded.Middle(r.Result.Message, bounded.Message))
		b = appendMember(b, "reason", string(r.Result.Reason))
		b = append(b, `,"code":`...)
		b = strconv.AppendInt(b, int64(r.Result.Code), 10)
		b = append(b, '}')
	}
	if len(a.patch.data) > 0 {
		b = append(b, `,"patchType":"JSONPatch","patch":"`...)
		b = base64.StdEncoding.AppendEncode(b, a.patch.data)
		b = append(b, '"')
	}
	for i, warning := range r.Warnings {
		b = append(b, [...]string{`,"warnings":[`, `,`}[min(i, 1)]...)
		b = jsonscan.AppendText(b, warning)
	}
	if len(r.Warnings) > 0 {
		b = append(b, ']')
	}
	b = append(b, "}}\n"...)
	a.data = b
}

// writePatch writes the operations, and tells whether they are no longer than
// an answer may be.
func (a *answer) writePatch(operations []jsonpatch.Operation) (fits bool, err error) {
	if len(operations) == 0 {
		return true, nil
	}
	b := a.patch.data
	for i, operation := range operations {
		b = append(b, [...]byte{'[', ','}[min(i, 1)])
		b = append(b, `{"op":`...)
		b = jsonscan.AppendText(b, operation.Operation)
		b = append(b, `,"path":`...)
		b = jsonscan.AppendText(b, operation.Path)
		if operation.Operation != "remove" {
			b = append(b, `,"value":`...)
			if b, err = appendValue(b, operation.Value); err != nil {
				return false, err
			}
		}
		b = append(b, '}')
		if len(b) > a.limits.MaxAnswerBytes {
			a.patch.data = b[:0]
			return false, nil
		}
	}
	b = append(b, ']')
	a.patch.data = b
	return true, nil
}

// appendMember appends a member of an object, unless it is empty.
func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	return jsonscan.AppendText(b, value)
}

// appendValue appends a value of an operation.
func appendValue(b []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case string:
		return jsonscan.AppendText(b, v), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case json.RawMessage:
		if len(v) > 0 {
			return append(b, v...), nil // the object's own text, which was read as JSON
		}
	case map[string]string:
		return appendObject(b, v, func(b []byte, v string) ([]byte, error) { return jsonscan.AppendText(b, v), nil })
	case map[string]any:
		return appendObject(b, v, appendValue)
	case []any:
		return appendArray(b, v)
	}
	text, err := json.Marshal(value)
	return append(b, text...), err
}

func appendObject[V any](b []byte, object map[string]V, member func([]byte, V) ([]byte, error)) ([]byte, error) {
	if object == nil {
		return append(b, "null"...), nil
	}
	keys := make([]string, 0, 8) // on the stack, as nearly all are small
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	b = append(b, '{')
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(jsonscan.AppendText(b, key), ':')
		var err error
		if b, err = member(b, object[key]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendArray(b []byte, array []any) ([]byte, error) {
	if array == nil {
		return append(b, "null"...), nil
	}
	b = append(b, '[')
	for i, item := range array {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendValue(b, item); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}
