package cli_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/test/canary"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// result is what a command line leaves behind.
type result struct {
	code           int
	stdout, stderr string
}

func run(stdin string, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := cli.Main(context.Background(), args, cmdutil.Streams{In: strings.NewReader(stdin), Out: &stdout, Err: &stderr})
	return result{code, stdout.String(), stderr.String()}
}

// String is the golden form.
func (r result) String() string {
	return fmt.Sprintf("exit code %d\n\n== standard error\n%s\n== standard output\n%s", r.code, r.stderr, r.stdout)
}

// TestGolden runs each directory of testdata: the file args holds the command
// line, stdin what it reads, and golden what must come of it. The file formats
// holds further values of -o, each of which has a golden file, too. The cluster
// that is asked is cluster.yaml, or what the file cluster names.
func TestGolden(t *testing.T) {
	directories, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	if len(directories) == 0 {
		t.Fatal("testdata holds no case")
	}
	for _, directory := range directories {
		t.Run(filepath.Base(directory), func(t *testing.T) {
			t.Chdir(directory)
			checkGolden(t)
		})
	}
}

func checkGolden(t *testing.T) {
	t.Helper()
	args, server := readArgs(t), startCluster(t)
	left, err := filepath.Glob("golden*")
	if err != nil {
		t.Fatal(err)
	}
	checkOutput(t, "golden", slices.Concat(args, server))
	goldens := []string{"golden"}
	for format := range strings.FieldsSeq(readOptional(t, "formats")) {
		golden := "golden." + format
		goldens = append(goldens, golden)
		t.Run(format, func(t *testing.T) { checkOutput(t, golden, slices.Concat(args, server, []string{"-o", format})) })
	}
	for _, file := range left {
		if !slices.Contains(goldens, file) {
			t.Errorf("%s belongs to no format of the file formats: delete it", file)
		}
	}
}

func checkOutput(t *testing.T, golden string, args []string) {
	t.Helper()
	got := run(readOptional(t, "stdin"), args...)
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatalf("%v: go test ./internal/cli -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if told := canary.Find(got.String()); len(told) > 0 {
		t.Errorf("values of the parameter tier were printed: %q", told)
	}
	if got.code != 0 && args[0] == "inject" && got.stdout != "" {
		t.Error("a failed inject printed manifests: the next in the pipe would apply them")
	}
	if got.code == 0 && args[0] == "inject" {
		checkIdempotent(t, args, got.stdout)
	}
}

// TestEveryFormatHasAGolden asks the commands themselves which values -o takes.
func TestEveryFormatHasAGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*/args")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, file := range cases {
		args := strings.Fields(readOptional(t, file))
		command := args[0]
		if args[0] == "explain" && slices.Contains(args, "-f") {
			command = "explain -f" // it is another command but for its name
		}
		given := ""
		if at := slices.Index(args, "-o"); at >= 0 {
			given = args[at+1]
		}
		for _, format := range append(strings.Fields(readOptional(t, filepath.Join(filepath.Dir(file), "formats"))), given) {
			_, columns, _ := strings.Cut(format, "=") // of custom-columns=…
			have[command+" -o "+strings.TrimSuffix(format, columns)] = true
		}
	}
	for _, command := range []string{"doctor", "status", "explain", "explain -f", "diff", "import", "inject"} {
		text, _, _ := strings.Cut(run("", "__complete", strings.Fields(command)[0], "-o", "").stdout, ":")
		formats := strings.Fields(text)
		if len(formats) < 2 {
			t.Fatalf("%s takes the formats %q", command, formats)
		}
		formats[0] = "" // the default
		for _, format := range formats {
			if !have[command+" -o "+format] {
				t.Errorf("no case of testdata runs %s -o %s: add it to the file formats of one", command, format)
			}
		}
	}
}

// readArgs also fails on a golden file that belongs to no case.
func readArgs(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("args")
	if err != nil {
		t.Fatalf("%v: a case has the file args, or is to be deleted", err)
	}
	return strings.Fields(string(text))
}

// checkIdempotent injects what was injected: nothing may change.
func checkIdempotent(t *testing.T, args []string, once string) {
	t.Helper()
	again := slices.Clone(args)
	for i := range again {
		if i > 0 && again[i-1] == "-f" {
			again[i] = "-"
		}
	}
	twice := run(once, again...)
	if diff := cmp.Diff(once, twice.stdout); diff != "" || twice.code != 0 {
		t.Errorf("inject twice is not inject once: exit code %d, %s\n-once, +twice:\n%s", twice.code, twice.stderr, diff)
	}
}

