package recipe

func operator() Image {
	return program("operator", "dpi-operator", "The operator of digital public infrastructure and its provisioner", map[string]string{
		"manager": "cmd/manager", "provisioner": "cmd/provisioner",
	}, "/manager")
}

func registry() Image {
	return program("registry", "dpi-operator coordination registry", "The registry that digital public infrastructure reports to",
		map[string]string{"registry": "cmd/registry"}, "/registry")
}

func program(name, title, description string, packages map[string]string, entrypoint string) Image {
	return Image{
		Name: name, Tag: "dev", ContentTag: true, Nature: Ours,
		Title: title, Description: description, Source: repository, Licenses: "Apache-2.0",
		Steps: []Step{
			Debian{
				Suite: suite, Packages: []string{"base-files", "ca-certificates", "netbase"},
				// Static programs need none of the shell and the libraries that come along as dependencies.
				Keep: []string{
					"etc/ssl/certs/ca-certificates.crt", "etc/os-release", "usr/lib/os-release", "etc/services", "etc/protocols",
					"usr/share/doc/ca-certificates/copyright", "usr/share/doc/netbase/copyright",
					"var/lib/dpkg/status.d/ca-certificates", "var/lib/dpkg/status.d/netbase",
				},
			},
			accounts(name),
			GoPrograms{Packages: packages},
		},
		Start: Start{
			Entrypoint: []string{entrypoint},
			Env:        []string{"PATH=/", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
			WorkingDir: "/",
		},
	}
}
