// Package cmdutil is what the commands share: flags, streams, exit codes, completion.
package cmdutil
