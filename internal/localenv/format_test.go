package localenv_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/localenv"
)

func TestWrite(t *testing.T) {
	values := map[string]string{
		"A": "plain", "B": "", "C": `it's "$HOME" \n`, "D": "two\nlines", "E": "a#b `id` $(id) !!", "F_1": "ü",
	}
	for name, tc := range map[string]struct {
		format localenv.Format
		values map[string]string
		want   string
		fails  string
	}{
		"Dotenv": {localenv.Dotenv, values, "A='plain'\nB=''\nC=\"it's \\\"\\$HOME\\\" \\\\n\"\nD=\"two\\nlines\"\nE='a#b `id` $(id) !!'\nF_1='ü'\n", ""},
		"Shell":  {localenv.Shell, map[string]string{"A": "it's", "B": "two\nlines"}, "export A='it'\\''s'\nexport B='two\nlines'\n", ""},
		"Docker": {localenv.Docker, map[string]string{"A": `"x" 'y' #z`, "my.key": "v"}, "A=\"x\" 'y' #z\nmy.key=v\n", ""},
		"JSON":   {localenv.JSON, map[string]string{"A": "<&>"}, "{\n  \"A\": \"<&>\"\n}\n", ""},

		"DockerLines": {localenv.Docker, values, "", `variable "D" cannot be written as docker`},
		"ShellName":   {localenv.Shell, map[string]string{"A": "secret", "my.key": "secret"}, "", `variable "my.key" cannot be written as shell`},
		"JSONBytes":   {localenv.JSON, map[string]string{"A": "\xff"}, "", `variable "A" cannot be written as json`},
		"DotenvName":  {localenv.Dotenv, map[string]string{"my key": "secret"}, "", `variable "my key"`},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			err := localenv.Write(&out, tc.format, tc.values)
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) || strings.Contains(err.Error(), "secret") {
					t.Errorf("the error is %v, want one with %q and no value", err, tc.fails)
				}
			} else if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tc.want, out.String()); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestShellReadsBack has a real shell read what is written for it: nothing in a
// value is expanded or run.
func TestShellReadsBack(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	for _, value := range []string{"", "'", "a'b''c", "$(exit 3)", "`exit 3`", "\\", "two\nlines\n", "$A", "\"", "ü\t!"} {
		var out strings.Builder
		if err := localenv.Write(&out, localenv.Shell, map[string]string{"V": value}); err != nil {
			t.Fatal(err)
		}
		got, err := exec.CommandContext(t.Context(), shell, "-c", out.String()+`printf %s "$V"`).Output()
		if err != nil || string(got) != value {
			t.Errorf("the shell has %q, %v; want %q", got, err, value)
		}
	}
}

func FuzzWrite(f *testing.F) {
	f.Add("A", "x")
	f.Fuzz(func(t *testing.T, name, value string) {
		for _, format := range []localenv.Format{localenv.Dotenv, localenv.Docker} {
			var out strings.Builder
			if localenv.Write(&out, format, map[string]string{name: value}) == nil && strings.Count(out.String(), "\n") != 1 {
				t.Errorf("%s has more than one line: %q", format, out.String())
			}
		}
		var out strings.Builder
		var back map[string]string
		if !utf8.ValidString(value) || !utf8.ValidString(name) {
			return
		}
		if err := localenv.Write(&out, localenv.JSON, map[string]string{name: value}); err != nil || json.Unmarshal([]byte(out.String()), &back) != nil {
			t.Errorf("no JSON: %q", out.String())
		}
	})
}
