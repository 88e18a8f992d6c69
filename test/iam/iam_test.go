// Package iam holds the snippets of docs/iam to what reads them: eksctl's to the
// JSON schema of eksctl itself, Terraform's to the syntax, to the names that it
// declares, and to the arguments that the AWS provider documents. The provider's
// own schema comes from a registry alone, so that terraform validate is not run.
package iam

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

const (
	eksctlModule = "github.com/weaveworks/eksctl@v0.215.0"
	eksctlSchema = "pkg/apis/eksctl.io/v1alpha5/assets/schema.json"

	goformationModule    = "github.com/awslabs/goformation/v7@v7.14.9"
	cloudFormationSchema = "schema/cloudformation.schema.json"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs/iam", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// mustContain looks for what docs/security.md and docs/events.md ask for.
func mustContain(t *testing.T, text []byte, wanted []string) {
	t.Helper()
	for _, want := range wanted {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("there is no %q", want)
		}
	}
}

// TestEksctl has eksctl's schema accept the file, and refuse a misspelled one.
func TestEksctl(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(download(t, eksctlModule), filepath.FromSlash(eksctlSchema)))
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, "eksctl.yaml")
	mustContain(t, text, []string{"envgraft-system", "ssm:GetParameter", "kms:Decrypt"})
	if err := schema.Validate(decode(t, text)); err != nil {
		t.Errorf("docs/iam/eksctl.yaml: %#v", err)
	}
	misspelled := bytes.Replace(text, []byte("serviceAccountName:"), []byte("serviceAccount:"), 1)
	if schema.Validate(decode(t, misspelled)) == nil {
		t.Error("the schema accepts a key that there is not: it checks nothing")
	}
}

