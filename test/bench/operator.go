package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"k8s.io/apimachinery/pkg/types"
)

// operator is the real binary in a process of its own.
type operator struct {
	command *exec.Cmd
	log     string
	ended   chan error
	process procfs.Proc
}

// startOperator starts the operator and returns once it works: when it has marked a component without a chart as ready.
func (b *bench) startOperator(ctx context.Context, name string) (*operator, error) {
	o := &operator{log: filepath.Join(b.dir, name+".log"), ended: make(chan error, 1)}
	output, err := os.Create(o.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = output.Close() }()
	o.command = exec.CommandContext(ctx, b.manager, //nolint:gosec // It was built by this process.
		"--namespace="+operatorNamespace, "--provisioner-image=registry.example.org/dpi/operator:bench",
		"--cache-dir="+filepath.Join(b.dir, name+"-charts"), "--metrics-bind-address=0", "--health-probe-bind-address=0",
		"--pprof-bind-address="+b.options.pprofAddress)
	o.command.Env = append(os.Environ(), "KUBECONFIG="+b.kubeconfig)
	o.command.Stdout, o.command.Stderr = output, output
	if err := o.command.Start(); err != nil {
		return nil, fmt.Errorf("start the operator: %w", err)
	}
	go func() { o.ended <- o.command.Wait() }()
	if o.process, err = procfs.NewProc(o.command.Process.Pid); err != nil {
		return nil, errors.Join(err, o.stop())
	}
	probe := types.NamespacedName{Namespace: operatorNamespace, Name: name + "-started"}
	if err := b.client.Create(ctx, newComponent(probe)); err != nil {
		return nil, errors.Join(err, o.stop())
	}
	if err := o.wait(ctx, b.observer, []expectation{{key: probe}}); err != nil {
		return nil, errors.Join(err, o.stop())
	}
	return o, nil
}

// wait returns when every component is as expected, with what the operator said last where that does not come true.
func (o *operator) wait(ctx context.Context, observer *observer, expected []expectation) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := observer.wait(ctx, expected)
	if err == nil {
		return nil
	}
	said, readErr := os.ReadFile(o.log)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	const enough = 4 << 10
	return fmt.Errorf("%w; the operator said last:\n%s", err, said[max(0, len(said)-enough):])
}

// use is what a process has used so far.
type use struct {
	cpu  time.Duration
	peak uint64
}

func (o *operator) use() (use, error) { return useOf(o.process) }

func useOf(process procfs.Proc) (use, error) {
	stat, err := process.Stat()
	if err != nil {
		return use{}, err
	}
	status, err := process.NewStatus()
	if err != nil {
		return use{}, err
	}
	return use{cpu: time.Duration(stat.CPUTime() * float64(time.Second)), peak: status.VmHWM}, nil
}

// stop lets the operator end in order, so that the next one need not wait for its lease.
func (o *operator) stop() error {
	if err := o.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-o.ended:
		return err
	case <-time.After(patience):
		return errors.Join(errors.New("the operator does not end"), o.command.Process.Kill())
	}
}
