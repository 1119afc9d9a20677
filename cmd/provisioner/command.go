package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/dpi-operator/dpi-operator/internal/provision"
	"github.com/dpi-operator/dpi-operator/internal/provision/builtin"
	"github.com/dpi-operator/dpi-operator/internal/provision/runner"
)

const defaultTimeout = 2 * time.Minute

var errNotDone = errors.New("the request is not done")

func newCommand(version string) *cobra.Command {
	root := &cobra.Command{
		Use:           "provisioner",
		Short:         "Make, prove and revoke what a binding needs at its provider",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newRunCommand())
	return root
}

func newRunCommand() *cobra.Command {
	r := runner.Runner{Handlers: builtin.Find}
	command := &cobra.Command{
		Use:   "run",
		Short: "Carry out one request and leave its result",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			publisher, err := publisherFromEnvironment()
			if err != nil {
				return err
			}
			r.Publisher = publisher
			result, err := r.Run(command.Context())
			describe(command, result)
			if err == nil && result.Phase != provision.PhaseDone {
				err = errNotDone
			}
			return err
		},
	}
	flags := command.Flags()
	flags.StringVar(&r.RequestFile, "request", provision.RequestPath, "file with the request")
	flags.StringVar(&r.AdminDir, "admin", provision.AdminDir, "directory with the provider's admin credential")
	flags.StringVar(&r.CredentialsDir, "credentials", provision.CredentialsDir, "directory with the binding's Secret")
	flags.StringVar(&r.ResultFile, "result", provision.ResultPath, "file that receives the result")
	flags.StringVar(&r.TerminationFile, "termination-message", "/dev/termination-log", "file that receives reason and message")
	flags.DurationVar(&r.Timeout, "timeout", defaultTimeout, "how long the work may take")
	return command
}

// describe puts the result into the Pod's log.
func describe(command *cobra.Command, result provision.Result) {
	command.Printf("%s: %s: %s\n", result.Phase, result.Reason, result.Message)
	for _, check := range result.Checks {
		mark := "ok    "
		if !check.OK {
			mark = "failed"
		}
		command.Printf("  %s %s %s\n", mark, check.Name, check.Message)
	}
}

// publisherFromEnvironment returns nothing where no Secret is named.
func publisherFromEnvironment() (runner.Publisher, error) {
	name, namespace := os.Getenv(provision.ResultSecretEnv), os.Getenv(provision.ResultNamespaceEnv)
	if name == "" {
		return nil, nil
	}
	if namespace == "" {
		return nil, fmt.Errorf("%s is set and %s is not: set both or none", provision.ResultSecretEnv, provision.ResultNamespaceEnv)
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("%s is set outside a cluster: %w", provision.ResultSecretEnv, err)
	}
	return runner.SecretPublisher{Config: config, Namespace: namespace, Name: name}, nil
}
