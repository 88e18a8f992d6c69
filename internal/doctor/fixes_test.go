package doctor

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The rule: every fix that a check can print runs against programs that know
// what was there, and report what is lost: a parameter that was written without
// having been read, keys that went, a policy, a Secret's data, a list, values of
// a release.

// world is what the programs work on, in a file between their calls.
type world struct {
	Parameters map[string]parameter
	// Read are the parameters that were read with their values.
	Read map[string]bool
	// Policies are the inline policies of each role.
	Policies map[string]string
	// Objects exist in the cluster, as "configmap/shop-config".
	Objects  []string
	Releases []string
	// Lost is what must not happen.
	Lost []string
	// Done are the calls that changed something.
	Done []string
}

type parameter struct{ Value, Type, Key string }

const (
	variableWorld = "ENVGRAFT_TEST_WORLD"
	ownKey        = "alias/popapps"
	keys          = `{"API_KEY":"a","OTHER":"b"}`
)

// TestMain is each of the programs, where it is called by its name.
func TestMain(m *testing.M) {
	run, ok := programs()[filepath.Base(os.Args[0])]
	if !ok {
		os.Exit(m.Run())
	}
	w := loadWorld()
	err := run(w, os.Args[1:])
	w.save()
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n") // for whoever reads a failing test
		os.Exit(1)
	}
}

func programs() map[string]func(*world, []string) error {
	return map[string]func(*world, []string) error{
		"aws": (*world).aws, "kubectl": (*world).kubectl, "helm": (*world).helm, "vi": (*world).edit,
		"envgraft": func(*world, []string) error { return nil },
	}
}

func loadWorld() *world {
	w := &world{}
	raw, err := os.ReadFile(os.Getenv(variableWorld))
	if err == nil {
		err = json.Unmarshal(raw, w)
	}
	if err != nil {
		panic(err) // the test wrote the file
	}
	return w
}

func (w *world) save() {
	raw, err := json.Marshal(w)
	if err == nil {
		err = os.WriteFile(os.Getenv(variableWorld), raw, 0o600)
	}
	if err != nil {
		panic(err) // likewise
	}
}

func (w *world) lose(what string) error {
	w.Lost = append(w.Lost, what)
	return nil
}

// flag returns the value after a flag.
func flagOf(args []string, name string) string {
	if at := slices.Index(args, name); at >= 0 && at+1 < len(args) {
		return args[at+1]
	}
	return ""
}

func (w *world) aws(args []string) error {
	path := flagOf(args, "--name")
	p, exists := w.Parameters[path]
	switch strings.Join(args[:2], " ") {
	case "ssm get-parameter":
		if !exists {
			return errors.New("ParameterNotFound")
		}
		if slices.Contains(args, "--with-decryption") {
			w.Read[path] = true
		}
		_, err := os.Stdout.WriteString(p.Value + "\n")
		return err
	case "ssm describe-parameters":
		for _, p := range w.Parameters {
			_, _ = os.Stdout.WriteString(p.Key + "\n") // read by the shell
		}
		return nil
	case "ssm delete-parameter":
		if exists && !w.Read[path] {
			return w.lose("deleted unread: " + path)
		}
		delete(w.Parameters, path)
		return nil
	case "ssm put-parameter":
		return w.put(args, path, p, exists)
	case "iam put-role-policy":
		name, document := flagOf(args, "--policy-name"), flagOf(args, "--policy-document")
		if old, ok := w.Policies[name]; ok && old != document {
			return w.lose("replaced policy " + name)
		}
		if strings.Contains(document, `"Resource":"*"`) {
			return w.lose("gave a role everything")
		}
		w.Policies[name] = document
		return nil
	}
	return errors.New("the fake aws knows no " + strings.Join(args, " "))
}

func (w *world) put(args []string, path string, old parameter, exists bool) error {
	overwrite := slices.Contains(args, "--overwrite")
	switch {
	case exists && !overwrite:
		return errors.New("ParameterAlreadyExists")
	case exists && !w.Read[path]:
		return w.lose("overwritten unread: " + path)
	case exists && flagOf(args, "--key-id") != old.Key:
		return w.lose("encrypted with another key: " + path)
	}
	value := flagOf(args, "--value")
	if file, ok := strings.CutPrefix(value, "file://"); ok {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		value = strings.TrimSpace(string(raw))
	}
	if exists && !strings.Contains(value, strings.Trim(old.Value, "{}")) {
		return w.lose("keys are gone from " + path)
	}
	w.Parameters[path] = parameter{value, flagOf(args, "--type"), flagOf(args, "--key-id")}
	w.Done = append(w.Done, "put "+path)
	return nil
}

