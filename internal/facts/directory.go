package facts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

// Directory reads parameters from files, for work without AWS: the file
// popapps/myapp/stage/app.json holds the parameter /popapps/myapp/stage/app.
type Directory struct{ root *os.Root }

// OpenDirectory opens a directory of parameters. No parameter's name, and no
// symbolic link in it, leads out of it.
func OpenDirectory(path string) (*Directory, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open parameters %q: %w", path, err)
	}
	return &Directory{root: root}, nil
}

// Close gives the directory back.
func (d *Directory) Close() error { return d.root.Close() }

// Name is the source's label in metrics.
func (d *Directory) Name() metrics.Source { return metrics.SourceDirectory }

// Key is the parameter's path.
func (d *Directory) Key(q Question) Key { return Key{Name: q.Parameter} }

// Read reads the parameter's file.
func (d *Directory) Read(_ context.Context, key Key) Parameter {
	name := strings.TrimPrefix(key.Name, "/") + ".json"
	value, err := d.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Parameter{Parameter: without(graft.ParameterNotFound, "")}
	}
	if err != nil {
		return Parameter{Parameter: without(graft.ParameterUnreachable, oneLine(err.Error()))}
	}
	p := Parameter{Parameter: ParseKeys(value)}
	if info, err := d.root.Stat(name); err == nil {
		p.Modified = info.ModTime()
	}
	return p
}

// maxFile bounds a file that stands for a parameter: SSM holds 8 KB.
const maxFile = 64 << 10

// read reads a regular file. Any other, as a FIFO or a device, may never end, and
// opening it may wait for whoever writes to it.
func (d *Directory) read(name string) ([]byte, error) {
	file, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	value, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(value) > maxFile {
		return nil, fmt.Errorf("%s has more than %d KiB: SSM holds 8 KB", name, maxFile>>10)
	}
	return value, err
}
