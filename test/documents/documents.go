// Package documents reads the commands of the documentation: the blocks fenced
// as "sh". A block that needs more than the checkout says so in a comment above
// it, and by what it is run:
//
//	<!-- needs: a cluster; run by test/integration/documents -->
//	<!-- needs: AWS; not tested -->
package documents

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Block is one of a document's.
type Block struct {
	File string // from the root
	Line int
	// Needs and RunBy are of the comment; empty where there is none.
	Needs, RunBy string
	// Commands have continued lines joined, and no comments.
	Commands []string
}

// Place is where people find the block.
func (b Block) Place() string { return fmt.Sprintf("%s:%d", b.File, b.Line) }

var (
	fenced  = regexp.MustCompile("(?ms)(^[^\n]*\n)? *```sh\n(.*?)\n *```")
	comment = regexp.MustCompile(`<!-- needs: (.*?)(?:; run by (.*?)|; not tested.*?)? -->`)
	// remark is the end of a command's line.
	remark = regexp.MustCompile(`\s+# .*$`)
)

// Files are the documents that have commands, but for the decisions: these tell
// of what was.
func Files(root string) ([]string, error) {
	var files []string
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/*.md", "deploy/chart/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return files, nil
}

// Read returns all blocks, in order.
func Read(root string) ([]Block, error) {
	files, err := Files(root)
	if err != nil {
		return nil, err
	}
	var blocks []Block
	for _, file := range files {
		name, err := filepath.Rel(root, file)
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, at := range fenced.FindAllSubmatchIndex(text, -1) {
			block := Block{File: filepath.ToSlash(name), Line: 1 + strings.Count(string(text[:at[4]]), "\n")}
			if at[2] >= 0 {
				if mark := comment.FindStringSubmatch(string(text[at[2]:at[3]])); mark != nil {
					block.Needs, block.RunBy = mark[1], mark[2]
				}
			}
			block.Commands = commands(string(text[at[4]:at[5]]))
			blocks = append(blocks, block)
		}
	}
	return blocks, nil
}

func commands(text string) []string {
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if line = strings.TrimSpace(remark.ReplaceAllString(strings.TrimSpace(line), "")); line != "" {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
	}
	return lines
}
