package reload

import (
	"regexp"
	"runtime"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

func TestMerge(t *testing.T) {
	cases := map[string]struct {
		reason, value, name, want string
	}{
		"None":             {"An absent value is the name alone.", "", "myapp-secrets", "myapp-secrets"},
		"Append":           {"The user's own names stay in front.", "db-creds", "myapp-secrets", "db-creds,myapp-secrets"},
		"AppendSpaced":     {"The user's text stays byte for byte.", " db-creds , tls", "myapp-secrets", " db-creds , tls,myapp-secrets"},
		"Quoted":           {"A dot in a name must not match any character.", "", "shop.eu-secrets", `shop\.eu-secrets`},
		"AlreadyQuoted":    {"Running it again changes nothing.", `shop\.eu-secrets`, "shop.eu-secrets", `shop\.eu-secrets`},
		"WrittenPlain":     {"A name written by hand, unquoted, is there already.", "shop.eu-secrets,x", "shop.eu-secrets", "shop.eu-secrets,x"},
		"WrittenSpaced":    {"Reloader trims entries.", "x, myapp-secrets ", "myapp-secrets", "x, myapp-secrets "},
		"Expression":       {"An expression that matches is enough.", "myapp-.*", "myapp-secrets", "myapp-.*"},
		"Alternative":      {"Alternatives are anchored without a group: ^x|myapp-secrets$.", "x|myapp-secrets", "myapp-secrets", "x|myapp-secrets"},
		"PartOfName":       {"Expressions are anchored: a part of the name is no match.", "myapp", "myapp-secrets", "myapp,myapp-secrets"},
		"LongerName":       {"Expressions are anchored: a longer name is no match.", "myapp-secrets-old", "myapp-secrets", "myapp-secrets-old,myapp-secrets"},
		"Malformed":        {"Reloader skips what is no expression, and so it stays.", "my(app", "myapp-secrets", "my(app,myapp-secrets"},
		"BrokenByComma":    {"Reloader splits inside braces too: neither half matches.", "m{1,2}yapp-secrets", "myapp-secrets", "m{1,2}yapp-secrets,myapp-secrets"},
		"TrailingComma":    {"An empty entry matches nothing and stays.", "x,", "myapp-secrets", "x,,myapp-secrets"},
		"OnlySpace":        {"Space alone is the user's text.", " ", "myapp-secrets", " ,myapp-secrets"},
		"DotMatchesByLuck": {"myapp.secrets as an expression does match myapp-secrets.", "myapp.secrets", "myapp-secrets", "myapp.secrets"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Merge(tc.value, tc.name); got != tc.want {
				t.Errorf("%s\nMerge(%q, %q): got %q, want %q", tc.reason, tc.value, tc.name, got, tc.want)
			}
		})
	}
}

// TestMergeIsBounded holds the work on text that somebody wrote to harm: an
// expression may be compiled to hundreds of MiB, and a list may be of MiBs.
func TestMergeIsBounded(t *testing.T) {
	const mib = 1 << 20
	cases := map[string]struct {
		reason, value string
	}{
		"Counted":       {"A count repeats the program of what it follows.", "(" + strings.Repeat("a", 3200) + "){1000}"},
		"CountedShort":  {"So does a short one.", "((a{10}b){10}c){10}"},
		"Thousands":     {"Each expression costs, so few are looked at.", strings.Repeat("m[a-z]*x,", 2000)},
		"Folded":        {"Folding a range of Unicode takes milliseconds.", strings.Repeat("(?i)[B-\U0001E942],", 2000)},
		"Classes":       {"A class of three characters is a table of kilobytes.", strings.Repeat(`[\pL\pN\PC],`, 2000)},
		"Nested":        {"Depth is length.", strings.Repeat("(", 100000) + "a" + strings.Repeat(")*", 100000)},
		"Separators":    {"A list may be nothing but separators.", strings.Repeat(",", 2*mib)},
		"Alternatives":  {"Alternatives are length too.", strings.Repeat("a|", mib)},
		"LongestLegal":  {"The dearest expressions that are looked at.", strings.Repeat(strings.Repeat("(z.*)+", 21)+",", 2000)},
		"LongestSpaced": {"Space around an entry does not count as its length.", strings.Repeat(" ", mib) + "x.*" + strings.Repeat(" ", mib)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var merged string
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			allocations := testing.AllocsPerRun(1, func() {
				merged = Merge(tc.value, "myapp-secrets")
				unmerge(merged, "myapp-secrets-other")
			})
			runtime.ReadMemStats(&after)
			// AllocsPerRun runs it once more to warm up, and the result is a copy.
			used, limit := after.TotalAlloc-before.TotalAlloc, 2*uint64(len(merged))+8*mib
			if allocations > 20000 || used > limit {
				t.Errorf("%s\n%.0f allocations, %d bytes", tc.reason, allocations, used)
			}
			if want := tc.value + ",myapp-secrets"; merged != want {
				t.Errorf("%s\nthe author's text did not stay, or ours is not behind it", tc.reason)
			}
			if again := Merge(merged, "myapp-secrets"); again != merged {
				t.Errorf("%s\nours was not found again", tc.reason)
			}
			if back := unmerge(merged, "myapp-secrets"); back != tc.value {
				t.Errorf("%s\nours could not be reverted", tc.reason)
			}
		})
	}
}

func TestUnmerge(t *testing.T) {
	cases := map[string]struct {
		reason, value, entry, want string
	}{
		"Alone":     {"Nothing of the author's is left.", "x", "x", ""},
		"Last":      {"Merge puts ours at the end.", " a ,b,x", "x", " a ,b"},
		"Middle":    {"The author has since added another behind ours.", "a,x,b", "x", "a,b"},
		"Both":      {"Of two that are the same, the author's stays where it stands.", "x,a,x", "x", "x,a"},
		"Gone":      {"The author has taken ours out himself.", "a,b", "x", "a,b"},
		"Rewritten": {"What differs in a space was typed by somebody.", "a, x", "x", "a, x"},
		"Part":      {"An entry that only holds ours is not ours.", "a,xx", "x", "a,xx"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := unmerge(tc.value, tc.entry); got != tc.want {
				t.Errorf("%s\nunmerge(%q, %q): got %q, want %q", tc.reason, tc.value, tc.entry, got, tc.want)
			}
		})
	}
}

func FuzzMerge(f *testing.F) {
	f.Add("", "myapp-secrets")
	f.Add(" a , b|c,(", "shop.eu-secrets")
	f.Add("x,", "x")
	f.Add(",", "a.b")
	f.Fuzz(func(t *testing.T, value, name string) {
		if len(validation.IsDNS1123Subdomain(name)) > 0 {
			t.Skip("no Kubernetes object has such a name")
		}
		merged := Merge(value, name)
		if !strings.HasPrefix(merged, value) {
			t.Errorf("Merge(%q, %q) = %q: the user's text is gone", value, name, merged)
		}
		if again := Merge(merged, name); again != merged {
			t.Errorf("Merge(%q, %q) = %q, and again %q", value, name, merged, again)
		}
		if merged == value {
			return
		}
		if back := unmerge(merged, regexp.QuoteMeta(name)); back != value {
			t.Errorf("unmerge(%q, %q) = %q, want %q", merged, name, back, value)
		}
	})
}
