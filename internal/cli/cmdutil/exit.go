package cmdutil

import (
	"io"
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// ExitError ends the program with a code of its own; any other error of a
// command means exitFailed.
type ExitError struct {
	Code int
	err  error
}

func (e *ExitError) Error() string { return e.err.Error() }

func (e *ExitError) Unwrap() error { return e.err }

// Unchecked is for a command that could not look: neither found nor not found.
func Unchecked(err error) error { return &ExitError{exitUnchecked, err} }

// The exit codes. Each command's help says what they mean for it.
const (
	ExitOK = iota
	// ExitFailed is for work that could not be done, or that found problems.
	ExitFailed
	// ExitUsage is for a command line that was not understood.
	ExitUsage
	// exitUnchecked is for a check that could not be made.
	exitUnchecked
)

// AnnotationDrains marks commands that end by themselves after a signal, when
// their work is done.
const AnnotationDrains = "drains"
