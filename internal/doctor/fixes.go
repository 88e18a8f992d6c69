package doctor

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/workload"
)

// The rule: a printed command is pasted by somebody in a hurry. So none
// overwrites or deletes data that it did not read itself: parameters are read
// into a file, edited and written from there; objects are created, never
// applied over what may be there; labels and annotations change one key; Helm
// keeps its values. What is somebody else's decision is no command at all, but
// says what to ask its owner for. TestFixesLoseNothing runs every one.

// fix is a command, or what to ask an owner for, or both.
type fix struct{ name, command, ask string }

// none is for findings that have no command.
func none() fix { return fix{} }

func ask(format string, arguments ...any) fix { return fix{ask: fmt.Sprintf(format, arguments...)} }

// kubectl writes a command in the workload's namespace.
func (in Input) kubectl(format string, arguments ...any) string {
	return "kubectl -n " + in.App.Workload.Namespace + " " + fmt.Sprintf(format, arguments...)
}

// installation is where envgraft's Deployment is, or should be.
func (in Input) installation() (namespace, name string) {
	namespace, name, _ = strings.Cut(in.Installation, "/")
	return namespace, name
}

// install installs envgraft. Image and environment have no default that works.
func install(in Input) fix {
	namespace, name := in.installation()
	return fix{name: "install", command: fmt.Sprintf("helm install %s deploy/chart --namespace %s --create-namespace "+
		"--set image.repository=REGISTRY/envgraft --set image.tag=TAG --set config.environment=ENVIRONMENT", name, namespace)}
}

// upgrade makes again what is missing of the installation, with the values that
// it has. One that Helm did not install is left to whatever did.
func upgrade(in Input) fix {
	namespace, release := in.installation()
	for _, d := range in.Operators.Value.Envgraft {
		if d.Metadata.Namespace != namespace || d.Metadata.Name != release {
			continue
		}
		if release = d.Metadata.Annotations["meta.helm.sh/release-name"]; release == "" {
			return ask("whoever installed envgraft in namespace %s without Helm to apply their manifests again", namespace)
		}
		break
	}
	return fix{name: "upgrade", command: fmt.Sprintf("helm upgrade %s deploy/chart --namespace %s --reuse-values", release, namespace)}
}

// restartServer replaces all replicas.
func restartServer(in Input) fix {
	namespace, name := in.installation()
	return fix{name: "restartServer", command: fmt.Sprintf("kubectl -n %s rollout restart deployment/%s", namespace, name)}
}

// start has pods of a Deployment start.
func start(d clusterview.Deployment) fix {
	if d.Spec.Replicas != nil && *d.Spec.Replicas == 0 {
		return fix{name: "start", command: fmt.Sprintf("kubectl -n %s scale deployment/%s --replicas=1", d.Metadata.Namespace, d.Metadata.Name)}
	}
	return fix{name: "start", command: fmt.Sprintf("kubectl -n %s rollout restart deployment/%s", d.Metadata.Namespace, d.Metadata.Name)}
}

// installOperator installs ESO as its own documentation does, and fails where a
// release of that name exists.
func installOperator() fix {
	return fix{name: "installOperator", command: "helm install --repo https://charts.external-secrets.io " +
		"--namespace external-secrets --create-namespace external-secrets external-secrets"} //nolint:dupword // release and chart
}

const reloaderChart = "--repo https://stakater.github.io/stakater-charts"

func installReloader() fix {
	return fix{name: "installReloader", command: "helm install " + reloaderChart +
		" --namespace reloader --create-namespace reloader reloader"} //nolint:dupword // release and chart
}

// enableRollouts has a Reloader restart Argo Rollouts. The chart's value gives
// the rights, too.
func enableRollouts(reloader metav1.ObjectMeta) fix {
	release := reloader.Annotations["meta.helm.sh/release-name"]
	if release == "" {
		return editDeployment(reloader, "to start it with --is-Argo-Rollouts=true, and to give it the rights on Rollouts")
	}
	version := ""
	if chart, ok := strings.CutPrefix(reloader.Labels["helm.sh/chart"], "reloader-"); ok {
		version = " --version " + word(chart)
	}
	return fix{name: "enableRollouts", command: fmt.Sprintf("helm upgrade %s%s --namespace %s %s reloader --reuse-values --set reloader.isArgoRollouts=true",
		reloaderChart, version, reloader.Namespace, name(release))}
}

