// Package uninstall removes from a cluster what envgraft wrote to it.
package uninstall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"gomodules.xyz/jsonpatch/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/reload"
	"github.com/envgraft/envgraft/internal/terminal"
	"github.com/envgraft/envgraft/internal/workload"
)

// Remover takes envgraft out of a cluster.
type Remover struct {
	Client client.Client
	Out    io.Writer
	// Webhooks and Policy name what makes the API server change pods.
	Webhooks, Policy string
	// Yes is to do it, rather than to show it.
	Yes bool
}

// Run goes on after a workload that could not be cleaned: the next run finds it.
func (r Remover) Run(ctx context.Context) error {
	// First, or an update of a workload would have it all written again.
	if err := r.deleteAdmission(ctx); err != nil {
		return err
	}
	var failed []error
	for _, kind := range workload.RestartableKinds() {
		failed = append(failed, r.revertAll(ctx, kind.GroupVersionKind()))
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	if !r.Yes {
		return r.say("nothing was changed: give --yes to do it")
	}
	return r.say("stays: labels and annotations that people set, running pods, ExternalSecrets and the Secrets that these pods read")
}

func (r Remover) revertAll(ctx context.Context, kind schema.GroupVersionKind) error {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := r.Client.List(ctx, list); meta.IsNoMatchError(err) {
		return nil // Argo Rollouts is not installed
	} else if err != nil {
		return fmt.Errorf("cannot list %ss: %w", kind.Kind, err)
	}
	var failed []error
	for i := range list.Items {
		if _, written := list.Items[i].GetAnnotations()[api.AnnotationWritten]; written {
			failed = append(failed, r.revert(ctx, &list.Items[i]))
		}
	}
	return errors.Join(failed...)
}

func (r Remover) revert(ctx context.Context, object *unstructured.Unstructured) error {
	name := fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName())
	patch, rollsOut, err := revertPatch(object)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	what := "remove the annotations of"
	if rollsOut {
		what = "remove the annotations and the template's label of, and so roll out,"
	}
	if err := r.say("%s %s", what, name); err != nil || !r.Yes {
		return err
	}
	err = retry.OnError(retry.DefaultBackoff, func(err error) bool { return errors.Is(err, errChanged) }, func() error {
		read := object.GetResourceVersion()
		refused := r.Client.Patch(ctx, object, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(api.FieldManager))
		if !apierrors.IsInvalid(refused) { // which a test that fails is
			return refused
		}
		if err := r.Client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		if object.GetResourceVersion() == read {
			return refused // for a reason of its own
		}
		if patch, _, err = revertPatch(object); err != nil {
			return err
		}
		return errChanged
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("cannot remove what envgraft wrote on %s: %w", name, err)
	}
	return nil
}

// errChanged says that an object is other than it was read, as the status of one
// is that rolls out.
var errChanged = errors.New("it keeps changing: try again")

// revertPatch is computed from what was read, so it must be that still.
func revertPatch(object *unstructured.Unstructured) (patch []byte, rollsOut bool, err error) {
	raw, err := object.MarshalJSON()
	if err != nil {
		return nil, false, err
	}
	operations, rollsOut, err := reload.Revert(raw)
	if err != nil {
		return nil, false, err
	}
	test := jsonpatch.NewOperation("test", "/metadata/resourceVersion", object.GetResourceVersion())
	patch, err = json.Marshal(append([]jsonpatch.Operation{test}, operations...))
	return patch, rollsOut, err
}

func (r Remover) say(format string, args ...any) error {
	_, err := terminal.Fprintf(r.Out, format+"\n", args...)
	return err
}
