// Package manifest reads streams of Kubernetes objects in YAML and JSON and
// changes single fields of them, so that the order of documents and fields,
// comments, and fields that nobody here knows survive.
package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Stdin is the name that stands for standard input.
const Stdin = "-"

// stdinName is what errors call it.
const stdinName = "standard input"

// maxBytes bounds one file. The API server takes objects of 3 MiB; a file of
// this size that is a manifest has hundreds of them.
const maxBytes = 256 << 20

// Stream is all documents in their order.
type Stream struct {
	Documents []*Document
	// TemplatePaths are those of further kinds.
	TemplatePaths []TemplatePath
}

// Document is one document of a stream: an object, a list of objects, or
// nothing but comments.
type Document struct {
	// File is where it was read from.
	File string
	// line is where raw starts in the file, from 1 on.
	line int
	// raw is the document as it was read, its separator included.
	raw []byte
	// root is the document without aliases and merge keys; nil where it is empty.
	root *yaml.Node
	// changed says that root is no longer what raw says.
	changed bool
	// places is what the nodes held before the first change.
	places map[*yaml.Node]place
	// moved are nodes that stand elsewhere in raw than in root: behind an alias, or
	// with fields of a merge key.
	moved map[*yaml.Node]bool
	// twice is the first field that stands twice; nil where none does. The last one
	// counts, as to kubectl and the API server. Such a document is not changed.
	twice error
}

// Options say what to read.
type Options struct {
	// Paths are files, directories, which are read recursively, or Stdin.
	Paths []string
	Stdin io.Reader
	// Exclude is a directory that is left out where it lies in another: that of
	// the parameters, whose files are JSON but no manifests.
	Exclude string
	// TemplatePaths say where further kinds have their pod templates.
	TemplatePaths []TemplatePath
}

// Read reads all documents. Its error names every document that is malformed,
// with file and line.
func Read(o Options) (*Stream, error) {
	stream := &Stream{TemplatePaths: o.TemplatePaths}
	var errs []error
	for _, path := range o.Paths {
		files, err := o.files(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, file := range files {
			documents, err := o.readFile(file)
			stream.Documents = append(stream.Documents, documents...)
			errs = append(errs, err)
		}
	}
	return stream, errors.Join(errs...)
}

// files lists the manifests of a path. A directory's are in lexical order, so
// that the same directory always gives the same stream.
func (o Options) files(path string) ([]string, error) {
	if path == Stdin {
		return []string{Stdin}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read manifests: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && o.excludes(file):
			return filepath.SkipDir
		case !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(file)):
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read manifests: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("cannot read manifests: %q holds no *.yaml, *.yml or *.json", path)
	}
	return files, nil
}

// excludes compares what paths lead to, however they are written.
func (o Options) excludes(directory string) bool {
	if o.Exclude == "" {
		return false
	}
	excluded, err := os.Stat(o.Exclude)
	if err != nil {
		return false
	}
	info, err := os.Stat(directory)
	return err == nil && os.SameFile(excluded, info)
}

func (o Options) readFile(file string) ([]*Document, error) {
	if file == Stdin {
		return readAll(stdinName, o.Stdin)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read manifests: %w", err)
	}
	documents, err := readAll(file, f)
	return documents, errors.Join(err, f.Close())
}

func readAll(file string, from io.Reader) ([]*Document, error) {
	data, err := io.ReadAll(io.LimitReader(from, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read manifests: %s: %w", file, err)
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("cannot read manifests: %s has more than %d MiB", file, maxBytes>>20)
	}
	return Parse(file, data)
}

// Parse reads the documents of one file, whose name is for errors.
func Parse(file string, data []byte) ([]*Document, error) {
	// Windows' editors write a mark in front, which is no part of the first key.
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%s:%d: not UTF-8: save the file in that encoding", file, 1+bytes.Count(validPrefix(data), newline()))
	}
	var documents []*Document
	var errs []error
	for _, part := range split(data) {
		parsed, err := part.parse()
		if err != nil {
			errs = append(errs, located(file, err))
			continue
		}
		for _, d := range parsed {
			d.File = file
			documents = append(documents, d)
		}
	}
	return documents, errors.Join(errs...)
}

func validPrefix(data []byte) []byte {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size <= 1 {
			return data[:i]
		}
		i += size
	}
	return data
}

// located names the file in front of an error that knows its line.
func located(file string, err error) error {
	if at, ok := errors.AsType[*lineError](err); ok {
		return fmt.Errorf("%s:%d: %s", file, at.line, at.message)
	}
	return fmt.Errorf("%s: %w", file, err)
}

// lineError is a mistake in a line of a file, from 1 on.
type lineError struct {
	line    int
	message string
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.message) }

func errorAt(n *yaml.Node, format string, arguments ...any) error {
	return &lineError{line: n.Line, message: strings.TrimSpace(fmt.Sprintf(format, arguments...))}
}
