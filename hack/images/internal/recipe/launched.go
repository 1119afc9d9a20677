package recipe

import "io/fs"

func ehrbase(sources fs.FS) (Image, error) {
	return launched(sources, Image{
		Name: "ehrbase", Tag: "2.16.0",
		Title:       "EHRbase libraries with our launcher",
		Description: "The EHRbase 2.16.0 server from its Maven libraries, started by a launcher of this project; not upstream's image",
		Source:      "https://github.com/ehrbase/ehrbase",
		Start:       Start{Env: javaEnv(modest, "SERVER_PORT=8080", "SPRING_PROFILES_ACTIVE=container")},
	}, ClassArchive{
		Env:   []string{"SECURITY_AUTHTYPE=NONE"},
		Ready: "/ehrbase/management/health/readiness",
	})
}

func hapiFHIR(sources fs.FS) (Image, error) {
	return launched(sources, Image{
		Name: "hapi-fhir", Tag: "8.8.0",
		Title:       "HAPI FHIR libraries with our launcher",
		Description: "HAPI FHIR 8.8.0 JPA server (R4) from its Maven libraries, started by a launcher of this project; not upstream's image",
		Source:      "https://github.com/hapifhir/hapi-fhir",
		Start:       Start{Env: javaEnv(modest, "SERVER_PORT=8080")},
	}, ClassArchive{Ready: "/readyz"})
}

// modest suits servers that start often, on few cores, beside others: a quick start and little memory rather than the highest throughput.
// As an environment variable it is a default that a chart can replace.
const modest = "JDK_JAVA_OPTIONS=-XX:MaxRAMPercentage=65 -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError"

const (
	launcherJar  = "app/launcher.jar"
	classArchive = "app/classes/launcher.jsa"
)

// launched completes the recipe of a Java image whose main program is the Maven project in the sources' folder of the image's name.
func launched(sources fs.FS, image Image, training ClassArchive) (Image, error) {
	project, err := folder(sources, image.Name)
	if err != nil {
		return Image{}, err
	}
	java := javaHome + "/bin/java"
	training.Argv = []string{java, "-XX:ArchiveClassesAtExit=/" + classArchive, "-jar", "/" + launcherJar}
	training.Env = append(image.Start.Env, training.Env...)
	training.Archive = classArchive
	training.Database = "postgresql"
	image.Nature = LibraryWithLauncher
	image.Licenses = "Apache-2.0"
	image.Steps = append(javaBase(),
		accounts("app"),
		MavenLibraries{POM: project["pom.xml"], Dest: "app/lib"},
		MavenProgram{Sources: project, Dest: launcherJar},
		training,
	)
	image.Start.Entrypoint = []string{java, "-XX:SharedArchiveFile=/" + classArchive, "-jar", "/" + launcherJar}
	image.Start.WorkingDir = "/app"
	image.Start.Ports = []string{"8080/tcp"}
	return image, nil
}