// edit is a person who keeps what is in the file.
func (w *world) edit(args []string) error {
	file, err := os.OpenFile(args[0], os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

func (w *world) helm(args []string) error {
	verb := args[0]
	positional := slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, "-") })
	named := slices.ContainsFunc(w.Releases, func(r string) bool { return slices.Contains(positional, r) })
	switch {
	case verb == "install" && named && !slices.Contains(args, "--install"):
		return errors.New("cannot re-use a name that is still in use")
	case verb == "install":
		return nil
	case verb == "upgrade" && !slices.Contains(args, "--reuse-values"):
		return w.lose("values of a release")
	case verb == "upgrade":
		return nil
	}
	return w.lose("helm " + verb)
}

func (w *world) kubectl(args []string) error {
	if at := slices.Index(args, "-n"); at >= 0 {
		args = slices.Delete(slices.Clone(args), at, at+2)
	}
	switch args[0] {
	case "get", "describe", "rollout", "scale", "edit":
		return nil
	case "create":
		if len(args) > 2 && slices.Contains(w.Objects, args[1]+"/"+args[2]) {
			return errors.New("AlreadyExists")
		}
		return nil
	case "label", "annotate":
		return w.annotate(args)
	case "patch":
		return w.patch(args)
	}
	return w.lose("kubectl " + strings.Join(args, " ")) // as apply, delete, replace, set
}

// annotate keeps what Reloader was told of other objects.
func (w *world) annotate(args []string) error {
	for _, a := range args[2:] {
		key, value, sets := strings.Cut(a, "=")
		if key == "secret.reloader.stakater.com/reload" && sets && !strings.HasPrefix(value, "own,") && os.Getenv("HAS_OWN") != "" {
			return w.lose("names in " + key)
		}
	}
	return nil
}

// patch replaces no list: a merge patch does, and of the kinds only some can
// merge lists by name.
func (w *world) patch(args []string) error {
	kind, _, _ := strings.Cut(args[1], ".")
	body := flagOf(args, "-p")
	if flagOf(args, "--type") == "strategic" {
		if !slices.Contains([]string{"deployment", "statefulset", "daemonset"}, kind) {
			return w.lose("a strategic patch of a " + kind)
		}
		return nil
	}
	if flagOf(args, "--type") != "merge" || strings.Contains(body, "[") || !json.Valid([]byte(body)) {
		return w.lose("patch " + body)
	}
	return nil
}

