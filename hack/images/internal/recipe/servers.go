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
			Env:        javaEnv("KC_RUN_IN_CONTAINER=true"),
			WorkingDir: "/opt/keycloak", Volumes: []string{"/" + data}, Ports: []string{"8080/tcp", "9000/tcp"},
		},
	}, nil
}

func ehrbase(sources fs.FS) (Image, error) {
	files, err := folder(sources, "ehrbase")
	if err != nil {
		return Image{}, err
	}
	return Image{
		Name: "ehrbase", Tag: "2.16.0", Nature: LibraryWithLauncher,
		Title:       "EHRbase libraries with our launcher",
		Description: "The EHRbase 2.16.0 server from its Maven libraries, started by a launcher of this project; not upstream's image",
		Source:      "https://github.com/ehrbase/ehrbase",
		Licenses:    "Apache-2.0",
		Steps:       launched(files),
		Start: Start{
			Entrypoint: launch("io.dpioperator.ehrbase.Launcher"),
			Env:        javaEnv("SERVER_PORT=8080", "SPRING_PROFILES_ACTIVE=container"),
			WorkingDir: "/app", Ports: []string{"8080/tcp"},
		},
	}, nil
}

func hapiFHIR(sources fs.FS) (Image, error) {
	files, err := folder(sources, "hapi-fhir")
	if err != nil {
		return Image{}, err
	}
	return Image{
		Name: "hapi-fhir", Tag: "8.8.0", Nature: LibraryWithLauncher,
		Title:       "HAPI FHIR libraries with our launcher",
		Description: "HAPI FHIR 8.8.0 JPA server (R4) from its Maven libraries, started by a launcher of this project; not upstream's image",
		Source:      "https://github.com/hapifhir/hapi-fhir",
		Licenses:    "Apache-2.0",
		Steps:       launched(files),
		Start: Start{
			Entrypoint: launch("io.dpioperator.hapi.Launcher"),
			Env:        javaEnv("SERVER_PORT=8080"),
			WorkingDir: "/app", Ports: []string{"8080/tcp"},
		},
	}, nil
}

// launched are the steps of a Java image whose main program is a Maven project of ours.
func launched(project map[string]string) []Step {
	return append(javaBase(),
		accounts("app"),
		MavenLibraries{POM: project["pom.xml"], Dest: "app/lib"},
		MavenProgram{Sources: project, Dest: "app/launcher.jar"},
	)
}

// launch leaves room for the memory the JVM uses outside its heap, and ends the process instead of limping on without memory.
func launch(main string) []string {
	return []string{
		javaHome + "/bin/java", "-XX:MaxRAMPercentage=65", "-XX:+ExitOnOutOfMemoryError",
		"-cp", "/app/launcher.jar:/app/lib/*", main,
	}
}
