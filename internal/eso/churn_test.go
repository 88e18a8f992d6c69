package eso

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/test/churn"
)

// anyReach lets every namespace have every parameter.
type anyReach struct{ TenancyChecker }

func (anyReach) CheckTenancy(identity.Namespace, string, graft.Store) error { return nil }

// TestExternalSecretsChurn has 100,000 ExternalSecrets of 10,000 namespaces come and
// go, with a store whose conditions ask for labels, and somebody who waits for a
// change that does not come.
func TestExternalSecretsChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n waiters
		var held targets
		handler := held.handler(toolscache.ResourceEventHandlerFuncs{})
		p := newPermits(Tenancy{Namespaces: &shopNamespaces{}, Decider: anyReach{}})
		byLabels := foundStore{storeSpec: storeSpec{Conditions: externalsecret.StoreConditions{
			{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "shop"}}},
		}}}
		churn.Test(t, churn.Churn{
			Come: func(i int) {
				e := &externalsecret.ExternalSecret{}
				e.Namespace, e.Name = fmt.Sprint("ns", i/10), fmt.Sprint("app", i)
				e.Spec.Target.Name = e.Name + "-secrets"
				_, leave := n.next(e.Namespace)
				handler.OnAdd(e, false)
				if got := held.filling(e.Namespace, e.SecretName()); len(got) != 1 {
					t.Fatalf("%q fill the Secret of %s", got, e.Name)
				}
				if why := p.refusal(t.Context(), facts.Question{Namespace: e.Namespace}, graft.Store{Name: "aws"}, byLabels); why != "" {
					t.Fatal(why)
				}
				handler.OnDelete(e)
				leave()
				time.Sleep(864 * time.Millisecond)
			},
			Rest: func() { time.Sleep(openFor) },
			Held: func() int { return len(held.names) + len(n.waits) + p.open.Len() },
		})
	})
}
