package recipe

import "io/fs"

func postgresql(sources fs.FS) (Image, error) {
	files, err := folder(sources, "postgresql")
	if err != nil {
		return Image{}, err
	}
	const data = "var/lib/postgresql/data"
	return Image{
		Name: "postgresql", Tag: "15", Nature: RealServer,
		Title:       "PostgreSQL 15",
		Description: "PostgreSQL 15 from Debian packages, with all contrib extensions and without JIT",
		Source:      "https://tracker.debian.org/pkg/postgresql-15",
		Licenses:    "PostgreSQL",
		Steps: []Step{
			Debian{
				Suite:    suite,
				Packages: []string{"postgresql-15", "base-files", "bash", "coreutils", "tzdata"},
				// The JIT compiler is most of the package's size, and its start costs more than these databases would gain.
				Drop: append([]string{
					"usr/lib/*/libLLVM*", "usr/lib/llvm*", "usr/lib/*/libz3*", "usr/lib/postgresql/15/lib/bitcode",
					"usr/lib/postgresql/15/lib/llvmjit*",
				}, unneeded...),
			},
			shell,
			accounts("postgres", data),
			Files{Title: "entrypoint", Entries: []File{
				{Path: "usr/local/bin/postgresql-entrypoint", Mode: 0o755, Content: files["entrypoint.sh"]},
				{Path: "etc/postgresql/pg_hba.conf", Mode: 0o644, Content: files["pg_hba.conf"]},
			}},
		},
		Start: Start{
			Entrypoint: []string{"/usr/local/bin/postgresql-entrypoint"},
			Env: []string{
				"PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
				"PGDATA=/" + data + "/pgdata", "PGHOST=/tmp",
			},
			Volumes: []string{"/" + data}, Ports: []string{"5432/tcp"}, StopSignal: "SIGINT",
		},
	}, nil
}

func keycloak(fs.FS) (Image, error) {
	const home, data = "opt/keycloak", "opt/keycloak/data"
	return Image{
		Name: "keycloak", Tag: "26.7.3", Nature: RealServer,
		Title:       "Keycloak",
		Description: "Keycloak from its Maven distribution, built for PostgreSQL with health endpoints",
		Source:      "https://github.com/keycloak/keycloak",
		Licenses:    "Apache-2.0",
		Steps: append(javaBase(),
			MavenArchive{Coordinate: "org.keycloak:keycloak-quarkus-dist:26.7.3:zip", Dest: home},
			accounts("keycloak", data),
			Run{
				Title: "kc.sh build", Argv: []string{"/opt/keycloak/bin/kc.sh", "build"},
				Env:      javaEnv("KC_DB=postgres", "KC_HEALTH_ENABLED=true"),
				Writable: []string{home + "/lib/quarkus", data},
				Keep:     []string{home + "/lib/quarkus"},
			},
		),
		Start: Start{
			Entrypoint: []string{"/opt/keycloak/bin/kc.sh"}, Cmd: []string{"start", "--optimized"},
			Env:        javaEnv("JDK_JAVA_OPTIONS=-XX:TieredStopAtLevel=1", "KC_RUN_IN_CONTAINER=true"),
			WorkingDir: "/opt/keycloak", Volumes: []string{"/" + data}, Ports: []string{"8080/tcp", "9000/tcp"},
		},
	}, nil
}
