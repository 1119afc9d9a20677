package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/provision"
)

const (
	// maxSecretBytes is the size of the largest Secret Kubernetes keeps.
	maxSecretBytes = 1 << 20
	// minRedacted keeps short values, which occur in words by chance, from garbling messages.
	minRedacted    = 6
	publishTimeout = 30 * time.Second
	// maxTermination is well below the kubelet's bound for one container.
	maxTermination = 1024
)

// Publisher hands a result over.
type Publisher interface {
	Publish(ctx context.Context, result []byte) error
}

// Runner carries out a request.
type Runner struct {
	// RequestFile holds the request.
	RequestFile string
	// AdminDir and CredentialsDir hold one file per key; a directory that does not exist is an empty Secret.
	AdminDir, CredentialsDir string
	// ResultFile receives the result.
	ResultFile string
	// TerminationFile receives reason and message for the kubelet; empty means none.
	TerminationFile string
	// Timeout bounds the handler's work.
	Timeout time.Duration
	// Handlers finds who does the work; false means that there is none.
	Handlers func(action provision.Action, name string) (provision.Handler, bool)
	// Publisher hands the result over beside the file; nil means the file only.
	Publisher Publisher
}

// Run carries out the request and returns its result. The error says that the result could not be left where it belongs.
func (r Runner) Run(ctx context.Context) (provision.Result, error) {
	result := r.result(ctx)
	data, err := json.Marshal(result)
	if err != nil {
		return result, fmt.Errorf("encode the result: %w", err)
	}
	var failures []error
	if err := writeFile(r.ResultFile, data); err != nil {
		failures = append(failures, fmt.Errorf("leave the result: %w; mount a writable directory there", err))
	}
	if r.TerminationFile != "" {
		writeTermination(r.TerminationFile, shorten(result.Reason+": "+result.Message))
	}
	if r.Publisher != nil {
		// A Job that is being stopped still says what it has done.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
		defer cancel()
		if err := r.Publisher.Publish(ctx, data); err != nil {
			failures = append(failures, fmt.Errorf("publish the result: %w", err))
		}
	}
	return result, errors.Join(failures...)
}

func (r Runner) result(ctx context.Context) provision.Result {
	data, err := os.ReadFile(r.RequestFile)
	if err != nil {
		return provision.Conclude(provision.Request{}, provision.Report{}, provision.Failed(provision.ReasonInvalidRequest, "read the request: %w", err))
	}
	request, err := provision.ParseRequest(data)
	if err != nil {
		return provision.Conclude(request, provision.Report{}, provision.Failed(provision.ReasonInvalidRequest, "%w", err))
	}
	task := provision.Task{Request: request}
	task.Admin, err = readSecret(r.AdminDir)
	if err == nil {
		task.Credentials, err = readSecret(r.CredentialsDir)
	}
	if err != nil {
		return provision.Conclude(request, provision.Report{}, provision.Failed(provision.ReasonInvalidRequest, "%w", err))
	}
	handler, ok := r.Handlers(request.Action, request.Handler)
	if !ok {
		return provision.Conclude(request, provision.Report{}, provision.Failed(provision.ReasonInvalidRequest,
			"there is no built-in handler %q for %s; correct the catalogue entry", request.Handler, request.Action))
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	report, err := handler.Handle(ctx, task)
	return redact(provision.Conclude(request, report, err), task)
}

// readSecret reads a mounted Secret. The kubelet's own entries begin with two dots.
func readSecret(dir string) (provision.Secrets, error) {
	secrets := provision.Secrets{}
	if dir == "" {
		return secrets, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return secrets, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the mounted Secret: %w", err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "..") {
			continue
		}
		data, err := readBounded(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the mounted Secret: %w", err)
		}
		secrets[entry.Name()] = string(data)
	}
	return secrets, nil
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, maxSecretBytes))
}

// redact is the last line of defence: handlers do not put secrets into words, servers that answer them might.
func redact(result provision.Result, task provision.Task) provision.Result {
	var secrets []string
	for _, mounted := range []provision.Secrets{task.Admin, task.Credentials} {
		for key, value := range mounted {
			public := task.Request.Outputs[key] == value
			if !public && len(value) >= minRedacted && isSecretKey(key) {
				secrets = append(secrets, value)
			}
		}
	}
	// Longer ones first, so that one within another leaves no remainder.
	sort.Slice(secrets, func(i, j int) bool { return len(secrets[i]) > len(secrets[j]) })
	clean := func(text string) string {
		for _, secret := range secrets {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
		return text
	}
	result.Message = clean(result.Message)
	for i := range result.Checks {
		result.Checks[i].Message = clean(result.Checks[i].Message)
	}
	return result
}

// isSecretKey tells the keys of a servicebinding.io Secret that are known to be public from all others.
func isSecretKey(key string) bool {
	switch key {
	case "type", "provider", "host", "port", "database", "username", "uri", "url", "issuer-url", "client-id", "ca.crt":
		return false
	}
	return !strings.HasSuffix(key, "-username")
}

func shorten(text string) string {
	if len(text) > maxTermination {
		text = text[:maxTermination]
	}
	return strings.ToValidUTF8(text, "")
}

// writeTermination fills the file the kubelet made. Where there is none no one will read it, and nothing depends on it.
func writeTermination(path, text string) {
	file, err := os.OpenFile(filepath.Clean(path), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return
	}
	_, _ = file.WriteString(text)
	_ = file.Close()
}

// writeFile makes the file appear whole or not at all: a program beside this one may be waiting for it.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".result-*")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}
