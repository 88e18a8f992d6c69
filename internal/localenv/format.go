package localenv

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Format is how an environment is written.
type Format string

// The formats.
const (
	// Dotenv is NAME="value" with escapes, as docker compose, direnv and the dotenv
	// libraries read it.
	Dotenv Format = "dotenv"
	// JSON is one object.
	JSON Format = "json"
	// Shell is export commands of a POSIX shell.
	Shell Format = "shell"
	// Docker is what docker run --env-file reads, which knows neither quotes nor
	// escapes.
	Docker Format = "docker"
)

var (
	// shellName is a name that POSIX shells can assign, see
	// https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap03.html#tag_03_216.
	shellName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// dotenvName is what the dotenv libraries take.
	dotenvName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
)

// Write writes an environment, sorted by name. It writes nothing if the format
// cannot hold one of the variables.
func Write(w io.Writer, format Format, variables map[string]string) error {
	if format == JSON {
		for name, value := range variables {
			if !utf8.ValidString(value) {
				return fmt.Errorf("variable %q cannot be written as json: its value is no UTF-8 text: use --format %s", name, Shell)
			}
		}
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(variables)
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		line, why := line(format, name, variables[name])
		if why != "" {
			return fmt.Errorf("variable %q cannot be written as %s: %s: use --format %s", name, format, why, JSON)
		}
		out.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// line writes one variable, or says why the format cannot hold it. Values are in no
// reason.
func line(format Format, name, value string) (line, why string) {
	switch format {
	case Shell:
		if !shellName.MatchString(name) {
			return "", "a shell cannot assign to this name"
		}
		return "export " + name + "='" + strings.ReplaceAll(value, "'", `'\''`) + "'", ""
	case Docker:
		switch {
		case strings.ContainsAny(value, "\n\r"):
			return "", "its value has several lines, and the format has no escapes"
		case strings.HasPrefix(name, "#"), strings.ContainsAny(name, " \t=\n"):
			return "", "the format cannot hold this name"
		}
		return name + "=" + value, ""
	case Dotenv, JSON:
	}
	if !dotenvName.MatchString(name) {
		return "", "the format cannot hold this name"
	}
	// Single quotes keep everything but themselves and line ends as it is.
	if !strings.ContainsAny(value, "'\n\r") {
		return name + "='" + value + "'", ""
	}
	return name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "$", `\$`).Replace(value) + `"`, ""
}
