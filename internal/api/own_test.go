package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/api"
)

// TestKnown wants every key that has a constant to be known, or an informer
// would drop it, and no other.
func TestKnown(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "keys.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(parsed, func(n ast.Node) bool {
		sum, ok := n.(*ast.BinaryExpr)
		if !ok || sum.Op != token.ADD {
			return true
		}
		group, ok := sum.X.(*ast.Ident)
		literal, ok2 := sum.Y.(*ast.BasicLit)
		if !ok || !ok2 || group.Name != "Group" {
			return true
		}
		suffix, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if !api.Known(api.Group + suffix) {
			t.Errorf("%s is not known", api.Group+suffix)
		}
		return true
	})
	if found < 25 {
		t.Errorf("%d keys were found: the test looked at little", found)
	}
	own := api.Own(map[string]string{
		api.LabelInject: "enabled", api.Group + "/secret": "former", api.Group + "/x": "invented", "example.com/y": "somebody's",
	})
	if diff := cmp.Diff(map[string]string{api.LabelInject: "enabled", api.Group + "/secret": "former"}, own); diff != "" {
		t.Errorf("own (-want, +got):\n%s", diff)
	}
	if api.Own(map[string]string{api.Group + "/x": "invented"}) != nil {
		t.Error("none is not nil")
	}
}