// editDeployment opens another team's Deployment: what it was started with is
// their choice.
func editDeployment(d metav1.ObjectMeta, what string) fix {
	return fix{
		name:    "editDeployment",
		command: fmt.Sprintf("kubectl -n %s edit deployment/%s", d.Namespace, d.Name),
		ask:     fmt.Sprintf("whoever runs deployment/%s in namespace %s %s", d.Name, d.Namespace, what),
	}
}

// createNamespace makes the workload's.
func createNamespace(in Input) fix {
	return fix{name: "createNamespace", command: "kubectl create namespace " + in.App.Workload.Namespace}
}

// labelNamespace sets a label of the Namespace, or with "-" removes it.
func labelNamespace(in Input, label string) fix {
	overwrite := " --overwrite"
	if strings.HasSuffix(label, "-") {
		overwrite = ""
	}
	return fix{name: "labelNamespace", command: fmt.Sprintf("kubectl label namespace %s %s%s", in.App.Workload.Namespace, label, overwrite)}
}

// enforce takes a Namespace out of audit mode.
func enforce(in Input) fix {
	return fix{name: "enforce", command: fmt.Sprintf("kubectl annotate namespace %s %s-", in.App.Workload.Namespace, api.AnnotationMode)}
}

// labelWorkload opts the workload itself in.
func labelWorkload(in Input) fix {
	return fix{name: "labelWorkload", command: in.kubectl("label %s %s=%s --overwrite", in.App.Workload, api.LabelInject, api.Enabled)}
}

// patchTemplate sets or, with "null", removes a field of the pod template's metadata.
func patchTemplate(in Input, field, key, value string) fix {
	if value != "null" {
		value = `"` + value + `"`
	}
	inner := fmt.Sprintf(`{"metadata":{"%s":{"%s":%s}}}`, field, key, value)
	w := in.App.Workload
	command := in.kubectl("patch %s --type merge -p '{\"spec\":{\"template\":%s}}'", w, inner)
	switch w.Kind.Kind {
	case workload.Pod, workload.Job:
		return ask("whoever has the manifest of %s to set %s %q there to %s: a %s that exists keeps its template",
			w, strings.TrimSuffix(field, "s"), key, value, w.Kind.Kind)
	case workload.CronJob:
		command = in.kubectl("patch %s --type merge -p '{\"spec\":{\"jobTemplate\":{\"spec\":{\"template\":%s}}}}'", w, inner)
	}
	return fix{name: "patchTemplate", command: command}
}

// declareLiteral declares a variable in the template, for webhooks that add it
// only where env does not have it: envgraft binds it to its key then. Merging
// lists by name is something that only built-in kinds can.
func declareLiteral(in Input, c container, variable string) fix {
	w := in.App.Workload
	mergeable := w.Kind.Kind == workload.Deployment || w.Kind.Kind == workload.StatefulSet || w.Kind.Kind == workload.DaemonSet
	if !mergeable || !plainVariable.MatchString(variable) {
		return ask("whoever has the manifest of %s to declare %s with any value in env of container %s: envgraft binds it to its key", w, variable, c.name)
	}
	return fix{name: "declareLiteral", command: in.kubectl("patch %s --type strategic -p '%s'", w, fmt.Sprintf(
		`{"spec":{"template":{"spec":{"%s":[{"name":"%s","env":[{"name":"%s","value":"bound-by-envgraft"}]}]}}}}`, c.list, c.name, variable))}
}

// storeOwner asks for what only the owner of a store can decide.
func storeOwner(in Input, format string, arguments ...any) fix {
	return ask("the owner of %s %s", in.StoreRef, fmt.Sprintf(format, arguments...))
}

// describeStore shows what ESO says of a store.
func describeStore(in Input) fix {
	resource, namespace := "secretstore", ""
	if in.StoreRef.Kind == graft.KindClusterSecretStore {
		resource = "clustersecretstore"
	} else if in.App != nil {
		namespace = " -n " + in.App.Workload.Namespace
	}
	return fix{name: "describeStore", command: fmt.Sprintf("kubectl describe %s %s%s", resource, name(in.StoreRef.Name), namespace)}
}

// createExternalSecret makes what envgraft was configured not to make. The
// operator would replace the data of a Secret that exists, so this is only for
// where none does.
func createExternalSecret(in Input) fix {
	id := in.App.Subject.Identity
	return fix{name: "createExternalSecret", command: fmt.Sprintf(`kubectl create -f - <<'END'
apiVersion: external-secrets.io/%s
kind: ExternalSecret
metadata: {name: %s, namespace: %s}
spec:
  secretStoreRef: {kind: %s, name: %s}
  target: {name: %s}
  dataFrom: [{extract: {key: %s}}]
END`, in.ESO.Value, id.ExternalSecret, in.App.Workload.Namespace, name(in.StoreRef.Kind), name(in.StoreRef.Name), id.Secret, id.Parameter)}
}

