package crash

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// operator is a process of the operator, one after the other.
type operator struct {
	t         *testing.T
	gate      *gateway
	arguments []string
	kubeconfig,
	logPath string

	process *exec.Cmd
	exited  chan struct{}
}

// newOperator prepares an operator for one namespace, which holds its lease, too.
func newOperator(t *testing.T, namespace, name string, arguments ...string) *operator {
	t.Helper()
	o := &operator{t: t, gate: newGateway(t), logPath: filepath.Join(t.TempDir(), name+".log")}
	o.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	known := clientcmdapi.NewConfig()
	known.Clusters["test"] = &clientcmdapi.Cluster{Server: o.gate.server.URL}
	known.Contexts["test"] = &clientcmdapi.Context{Cluster: "test"}
	known.CurrentContext = "test"
	if err := clientcmd.WriteToFile(*known, o.kubeconfig); err != nil {
		t.Fatal(err)
	}
	o.arguments = append([]string{
		"--namespace=" + namespace, "--watch-namespaces=" + namespace, "--provisioner-image=registry.example.org/operator:1",
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--cache-dir=" + t.TempDir(), "--zap-log-level=debug",
	}, arguments...)
	t.Cleanup(func() {
		o.kill()
		if t.Failed() {
			t.Logf("the log of %s ends with:\n%s", name, o.tail())
		}
	})
	return o
}

func (o *operator) start() {
	o.t.Helper()
	log, err := os.OpenFile(o.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		o.t.Fatal(err)
	}
	process := exec.Command(manager, o.arguments...) //nolint:noctx // It ends by a signal, which is what this is about.
	process.Env = append(os.Environ(), "KUBECONFIG="+o.kubeconfig)
	process.Stdout, process.Stderr = log, log
	if err := process.Start(); err != nil {
		o.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = process.Wait() // A killed process has no good end.
		_ = log.Close()
		close(exited)
	}()
	o.process, o.exited = process, exited
}

// kill ends the process as a crash does, and returns when it is gone.
func (o *operator) kill() {
	if o.process == nil {
		return
	}
	o.signal(syscall.SIGKILL)
	<-o.exited
	o.process = nil
}

// signal sends a signal; a process that ended already gets none.
func (o *operator) signal(what syscall.Signal) {
	select {
	case <-o.exited:
	default:
		_ = o.process.Process.Signal(what)
	}
}

func (o *operator) hasExited() bool {
	select {
	case <-o.exited:
		return true
	default:
		return false
	}
}

// arm has the process killed at its nth write from now on.
func (o *operator) arm(armed *trap) {
	process, exited := o.process.Process, o.exited
	armed.strike = func() {
		_ = process.Kill()
		<-exited
	}
	o.gate.set(armed)
}

// await returns once the process was killed: by the trap, or after the patience. It says what it was doing.
func (o *operator) await(armed *trap, patience time.Duration) string {
	select {
	case <-armed.sprung:
		o.process = nil
		return string(armed.fate) + " " + armed.struckAt
	case <-time.After(patience):
	}
	o.gate.set(nil)
	o.kill()
	return "between"
}

func (o *operator) tail() string {
	text, err := os.ReadFile(o.logPath)
	if err != nil {
		return err.Error()
	}
	const limit = 12000
	text = text[max(0, len(text)-limit):]
	return strings.TrimSpace(string(bytes.ToValidUTF8(text, nil)))
}
