package workload

import (
	"fmt"
	"strings"
)

// RestartCommand is how a person replaces the pods of an object, the same
// wherever it is printed. It needs no plugin: a Rollout is restarted by the field
// that kubectl argo rollouts restart sets. It is empty for a kind whose pods
// nothing replaces.
func (k Kind) RestartCommand(namespace, name string) string {
	switch {
	case !k.Restartable:
		return ""
	case k.Kind == Rollout:
		return fmt.Sprintf(`kubectl patch -n %s rollouts.%s/%s --type merge -p "{\"spec\":{\"restartAt\":\"$(date -u +%%Y-%%m-%%dT%%H:%%M:%%SZ)\"}}"`,
			namespace, k.Group, name)
	}
	return fmt.Sprintf("kubectl rollout restart -n %s %s/%s", namespace, strings.ToLower(k.Kind), name)
}
