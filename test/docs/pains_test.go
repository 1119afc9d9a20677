package docs_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	painsPage = "../../docs/pains.md"
	pains     = 22
)

var (
	painHeading = regexp.MustCompile(`(?m)^## (\d+)\. `)
	// heldBy is one entry of a list, over as many lines as it takes: a package and its tests.
	heldBy = regexp.MustCompile("(?m)^- `([a-z/0-9]+)`: (`[^`]+`(?:,\\s+`[^`]+`)*)$")
	quoted = regexp.MustCompile("`([^`]+)`")
)

func TestEveryPainIsThereAndSaysItsSourceAndItsTests(t *testing.T) {
	page := read(t, painsPage)
	starts := painHeading.FindAllStringSubmatchIndex(page, -1)
	if len(starts) != pains {
		t.Fatalf("%s has %d sections with a number, want %d", painsPage, len(starts), pains)
	}
	for i, start := range starts {
		end := len(page)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		number, section := page[start[2]:start[3]], page[start[0]:end]
		if number != strconv.Itoa(i+1) {
			t.Errorf("section %d has the number %s", i+1, number)
		}
		if !regexp.MustCompile(`(?m)^Reported as: .*#\d+`).MatchString(section) {
			t.Errorf("pain %s does not say where it is reported", number)
		}
		entries := heldBy.FindAllString(section, -1)
		if lists := strings.Count(section, "\n- "); len(entries) == 0 || len(entries) != lists {
			t.Errorf("pain %s has %d lists of tests that can be read, of %d; write - `package`: `Test`, `Test/subtest`", number, len(entries), lists)
		}
	}
}

func TestEveryTestOfAPainExists(t *testing.T) {
	packages := map[string]*tests{}
	named := map[string]bool{}
	for _, entry := range heldBy.FindAllStringSubmatch(read(t, painsPage), -1) {
		path := entry[1]
		if packages[path] == nil {
			packages[path] = testsOf(t, path)
		}
		for _, name := range quoted.FindAllStringSubmatch(entry[2], -1) {
			function, subtest, isSub := strings.Cut(name[1], "/")
			named[path+" "+function] = true
			if !packages[path].functions[function] {
				t.Errorf("%s: package %s has no test %s", painsPage, path, function)
			}
			if isSub && !packages[path].knows(subtest) {
				t.Errorf("%s: package %s knows no case %q of %s", painsPage, path, subtest, function)
			}
		}
	}
	for path, found := range packages {
		for function := range found.functions {
			if strings.HasPrefix(function, "TestPain") && !named[path+" "+function] {
				t.Errorf("%s does not name %s of package %s", painsPage, function, path)
			}
		}
	}
}

// tests are the test functions of a package, and the texts in its tests, which name subtests.
type tests struct {
	directory        string
	functions, texts map[string]bool
}

// knows tells whether a subtest of that name can exist: its name stands in the tests, or is that of a folder of cases.
func (p *tests) knows(subtest string) bool {
	_, err := os.Stat(filepath.Join(p.directory, "testdata", subtest))
	return p.texts[subtest] || !errors.Is(err, fs.ErrNotExist)
}

func testsOf(t *testing.T, path string) *tests {
	t.Helper()
	found := &tests{directory: filepath.Join("..", "..", path), functions: map[string]bool{}, texts: map[string]bool{}}
	files, err := filepath.Glob(filepath.Join(found.directory, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.FuncDecl:
				if node.Recv == nil && strings.HasPrefix(node.Name.Name, "Test") {
					found.functions[node.Name.Name] = true
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(node.Value); node.Kind == token.STRING && err == nil {
					found.texts[text] = true
				}
			}
			return true
		})
	}
	return found
}
