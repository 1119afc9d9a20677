package recipe

// Step makes one layer. The set is closed: the assembler knows how to carry out each of them.
type Step interface {
	// Describe names the step in progress lines and in the image's history, in a few words.
	Describe() string
	// cumulative steps see the files of the steps before them, so their key covers those steps too.
	cumulative() bool
}

// Debian unpacks packages and everything they depend on, without running their scripts.
type Debian struct {
	Suite    string
	Packages []string
	// Keep and Drop choose by path what goes into the layer (see layer.Filter for the syntax).
	Keep, Drop []string
}

// JavaRuntime unpacks the Java runtime that a Python wheel carries into Dest, and adds the JVM's default class archive.
type JavaRuntime struct {
	// Requirement is what pip is asked for, with an exact version.
	Requirement string
	Dest        string
}

// MavenLibraries copies the runtime dependencies of a Maven project into Dest.
type MavenLibraries struct {
	POM  string
	Dest string
}

// MavenProgram compiles a Maven project and copies its own jar to Dest (a file).
type MavenProgram struct {
	// Sources are the project's files by path, pom.xml among them.
	Sources map[string]string
	Dest    string
}

// MavenArchive unpacks a zip from a Maven repository into Dest, without the archive's single top folder.
type MavenArchive struct {
	// Coordinate is group:artifact:version:packaging.
	Coordinate string
	Dest       string
}

// Files puts literal files, directories and links in place.
type Files struct {
	Title   string
	Entries []File
}

// File is one entry of Files: a directory, a symbolic link, or a regular file.
type File struct {
	Path    string
	Content string `json:",omitempty"`
	// Link is a symbolic link's target.
	Link string `json:",omitempty"`
	// Dir says that Path is a directory.
	Dir  bool `json:",omitempty"`
	Mode uint32
	// Owner is the numeric user and group.
	Owner int `json:",omitempty"`
}

// Run executes a command inside the files of all steps before it and keeps the paths it made or changed.
type Run struct {
	Title string
	Argv  []string
	Env   []string
	// Keep lists the path prefixes that become the layer, without a leading slash. Nothing else is kept.
	Keep []string
	// Writable lists directories the command's user may write to while it runs.
	Writable []string
}

// ClassArchive starts the image's Java server once on a database and keeps the class archive that the JVM writes when it stops.
type ClassArchive struct {
	Argv []string
	Env  []string
	// Archive is the file to keep, without a leading slash.
	Archive string
	// Ready is the path below the server's port that answers 200 once it works.
	Ready string
	// Database names the image whose server is the database.
	Database string
}

// GoPrograms compiles main packages of the repository into static binaries.
type GoPrograms struct {
	// Packages maps the path in the image to the package to build.
	Packages map[string]string
	// Content maps the path in the image to the binary's SHA-256. It is empty in a recipe and filled in once the
	// binaries are built, so that the key goes by what was built and not by how.
	Content map[string]string
}

// Describe implements Step.
func (s Debian) Describe() string { return "Debian " + s.Suite }

// Describe implements Step.
func (s JavaRuntime) Describe() string { return "Java runtime " + s.Requirement }

// Describe implements Step.
func (s MavenLibraries) Describe() string { return "Maven libraries" }

// Describe implements Step.
func (s MavenProgram) Describe() string { return "launcher" }

// Describe implements Step.
func (s MavenArchive) Describe() string { return s.Coordinate }

// Describe implements Step.
func (s Files) Describe() string { return s.Title }

// Describe implements Step.
func (s Run) Describe() string { return s.Title }

// Describe implements Step.
func (s ClassArchive) Describe() string { return "class archive" }

// Describe implements Step.
func (s GoPrograms) Describe() string { return "Go programs" }

func (Debian) cumulative() bool         { return false }
func (JavaRuntime) cumulative() bool    { return false }
func (MavenLibraries) cumulative() bool { return false }
func (MavenProgram) cumulative() bool   { return false }
func (MavenArchive) cumulative() bool   { return false }
func (Files) cumulative() bool          { return false }
func (Run) cumulative() bool            { return true }
func (ClassArchive) cumulative() bool   { return true }
func (GoPrograms) cumulative() bool     { return false }
