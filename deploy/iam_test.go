package deploy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// policy is an IAM policy document.
type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid, Effect string
	Principal   map[string]string
	Action      oneOrMore
	Resource    string
	Condition   map[string]map[string]string
}

// oneOrMore is a string, or a list of them: IAM takes both.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(o))
}

func readPolicy(t *testing.T, name string) policy {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(read(t, filepath.Join("iam", name))))
	decoder.DisallowUnknownFields() // IAM refuses a document with a misspelled element
	var p policy
	if err := decoder.Decode(&p); err != nil {
		t.Fatalf("iam/%s: %v", name, err)
	}
	if text := read(t, filepath.Join("iam", name)); strings.Contains(text, "arn:aws") || !strings.Contains(text, "arn:PARTITION:") {
		t.Errorf("iam/%s names a partition: GovCloud and China have others", name)
	}
	if p.Version != "2012-10-17" {
		t.Errorf("iam/%s has the version %q", name, p.Version)
	}
	return p
}

// TestPolicies holds the ready policies to least privilege.
func TestPolicies(t *testing.T) {
	for name, want := range map[string][]string{
		"webhook.json":               {"kms:Decrypt", "ssm:GetParameter", "ssm:GetParameters"},
		"webhook-other-account.json": {"sts:AssumeRole"},
		"operator.json":              {"kms:Decrypt", "ssm:GetParameter"},
	} {
		var actions []string
		for _, s := range readPolicy(t, name).Statement {
			actions = append(actions, s.Action...)
			if s.Effect != "Allow" || s.Principal != nil {
				t.Errorf("iam/%s: statement %q allows nothing: %+v", name, s.Sid, s)
			}
			checkResource(t, name, s)
		}
		slices.Sort(actions)
		if diff := cmp.Diff(want, actions); diff != "" {
			t.Errorf("iam/%s: actions -want, +got:\n%s", name, diff)
		}
	}
}

// checkResource refuses what opens more than an environment, a key or a role.
func checkResource(t *testing.T, file string, s statement) {
	t.Helper()
	switch {
	case strings.HasPrefix(s.Action[0], "ssm:") && !strings.HasSuffix(s.Resource, ":parameter/*/*/ENVIRONMENT/*"):
		t.Errorf("iam/%s: %q opens %s, more than an environment", file, s.Action, s.Resource)
	case s.Action[0] == "kms:Decrypt" && (strings.Contains(s.Resource, "*") || s.Condition["StringEquals"]["kms:ViaService"] == "" ||
		s.Condition["StringLike"]["kms:EncryptionContext:PARAMETER_ARN"] == ""):
		t.Errorf("iam/%s: %s may decrypt more than the environment's parameters: %+v", file, s.Resource, s.Condition)
	case s.Action[0] == "sts:AssumeRole" && strings.Contains(s.Resource, "*"):
		t.Errorf("iam/%s: any role may be assumed: %s", file, s.Resource)
	}
}

// TestTrust holds the trust policies to the chart's ServiceAccount alone.
func TestTrust(t *testing.T) {
	account := render(t, "--values", "testdata/values/minimal.yaml").deployment.Spec.Template.Spec.ServiceAccountName
	irsa := readPolicy(t, "trust-irsa.json").Statement
	equals := irsa[0].Condition["StringEquals"]
	if len(irsa) != 1 || equals["OIDC_PROVIDER:sub"] != "system:serviceaccount:"+systemNamespace+":"+account || equals["OIDC_PROVIDER:aud"] != "sts.amazonaws.com" {
		t.Errorf("trust-irsa.json trusts %+v, want ServiceAccount %s/%s alone", irsa, systemNamespace, account)
	}
	identity := readPolicy(t, "trust-pod-identity.json").Statement
	equals = identity[0].Condition["StringEquals"]
	if len(identity) != 1 || identity[0].Principal["Service"] != "pods.eks.amazonaws.com" || equals["aws:RequestTag/eks-cluster-arn"] == "" ||
		equals["aws:RequestTag/kubernetes-namespace"] != systemNamespace || equals["aws:RequestTag/kubernetes-service-account"] != account {
		t.Errorf("trust-pod-identity.json trusts %+v, want ServiceAccount %s/%s of one cluster alone", identity, systemNamespace, account)
	}
}

// TestCalls finds what the server asks of AWS in its sources, and holds the
// webhook's policies to allowing it.
func TestCalls(t *testing.T) {
	allowed := map[string]bool{}
	for _, name := range []string{"webhook.json", "webhook-other-account.json"} {
		for _, s := range readPolicy(t, name).Statement {
			for _, action := range s.Action {
				allowed[action] = true
			}
		}
	}
	call := regexp.MustCompile(`\bssm\.([A-Z]\w+)Input\b`)
	found := 0
	for _, dir := range []string{"facts", "eso", "controller"} {
		files, err := filepath.Glob("../internal/" + dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("no sources in %s: %v", dir, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range call.FindAllStringSubmatch(string(source), -1) {
				found++
				if !allowed["ssm:"+match[1]] {
					t.Errorf("%s calls ssm:%s, which deploy/iam does not allow", file, match[1])
				}
			}
		}
	}
	if found == 0 {
		t.Error("no call was found")
	}
}
