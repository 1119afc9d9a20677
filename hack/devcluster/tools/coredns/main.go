// Command coredns is CoreDNS with the plugins the development cluster uses, and no others.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"
)

func main() {
	// In the order in which they see a query: the template comes last, to answer what nobody knows.
	dnsserver.Directives = []string{"bind", "ready", "errors", "hosts", "kubernetes", "template"}
	coremain.Run()
}
