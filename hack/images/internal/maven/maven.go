package maven

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/archive"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/command"
)

// dependencyPlugin is named with its version so that a build does not change with the client's default.
const dependencyPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.9.0"

// Libraries copies the runtime dependencies of the project described by the POM into dir.
func Libraries(ctx context.Context, pom, dir string) error {
	return inProject(map[string]string{"pom.xml": pom}, func(project string) error {
		return mvn(ctx, project, dependencyPlugin+":copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+dir)
	})
}

// Program builds the project, given as its files by path, and writes its jar to the file.
func Program(ctx context.Context, sources map[string]string, file string) error {
	return inProject(sources, func(project string) error {
		if err := mvn(ctx, project, "package"); err != nil {
			return err
		}
		jars, err := filepath.Glob(filepath.Join(project, "target", "*.jar"))
		if err != nil || len(jars) != 1 {
			return errors.Join(err, fmt.Errorf("the project made %d jars, it has to make one", len(jars)))
		}
		jar, err := os.ReadFile(jars[0])
		return errors.Join(err, os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, jar, 0o644))
	})
}

// Archive unpacks the zip with the coordinate group:artifact:version:packaging into dir, without its single top folder.
func Archive(ctx context.Context, coordinate, dir string) error {
	return inProject(nil, func(work string) error {
		err := mvn(ctx, work, dependencyPlugin+":copy", "-Dartifact="+coordinate, "-DoutputDirectory="+work)
		if err != nil {
			return err
		}
		files, err := filepath.Glob(filepath.Join(work, "*.zip"))
		if err != nil || len(files) != 1 {
			return errors.Join(err, fmt.Errorf("%s gave %d zip files, expected one", coordinate, len(files)))
		}
		top, err := archive.TopFolder(files[0])
		if err != nil {
			return err
		}
		return archive.Unzip(files[0], top, dir)
	})
}

func mvn(ctx context.Context, dir string, args ...string) error {
	args = append([]string{"--quiet", "--batch-mode", "--no-transfer-progress"}, args...)
	if err := command.RunIn(ctx, dir, "mvn", args...); err != nil {
		return fmt.Errorf("maven failed, its last lines say why: %w", err)
	}
	return nil
}

func inProject(files map[string]string, use func(dir string) error) (err error) {
	dir, err := os.MkdirTemp("", "dpi-images-maven-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644))
		if err != nil {
			return fmt.Errorf("cannot write the project's %s: %w", strings.TrimPrefix(name, "/"), err)
		}
	}
	return use(dir)
}
