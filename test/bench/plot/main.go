// Command plot draws a table of measurements as an SVG: a line for each of the
// names in its second column. It is a module of its own, so that gonum is none
// of the program's dependencies.
//
//	go -C test/bench/plot run . -title TITLE -y LABEL FILE.csv FILE.svg
package main

import (
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run() error {
	title := flag.String("title", "", "what is shown")
	y := flag.String("y", "CPU, µs an admission", "what is on the vertical axis")
	flag.Parse()
	if flag.NArg() != 2 {
		return fmt.Errorf("%d files are named: use plot [flags] FILE.csv FILE.svg", flag.NArg())
	}
	x, lines, err := read(flag.Arg(0))
	if err != nil {
		return err
	}
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = *title, x, *y
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	var args []any
	for _, l := range lines {
		args = append(args, l.name, l.points)
	}
	if err := plotutil.AddLinePoints(p, args...); err != nil {
		return err
	}
	p.Y.Min = 0
	if p.X.Min > 0 && p.X.Max/p.X.Min >= 1000 {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	return p.Save(14*vg.Centimeter, 9*vg.Centimeter, flag.Arg(1))
}

type line struct {
	name   string
	points plotter.XYs
}

// read takes the first column's name and the lines, in the order of the file.
func read(file string) (x string, lines []line, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return "", nil, fmt.Errorf("cannot read %s: %w", file, err)
	}
	if len(rows) < 2 || len(rows[0]) != 3 {
		return "", nil, fmt.Errorf("%s has no rows of three columns: a value, a name and what was measured", file)
	}
	for n, row := range rows[1:] {
		at, errAt := strconv.ParseFloat(row[0], 64)
		value, errValue := strconv.ParseFloat(row[2], 64)
		if errAt != nil || errValue != nil {
			return "", nil, fmt.Errorf("%s: row %d is %q: the first and the last are numbers", file, n+2, row)
		}
		i := slices.IndexFunc(lines, func(l line) bool { return l.name == row[1] })
		if i < 0 {
			i, lines = len(lines), append(lines, line{name: row[1]})
		}
		lines[i].points = append(lines[i].points, plotter.XY{X: at, Y: value})
	}
	return rows[0][0], lines, nil
}
