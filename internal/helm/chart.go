package helm

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
)

// ErrInvalidChart means that the archive is not a chart that can be installed.
var ErrInvalidChart = errors.New("invalid chart")

// Chart is a chart archive that was found to be well-formed. It is immutable and safe for concurrent use: Helm's dependency
// processing changes a parsed chart, so each render parses the archive anew.
type Chart struct {
	archive []byte
	info    ChartInfo
}

// ChartInfo is what a chart says about itself.
type ChartInfo struct {
	Name        string
	Version     string
	AppVersion  string
	Description string
	// Digest of the archive, `sha256:<hex>`.
	Digest string
	// KubeVersion is the constraint on the cluster's version; empty means any.
	KubeVersion string
	Deprecated  bool
	// HasSchema tells whether the chart itself (not a subchart) checks its values.
	HasSchema    bool
	Dependencies []Dependency
	// Defaults are the chart's own values, subcharts' not merged in. They must not be changed.
	Defaults map[string]any
}

// Dependency is a subchart as the chart declares it.
type Dependency struct {
	Name, Alias, Version, Repository, Condition string
	Tags                                        []string
}

// LoadChart reads a gzipped chart archive. Library charts and charts with missing subcharts are refused.
func LoadChart(archive []byte) (*Chart, error) {
	parsed, err := parse(archive)
	if err != nil {
		return nil, err
	}
	switch parsed.Metadata.Type {
	case "", "application":
	default:
		return nil, fmt.Errorf("%w: %s is a %s chart, which cannot be installed", ErrInvalidChart, parsed.Name(), parsed.Metadata.Type)
	}
	if err := checkDependencies(parsed); err != nil {
		return nil, err
	}
	return &Chart{archive: archive, info: infoOf(parsed, digestOf(archive))}, nil
}

// Info returns what the chart says about itself.
func (c *Chart) Info() ChartInfo { return c.info }

func parse(archive []byte) (*chart.Chart, error) {
	parsed, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidChart, err)
	}
	if err := parsed.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidChart, err)
	}
	return parsed, nil
}

func digestOf(archive []byte) string {
	sum := sha256.Sum256(archive)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func infoOf(parsed *chart.Chart, digest string) ChartInfo {
	metadata := parsed.Metadata
	info := ChartInfo{
		Name: metadata.Name, Version: metadata.Version, AppVersion: metadata.AppVersion, Description: metadata.Description,
		Digest: digest, KubeVersion: metadata.KubeVersion, Deprecated: metadata.Deprecated,
		HasSchema: len(parsed.Schema) > 0, Defaults: parsed.Values,
	}
	for _, d := range metadata.Dependencies {
		info.Dependencies = append(info.Dependencies, Dependency{
			Name: d.Name, Alias: d.Alias, Version: d.Version, Repository: d.Repository, Condition: d.Condition, Tags: d.Tags,
		})
	}
	return info
}

// checkDependencies refuses an archive that was packaged without its subcharts: rendering it would leave parts out silently.
func checkDependencies(parsed *chart.Chart) error {
	present := map[string]bool{}
	for _, sub := range parsed.Dependencies() {
		present[sub.Name()] = true
	}
	for _, want := range parsed.Metadata.Dependencies {
		if !present[want.Name] {
			return fmt.Errorf("%w: %s declares the subchart %s, which is not in the archive; package it with its dependencies",
				ErrInvalidChart, parsed.Name(), want.Name)
		}
	}
	return nil
}