func TestPassThrough(t *testing.T) {
	for name, text := range map[string]string{
		"Others":   "# c\napiVersion: example.org/v1\nkind: Job\nspec: {template:   {}}   # odd\n---\n\n---\nkind: Service\n",
		"Windows":  "kind: Service\r\nspec: {a: 1}\r\n",
		"OptedOut": "apiVersion: v1\nkind: Pod\nmetadata:\n    name: x\n    labels: {envgraft.dev/inject: disabled}\n",
		"Empty":    "",
	} {
		t.Run(name, func(t *testing.T) {
			got := run(text, "inject", "-f", "-", "--namespace-labels", "envgraft.dev/inject=enabled")
			if got.code != 0 || got.stdout != text {
				t.Errorf("exit code %d, standard error %q, -want, +got:\n%s", got.code, got.stderr, cmp.Diff(text, got.stdout))
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		args   []string
		want   int
	}{
		"Version":         {"nothing to go wrong", []string{"version"}, 0},
		"Help":            {"asking is no mistake", []string{"inject", "--help"}, 0},
		"Completion":      {"shells call it", []string{"completion", "bash"}, 0},
		"UnknownCommand":  {"usage", []string{"injcet"}, 2},
		"UnknownFlag":     {"usage", []string{"inject", "--file", "x"}, 2},
		"MissingFlag":     {"usage", []string{"inject"}, 2},
		"WrongChoice":     {"usage", []string{"explain", "-f", "-", "-o", "xml"}, 2},
		"NothingNamed":    {"usage", []string{"explain"}, 2},
		"NamedTwice":      {"usage", []string{"explain", "deploy/x", "-f", "-"}, 2},
		"NoCluster":       {"it could not look", []string{"explain", "deploy/x", "--kubeconfig", "/dev/null"}, 3},
		"NoAnswer":        {"it could not look", []string{"explain", "deploy/x", "--server", "http://127.0.0.1:1"}, 3},
		"DoctorNoAnswer":  {"it could not look", []string{"doctor", "--server", "http://127.0.0.1:1"}, 3},
		"StatusNoAnswer":  {"it could not look", []string{"status", "--server", "http://127.0.0.1:1"}, 3},
		"ImportNoAnswer":  {"it could not look", []string{"import", "deploy/x", "--server", "http://127.0.0.1:1"}, 3},
		"DiffNoAnswer":    {"it could not look", []string{"diff", "-f", "-", "--kubeconfig", "/dev/null"}, 3},
		"UINoAnswer":      {"it could not look", []string{"ui", "--server", "http://127.0.0.1:1"}, 3},
		"UIElsewhere":     {"usage", []string{"ui", "--listen", ":8084"}, 2},
		"NoPods":          {"usage", []string{"explain", "service/x", "--server", "http://127.0.0.1:1"}, 2},
		"Argument":        {"usage", []string{"inject", "-f", "-", "more"}, 2},
		"NoSuchFile":      {"the work failed", []string{"inject", "-f", "none.yaml"}, 1},
		"NoSuchDirectory": {"the work failed", []string{"inject", "-f", "-", "--parameters", "none"}, 1},
		"NoSuchConfig":    {"the work failed", []string{"explain", "-f", "-", "--config", "none.yaml"}, 1},
		"BadPath":         {"usage", []string{"parameters", "check", "no/slash"}, 2},
		"NoPath":          {"usage", []string{"parameters", "check"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			if got := run("", tc.args...); got.code != tc.want {
				t.Errorf("%s: exit code %d, want %d; standard error:\n%s", tc.reason, got.code, tc.want, got.stderr)
			}
		})
	}
}

// TestSuggestion has a typing error answered in characters that a terminal has.
func TestSuggestion(t *testing.T) {
	want := "envgraft: unknown command \"docter\" for \"envgraft\": did you mean doctor?\nSee envgraft --help\n"
	if got := run("", "docter"); got.code != 2 || got.stderr != want {
		t.Errorf("exit code %d, -want, +got:\n%s", got.code, cmp.Diff(want, got.stderr))
	}
}

// kubectl finds a plugin and its completion by the names of their files.
func TestPlugin(t *testing.T) {
	for program, tc := range map[string]struct {
		args []string
		want string
	}{
		"/usr/bin/kubectl-envgraft":     {[]string{"explain", "--help"}, "kubectl envgraft explain KIND/NAME"},
		"kubectl_complete-envgraft":     {[]string{"explain", "de"}, "deploy/\n"},
		"kubectl_complete-envgraft.exe": {[]string{"do"}, "doctor\t"},
		"envgraft":                      {[]string{"explain", "--help"}, "  envgraft explain KIND/NAME"},
	} {
		var out, errOut bytes.Buffer
		code := cli.Run(t.Context(), append([]string{program}, tc.args...), cmdutil.Streams{In: strings.NewReader(""), Out: &out, Err: &errOut})
		if code != 0 || !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s %v: exit code %d, %q, want %q", program, tc.args, code, out.String()+errOut.String(), tc.want)
		}
	}
}

// Names are completed from the cluster, by their metadata alone.
func TestCompletionOfNames(t *testing.T) {
	t.Chdir("testdata/explain-live")
	server := startCluster(t)
	for line, want := range map[string]string{
		"explain -n shop deploy/": "deploy/shop\n",
		"doctor -n shop deploy/s": "deploy/shop\n",
		"status -n sh":            "shop\n",
		"explain -n ":             "shop\n",
	} {
		got := run("", slices.Concat([]string{"__complete"}, strings.Split(line, " ")[:1], server, strings.Split(line, " ")[1:])...)
		if !strings.HasPrefix(got.stdout, want) {
			t.Errorf("completing %q: %q, want %q", line, got.stdout, want)
		}
	}
}

func TestCompletion(t *testing.T) {
	for line, want := range map[string]string{
		"inject -o ":           "yaml\njson\n",
		"explain --output ":    "table\nwide\njson\nyaml\nname\n",
		"explain de":           "deploy/\n",
		"parameters check -o ": "table\njson\n",
	} {
		got := run("", append([]string{"__complete"}, strings.Split(line, " ")...)...)
		if !strings.HasPrefix(got.stdout, want) {
			t.Errorf("completing %q: %q, want %q", line, got.stdout, want)
		}
	}
}
