// Command manager is the operator: the controllers of every kind in one process.
package main

import (
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// version is set by the build.
var version = "dev"

func main() {
	options := newOptions()
	if err := options.parse(os.Args[1:]); err != nil {
		os.Exit(2)
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&options.log)))
	if err := run(ctrl.SetupSignalHandler(), options); err != nil {
		ctrl.Log.WithName("setup").Error(err, "The operator stopped")
		os.Exit(1)
	}
}