// describeExternalSecret shows what ESO says of the ExternalSecret.
func describeExternalSecret(in Input) fix {
	return fix{name: "describeExternalSecret", command: in.kubectl("describe externalsecret %s", in.App.ExternalSecret.Name)}
}

// forceSync asks ESO for a refresh: it takes any change of an annotation as one.
func forceSync(in Input) fix {
	return fix{name: "forceSync", command: syncCommand(in)}
}

func syncCommand(in Input) string {
	if in.App.ExternalSecret == nil {
		return ""
	}
	return in.kubectl("annotate externalsecret %s force-sync=$(date +%%s) --overwrite", in.App.ExternalSecret.Name)
}

// checkAndSync looks whether the parameter has keys before it asks for a refresh.
func checkAndSync(in Input) fix {
	return fix{name: "checkAndSync", command: "envgraft parameters check " + in.App.Subject.Identity.Parameter + " &&\n" + syncCommand(in)}
}

// editParameter reads the parameter into a file, or begins one, and writes it
// from there, encrypted with the key that it has. It creates without
// --overwrite: whoever may not read the parameter does not replace it either.
func editParameter(in Input) fix {
	command := fmt.Sprintf(`p=%s; umask 077; f=$(mktemp); overwrite=
if aws ssm get-parameter --with-decryption --name "$p" --query Parameter.Value --output text >"$f"; then
  overwrite="--overwrite --key-id $(aws ssm describe-parameters --parameter-filters "Key=Name,Values=$p" --query 'Parameters[0].KeyId' --output text)"
else
  echo '{"KEY": "value"}' >"$f"
fi
${EDITOR:-vi} "$f" && aws ssm put-parameter --type SecureString --name "$p" --value "file://$f" $overwrite && rm "$f"`, in.App.Subject.Identity.Parameter)
	if sync := syncCommand(in); sync != "" {
		command += " &&\n" + sync
	}
	return fix{name: "editParameter", command: command}
}

// encryptParameter makes a SecureString of a String, which SSM cannot convert.
// The file stays where the last step fails.
func encryptParameter(in Input) fix {
	return fix{name: "encryptParameter", command: fmt.Sprintf(`p=%s; umask 077; f=$(mktemp) &&
aws ssm get-parameter --with-decryption --name "$p" --query Parameter.Value --output text >"$f" &&
aws ssm delete-parameter --name "$p" &&
{ aws ssm put-parameter --type SecureString --name "$p" --value "file://$f" && rm "$f" || echo "the value is in $f" >&2; }`, in.App.Subject.Identity.Parameter)}
}

// createConfigMap makes one from a file that the reader fills.
func createConfigMap(in Input) fix {
	configMap := in.App.Subject.Identity.ConfigMap
	return fix{name: "createConfigMap", command: fmt.Sprintf("${EDITOR:-vi} %s.env &&\n%s", configMap,
		in.kubectl("create configmap %s --from-env-file=%s.env", configMap, configMap))}
}

// describeQuota shows what keeps pods out.
func describeQuota(in Input) fix {
	return fix{
		name: "describeQuota", command: in.kubectl("describe resourcequota"),
		ask: fmt.Sprintf("whoever sets the ResourceQuota of namespace %s to raise it, or free some of it", in.App.Workload.Namespace),
	}
}

// annotate sets one annotation of the workload.
func annotate(in Input, key, value string) fix {
	return fix{name: "annotate", command: in.kubectl("annotate %s %s --overwrite", in.App.Workload, word(key+"="+value))}
}

// unannotate removes one annotation of the workload.
func unannotate(in Input, key string) fix {
	return fix{name: "unannotate", command: in.kubectl("annotate %s %s-", in.App.Workload, word(key))}
}

// restartWorkload replaces the pods, in the way of their kind. What nothing replaces is
// never deleted.
func restartWorkload(in Input) fix {
	w := in.App.Workload
	kind := workload.KindOf(schema.GroupKind{Group: w.Kind.Group, Kind: w.Kind.Kind})
	switch {
	case kind.Restartable:
		return fix{name: "restart", command: kind.RestartCommand(w.Namespace, w.Name)}
	case kind.Kind == workload.CronJob:
		return none() // the next run starts with the data of its time
	}
	return ask("whoever has the manifest of %s to make it again when that may be: nothing replaces its pods", w)
}
