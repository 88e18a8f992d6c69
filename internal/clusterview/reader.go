package clusterview

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/envgraft/envgraft/internal/externalsecret"
)

// The representations that are asked for. Metadata is enough for most things,
// and costs the API server and the line a tenth.
const (
	whole        = "application/json"
	metadataOf   = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	metadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// pageSize bounds an answer of the API server.
const pageSize = "500"

// Reader asks an API server. It needs no discovery: it knows where all that it
// reads is served.
type Reader struct {
	api rest.Interface

	mu      sync.Mutex
	missing []Right
}

// NewReader returns a reader with the rights of a kubeconfig's user.
func NewReader(config *rest.Config) (*Reader, error) {
	c := rest.CopyConfig(config)
	c.GroupVersion = &schema.GroupVersion{}
	c.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	// kubectl's own limits are for lists of thousands, too.
	c.QPS, c.Burst = 50, 300
	api, err := rest.UnversionedRESTClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("cannot make a client: %w", err)
	}
	return &Reader{api: api}, nil
}

// Renew returns a reader of the same cluster that remembers no missing rights.
func (r *Reader) Renew() *Reader { return &Reader{api: r.api} }

// get reads one object into the fields of T, and no others.
func get[T any](ctx context.Context, r *Reader, k Kind, namespace, name, accept string) Seen[T] {
	raw, err := answer(r.api.Get().AbsPath(k.path(namespace, name)...).SetHeader("Accept", accept).Do(ctx))
	seen := look[T](r, raw, err, Right{Verb: "get", Resource: resource(k), Namespace: scope(k, namespace), Name: name})
	clear(raw)
	return seen
}

// answer returns the body, and an error with the words of the API server: those
// of Raw alone are its code's.
func answer(result rest.Result) ([]byte, error) {
	raw, err := result.Raw()
	if err == nil {
		return raw, nil
	}
	if told := result.Error(); told != nil {
		err = told
	}
	return raw, err
}

// query narrows a list.
type query struct {
	labels, fields string
	accept         string
}

// list reads all objects of a kind, of one namespace or of all, page by page.
func list[T any](ctx context.Context, r *Reader, k Kind, namespace string, q query) Seen[[]T] {
	all := Seen[[]T]{State: Found}
	right := Right{Verb: "list", Resource: resource(k), Namespace: scope(k, namespace)}
	for token := ""; ; {
		request := r.api.Get().AbsPath(k.path(namespace, "")...).SetHeader("Accept", q.accept).Param("limit", pageSize)
		for name, value := range map[string]string{"labelSelector": q.labels, "fieldSelector": q.fields, "continue": token} {
			if value != "" {
				request.Param(name, value)
			}
		}
		raw, err := answer(request.Do(ctx))
		page := look[page[T]](r, raw, err, right)
		if page.State != Found {
			return Seen[[]T]{State: page.State, Cause: page.Cause}
		}
		for i := range page.Value.Items {
			trim(&page.Value.Items[i])
		}
		all.Value = append(all.Value, page.Value.Items...)
		if token = page.Value.Metadata.Continue; token == "" {
			return all
		}
	}
}

// trim drops what nobody reads of an object in a list: of pods by the thousand,
// managedFields are the most.
func trim(object any) {
	switch o := object.(type) {
	case *Pod:
		o.Metadata.ManagedFields = nil
	case *ExternalSecret:
		_, _ = externalsecret.Compact(o) // it fails for no ExternalSecret
	}
}

type page[T any] struct {
	Metadata struct {
		Continue string `json:"continue"`
	} `json:"metadata"`
	Items []T `json:"items"`
}

// look turns an answer into what was seen.
func look[T any](r *Reader, raw []byte, err error, right Right) Seen[T] {
	var seen Seen[T]
	switch {
	case apierrors.IsNotFound(err):
		seen.State = NotFound
	case apierrors.IsForbidden(err):
		miss(r, right)
		seen.State, seen.Cause = Forbidden, "you may not "+right.String()
	case err != nil:
		seen.State, seen.Cause = Failed, cause(err)
	default:
		seen.State = Found
		if err := json.Unmarshal(raw, &seen.Value); err != nil {
			// Not its words: they may quote what was read.
			seen.State, seen.Cause = Failed, fmt.Sprintf("cannot decode the answer to %s", right)
		}
	}
	return seen
}

// cause words an error on one line.
func cause(err error) string {
	var status apierrors.APIStatus
	text := err.Error()
	if errors.As(err, &status) {
		text = status.Status().Message
	}
	return strings.Join(strings.Fields(text), " ")
}

func scope(k Kind, namespace string) string {
	if k.cluster {
		return ""
	}
	return namespace
}

func resource(k Kind) string {
	if k.Group == "" {
		return k.Resource
	}
	return k.Resource + "." + k.Group
}
