package facts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

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
	value, err := d.root.ReadFile(name)
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