// lost runs a command in a world and says what is lost in it.
func lost(t *testing.T, command string, w world, environment ...string) world {
	t.Helper()
	directory := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name := range programs() {
		if err := os.Symlink(self, filepath.Join(directory, name)); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(directory, "world.json")
	t.Setenv(variableWorld, file)
	w.save()
	shell := exec.CommandContext(t.Context(), "sh", "-c", command)
	shell.Dir = directory
	shell.Env = append([]string{
		"PATH=" + directory + ":/usr/bin:/bin", "EDITOR=vi", "TMPDIR=" + directory, variableWorld + "=" + file,
		"GORACE=atexit_sleep_ms=0", // the fakes are this program, which under -race sleeps for 1 s when it ends
	}, environment...)
	out, err := shell.CombinedOutput()
	after := loadWorld()
	if strings.Contains(string(out), "knows no") || strings.Contains(string(out), "not found") || strings.Contains(string(out), "yntax error") {
		t.Errorf("the command cannot be run: %v\n%s\n%s", err, command, out)
	}
	for path, old := range w.Parameters {
		if now, ok := after.Parameters[path]; !ok || now.Value != old.Value {
			after.Lost = append(after.Lost, "the value of "+path)
		}
	}
	return *after
}

// worlds are those that a fix may be run in: it is printed in one, and pasted
// in another.
func worlds() map[string]world {
	fill := func(p map[string]parameter) world {
		return world{
			Parameters: p, Read: map[string]bool{}, Policies: map[string]string{"envgraft": "{}"},
			Objects: []string{"configmap/shop-config", "namespace/shop"}, Releases: []string{"reloader", "external-secrets", "envgraft"},
		}
	}
	const path = "/shop/shop/stage/app"
	return map[string]world{
		"no parameter":  fill(map[string]parameter{}),
		"a parameter":   fill(map[string]parameter{path: {keys, "SecureString", ownKey}}),
		"a String":      fill(map[string]parameter{path: {keys, "String", ""}}),
		"a placeholder": fill(map[string]parameter{path: {"{}", "SecureString", ownKey}}),
		"no JSON":       fill(map[string]parameter{path: {"hunter2", "SecureString", ownKey}}),
	}
}

// TestFixesLoseNothing runs every fix of every case in every world.
func TestFixesLoseNothing(t *testing.T) {
	fixes, names := map[string]string{}, map[string]bool{}
	for name, tc := range cases(t) {
		in := healthy(t)
		tc.spoil(t, in)
		for _, f := range Examine(*in) {
			if f.Fix != "" {
				fixes[f.Fix], names[f.fixName] = name, true
			}
		}
	}
	for _, name := range namesOfFixes(t) {
		if !names[name] {
			t.Errorf("no case prints fix %q", name)
		}
	}
	for _, command := range slices.Sorted(maps.Keys(fixes)) {
		for what, w := range worlds() {
			if !strings.Contains(command, "aws ") && what != "a parameter" {
				continue // it has nothing to do with parameters
			}
			var environment []string
			if fixes[command] == "annotation-other" {
				environment = []string{"HAS_OWN=1"}
			}
			if after := lost(t, command, w, environment...); len(after.Lost) > 0 {
				t.Errorf("%s, with %s: %q is lost by\n%s", fixes[command], what, after.Lost, command)
			}
		}
	}
}

// TestFakesNoticeLoss runs what doctor used to print, and what somebody might
// print next.
func TestFakesNoticeLoss(t *testing.T) {
	const path = "/shop/shop/stage/app"
	for _, command := range []string{
		`aws ssm put-parameter --type SecureString --name ` + path + ` --value '{"KEY":"value"}' --overwrite`,
		`aws ssm get-parameter --with-decryption --name ` + path + `; aws ssm put-parameter --type SecureString --name ` + path + ` --value '{"KEY":"value"}' --overwrite --key-id ` + ownKey,
		`aws ssm get-parameter --with-decryption --name ` + path + `; aws ssm put-parameter --type SecureString --name ` + path + ` --value '` + keys + `' --overwrite`,
		`aws ssm delete-parameter --name ` + path,
		`aws ssm get-parameter --with-decryption --name ` + path + ` && aws ssm delete-parameter --name ` + path,
		`aws iam put-role-policy --role-name ROLE --policy-name envgraft --policy-document '{"Version":"1"}'`,
		`helm upgrade --install envgraft deploy/chart`,
		`kubectl -n shop delete pod shop-1`,
		`kubectl apply -f -`,
		`kubectl -n shop patch rollout.argoproj.io/shop --type merge -p '{"spec":{"template":{"spec":{"containers":[]}}}}'`,
		`kubectl -n shop patch rollout.argoproj.io/shop --type strategic -p '{}'`,
		`kubectl -n infra set env deployment/reloader KUBERNETES_NAMESPACE-`,
		`kubectl patch clustersecretstore aws-ssm --type json -p '[{"op":"add","path":"/spec/conditions/-","value":{}}]'`,
	} {
		if after := lost(t, command, worlds()["a parameter"]); len(after.Lost) == 0 {
			t.Errorf("the fakes notice no loss by\n%s", command)
		}
	}
}

// TestEditParameterWrites has the fix do what it is for.
func TestEditParameterWrites(t *testing.T) {
	in := healthy(t)
	for what, want := range map[string]string{"no parameter": `{"KEY": "value"}`, "a parameter": keys} {
		after := lost(t, editParameter(*in).command, worlds()[what])
		p := after.Parameters["/shop/shop/stage/app"]
		if p.Value != want || p.Type != "SecureString" || len(after.Done) != 1 {
			t.Errorf("with %s it becomes %+v after %q", what, p, after.Done)
		}
	}
	after := lost(t, encryptParameter(*in).command, worlds()["a String"])
	if p := after.Parameters["/shop/shop/stage/app"]; p.Value != keys || p.Type != "SecureString" {
		t.Errorf("a String becomes %+v", p)
	}
}

// namesOfFixes finds all fixes in the source, and commands that stand elsewhere.
func namesOfFixes(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			pair, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			key, isName := pair.Key.(*ast.Ident)
			value, isText := pair.Value.(*ast.BasicLit)
			if isName && isText && key.Name == "name" {
				names = append(names, strings.Trim(value.Value, `"`))
			}
			if isName && key.Name == "command" && file != "fixes.go" && file != "iam.go" {
				t.Errorf("%s prints a command: all of them belong into fixes.go", file)
			}
			return true
		})
	}
	slices.Sort(names)
	return slices.Compact(names)
}
