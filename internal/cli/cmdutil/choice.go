package cmdutil

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Choice is a flag that takes one of a few words. One that ends with "=" takes
// any text after it.
type Choice struct {
	Value string
	words []string
}

var _ pflag.Value = &Choice{}

// AddChoice adds such a flag, with completion; the first word is the default.
func AddChoice(command *cobra.Command, name, shorthand, usage string, words ...string) *Choice {
	c := &Choice{Value: words[0], words: words}
	command.Flags().VarP(c, name, shorthand, usage+": "+strings.Join(words, " or "))
	err := command.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag was added two lines above
	}
	return c
}

// String returns the word that was chosen.
func (c *Choice) String() string { return c.Value }

// Type is how --help calls the value.
func (c *Choice) Type() string { return "string" }

// Set takes one of the words.
func (c *Choice) Set(value string) error {
	if !slices.ContainsFunc(c.words, func(word string) bool {
		return value == word || strings.HasSuffix(word, "=") && strings.HasPrefix(value, word)
	}) {
		return fmt.Errorf("use %s", strings.Join(c.words, " or "))
	}
	c.Value = value
	return nil
}
