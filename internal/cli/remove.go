package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"gomodules.xyz/jsonpatch/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/reload"
	"github.com/envgraft/envgraft/internal/terminal"
	"github.com/envgraft/envgraft/internal/workload"
)

// remover takes envgraft out of a cluster.
type remover struct {
	client client.Client
	out    io.Writer
	// webhooks and policy name what makes the API server change pods.
	webhooks, policy string
	yes              bool
}

func newRemove(streams Streams) *cobra.Command {
	var flags kubeFlags
	r := remover{out: streams.Out}
	command := &cobra.Command{
		Use:   "remove",
		Short: "Remove what envgraft wrote to the cluster, before it is uninstalled",
		Long: `Take envgraft out of a cluster: first delete the webhook configuration and the
policies of the standby, so that nothing is written or refused any more, then take
back what stands on Deployments, StatefulSets, DaemonSets and Rollouts. Where one
of another name is left, it would write all of it again, so that is an error.
helm uninstall does the rest.

Without --yes it changes nothing and shows what it would do: a workload that
opted in by its own label has a copy of it in its template, and taking that back
rolls the workload out, without its environment.

What stays: labels and annotations that people set, running pods as they are, and
ExternalSecrets and Secrets, which running pods read. ExternalSecrets go with
their workloads, or by hand.

Exit code 0: done, or shown. 1: something could not be done; run it again. 2: the
command line was not understood.`,
		Example: `  envgraft remove
  envgraft remove --yes && helm uninstall envgraft -n envgraft-system`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			restConfig, err := flags.loader().ClientConfig()
			if err != nil {
				return fmt.Errorf("cannot read the kubeconfig: %s", oneLine(err))
			}
			if r.client, err = client.New(clusterview.Prepare(restConfig, buildVersion()), client.Options{}); err != nil {
				return fmt.Errorf("cannot reach the cluster: %w", err)
			}
			return r.run(command.Context())
		},
	}
	flags.add(command)
	command.Flags().StringVar(&r.webhooks, "webhook-configuration", "envgraft", "`name` of the MutatingWebhookConfiguration, the release's")
	command.Flags().StringVar(&r.policy, "policy", "envgraft", "`name` of the standby's policies, as envgraft export policy was given")
	command.Flags().BoolVar(&r.yes, "yes", false, "do it, rather than show it")
	return command
}

// run goes on after a workload that could not be cleaned: the next run finds it.
func (r remover) run(ctx context.Context) error {
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
	if !r.yes {
		return r.say("nothing was changed: give --yes to do it")
	}
	return r.say("stays: labels and annotations that people set, running pods, ExternalSecrets and the Secrets that these pods read")
}

func (r remover) revertAll(ctx context.Context, kind schema.GroupVersionKind) error {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := r.client.List(ctx, list); meta.IsNoMatchError(err) {
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

func (r remover) revert(ctx context.Context, object *unstructured.Unstructured) error {
	name := fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName())
	patch, rollsOut, err := revertPatch(object)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	what := "remove the annotations of"
	if rollsOut {
		what = "remove the annotations and the template's label of, and so roll out,"
	}
	if err := r.say("%s %s", what, name); err != nil || !r.yes {
		return err
	}
	err = retry.OnError(retry.DefaultBackoff, func(err error) bool { return errors.Is(err, errChanged) }, func() error {
		read := object.GetResourceVersion()
		refused := r.client.Patch(ctx, object, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(api.FieldManager))
		if !apierrors.IsInvalid(refused) { // which a test that fails is
			return refused
		}
		if err := r.client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
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
	operations, rollsOut, err := reload.TakeBack(raw)
	if err != nil {
		return nil, false, err
	}
	test := jsonpatch.NewOperation("test", "/metadata/resourceVersion", object.GetResourceVersion())
	patch, err = json.Marshal(append([]jsonpatch.Operation{test}, operations...))
	return patch, rollsOut, err
}

func (r remover) say(format string, args ...any) error {
	_, err := terminal.Fprintf(r.out, format+"\n", args...)
	return err
}