// download returns the folder of a module.
func download(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", path).Output()
	if err != nil {
		t.Fatalf("cannot download %s: %v\n%s", path, err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	return module.Dir
}

func decode(t *testing.T, text []byte) any {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// arguments are those of the AWS provider 6 that the snippet may use, by block;
// a nested block has its own. They are from the provider's documentation.
var arguments = map[string][]string{
	"terraform":                        {"required_providers"},
	"required_providers":               {"aws"},
	"variable":                         {"type", "description"},
	"aws_caller_identity":              {},
	"aws_partition":                    {},
	"aws_region":                       {},
	"aws_iam_policy_document":          {"statement"},
	"statement":                        {"actions", "effect", "principals", "resources", "sid", "condition"},
	"principals":                       {"type", "identifiers"},
	"aws_iam_role":                     {"name", "assume_role_policy"},
	"aws_iam_role_policy":              {"name", "role", "policy"},
	"condition":                        {"test", "variable", "values"},
	"aws_cloudwatch_event_rule":        {"name", "event_pattern"},
	"aws_cloudwatch_event_target":      {"rule", "arn"},
	"aws_sqs_queue":                    {"name", "message_retention_seconds", "visibility_timeout_seconds", "receive_wait_time_seconds", "redrive_policy"},
	"aws_sqs_queue_policy":             {"queue_url", "policy"},
	"aws_eks_pod_identity_association": {"cluster_name", "namespace", "service_account", "role_arn"},
}

// attributes are those that may be read of what is declared.
var attributes = map[string][]string{
	"aws_caller_identity":       {"account_id"},
	"aws_partition":             {"partition"},
	"aws_region":                {"region"}, // since version 6
	"aws_iam_policy_document":   {"json"},
	"aws_iam_role":              {"id", "arn"},
	"aws_cloudwatch_event_rule": {"name", "arn"},
	"aws_sqs_queue":             {"arn", "url"},
}

// rights are what envgraft's role needs to receive events.
var rights = []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes", "aws:SourceArn"}

func TestTerraform(t *testing.T) {
	for name, test := range map[string]struct {
		grants   []string
		mistakes [][2]string
	}{
		"pod-identity.tf": {
			[]string{"envgraft-system", "ssm:GetParameter", "kms:Decrypt"},
			[][2]string{
				{"service_account =", "service_acount ="}, {"var.kms_key_arn", "var.kms_key"}, {".envgraft.arn", ".envgraft.arm"}, {"region.current.region", "region.this.region"},
			},
		},
		"events.tf": {rights, [][2]string{{"queue_url", "queue"}, {"aws_sqs_queue.dead.arn", "aws_sqs_queue.deadletters.arn"}, {"variable =", "varable ="}}},
	} {
		t.Run(name, func(t *testing.T) {
			text := read(t, name)
			mustContain(t, text, test.grants)
			if formatted := hclwrite.Format(text); !bytes.Equal(formatted, text) {
				t.Errorf("docs/iam/%s is not as terraform fmt writes it:\n%s", name, formatted)
			}
			for _, problem := range problems(t, text) {
				t.Error(problem)
			}
			for _, mistake := range test.mistakes {
				wrong := strings.Replace(string(text), mistake[0], mistake[1], 1)
				if len(problems(t, []byte(wrong))) == 0 {
					t.Errorf("%q is not found to be wrong: nothing is checked", mistake[1])
				}
			}
		})
	}
}

// TestCloudFormation has the published schema of CloudFormation's resources
// accept the template, and refuse a misspelled one.
func TestCloudFormation(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(download(t, goformationModule), filepath.FromSlash(cloudFormationSchema)))
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, "events.cloudformation.yaml")
	mustContain(t, text, rights)
	// The schema has no intrinsic functions: what they return is text.
	plain := regexp.MustCompile("!(GetAtt|Ref) ([A-Za-z.]+)").ReplaceAll(text, []byte(`"$2"`))
	if err := schema.Validate(decode(t, plain)); err != nil {
		t.Errorf("docs/iam/events.cloudformation.yaml: %#v", err)
	}
	misspelled := bytes.Replace(plain, []byte("VisibilityTimeout:"), []byte("VisibilityTimeOut:"), 1)
	if schema.Validate(decode(t, misspelled)) == nil {
		t.Error("the schema accepts a property that there is not: it checks nothing")
	}
}

// problems are arguments that there are not, and names that nothing declares.
func problems(t *testing.T, text []byte) (found []string) {
	t.Helper()
	file, diagnostics := hclsyntax.ParseConfig(text, "snippet.tf", hcl.InitialPos)
	if diagnostics.HasErrors() {
		t.Fatal(diagnostics)
	}
	body := file.Body.(*hclsyntax.Body)
	declared := map[string]string{} // by how it is named, its type
	for _, block := range body.Blocks {
		switch name := strings.Join(block.Labels, "."); block.Type {
		case "variable":
			declared["var."+name] = ""
		case "data":
			declared["data."+name] = block.Labels[0]
		case "resource":
			declared[name] = block.Labels[0]
		}
	}
	for _, block := range body.Blocks {
		of := block.Type
		if len(block.Labels) == 2 {
			of = block.Labels[0]
		}
		found = append(found, inBlock(of, block.Body)...)
	}
	diagnostics = hclsyntax.VisitAll(body, func(node hclsyntax.Node) hcl.Diagnostics {
		if reference, ok := node.(*hclsyntax.ScopeTraversalExpr); ok {
			found = append(found, unresolved(reference, declared)...)
		}
		return nil
	})
	if diagnostics.HasErrors() {
		t.Fatal(diagnostics)
	}
	return found
}

func inBlock(of string, body *hclsyntax.Body) (found []string) {
	known, ok := arguments[of]
	if !ok {
		return []string{"block " + of + " is not known here"}
	}
	for name, attribute := range body.Attributes {
		if !slices.Contains(known, name) {
			found = append(found, attribute.SrcRange.String()+": "+of+" has no argument "+name)
		}
	}
	for _, block := range body.Blocks {
		if !slices.Contains(known, block.Type) {
			found = append(found, block.Range().String()+": "+of+" has no block "+block.Type)
		}
		found = append(found, inBlock(block.Type, block.Body)...)
	}
	return found
}

func unresolved(reference *hclsyntax.ScopeTraversalExpr, declared map[string]string) []string {
	var words []string
	for _, step := range reference.Traversal {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			words = append(words, step.Name)
		case hcl.TraverseAttr:
			words = append(words, step.Name)
		}
	}
	if len(words) == 1 && slices.Contains([]string{"string", "number", "bool"}, words[0]) {
		return nil // a type
	}
	length := map[string]int{"var": 2, "data": 3}[words[0]]
	if length == 0 {
		length = 2
	}
	where := reference.SrcRange.String() + ": "
	if len(words) < length {
		return []string{where + strings.Join(words, ".") + " names nothing"}
	}
	name := strings.Join(words[:length], ".")
	of, ok := declared[name]
	if !ok {
		return []string{where + name + " is not declared"}
	}
	if of != "" && !(len(words) == length+1 && slices.Contains(attributes[of], words[length])) {
		return []string{where + of + " has no attribute " + strings.Join(words[length:], ".")}
	}
	return nil
}
