package health

import (
	"fmt"
	"regexp"
	"strings"
)

const (
	// logLines of a log are told.
	logLines = 3
	// logRunes bounds what is told of a log.
	logRunes = 400
)

// WithLog returns the blocker with the end of a log in its message: the last lines, bounded, without the times that lines
// begin with, and without what looks like a secret. Nothing is added for an empty log.
func (b Blocker) WithLog(log string) Blocker {
	if told := lastLines(log); told != "" {
		b.Message = fmt.Sprintf("%s; its log ends with: %s", b.Message, told)
	}
	return b
}

// lastLines makes one line of the last lines that say something.
func lastLines(log string) string {
	var lines []string
	for line := range strings.Lines(log) {
		line = strings.Join(strings.Fields(printable(line)), " ")
		if line = leadingTime.ReplaceAllString(line, ""); line != "" {
			lines = append(lines, redact(line))
		}
	}
	lines = lines[max(0, len(lines)-logLines):]
	told := []rune(strings.Join(lines, " | "))
	if len(told) > logRunes {
		// The end says why, the beginning how it got there.
		return "…" + strings.TrimSpace(string(told[len(told)-logRunes+1:]))
	}
	return string(told)
}

var (
	escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")
	// leadingTime matches the usual times at the start of a line, with the brackets around them.
	leadingTime = regexp.MustCompile(
		`^[\[(]?(?:[IWEF])?(?:\d{4}[-/]\d{2}[-/]\d{2}[T ])?\d{2}:\d{2}:\d{2}(?:[.,]\d+)?(?:Z| ?[+-]\d{2}:?\d{2}| UTC)?[\])]?[ :]*|^[IWEF]\d{4} \d{2}:\d{2}:\d{2}(?:\.\d+)? +`)
)

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '�' {
			return ' '
		}
		return r
	}, escapes.ReplaceAllString(text, ""))
}

const hidden = "[hidden]"

// secrets are patterns of what must not leave a log. Each keeps its first group.
var secrets = []*regexp.Regexp{
	// user:password@ in addresses
	regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@]*:)[^\s/@]+(?:@[^\s/@]+)*@`),
	// header values
	regexp.MustCompile(`(?i)(\b(?:authorization|cookie|set-cookie|x-api-key)["']?\s*[:=]\s*["']?(?:bearer |basic )?)[^\s"',;]+`),
	regexp.MustCompile(`(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9+/_.=~-]{16,}`),
	// password=…, "client_secret": "…", --token …
	regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)["']?\s*[:=]+>?\s*)(?:"[^"]*"|'[^']*'|[^\s,;&)}\]]+)`),
	regexp.MustCompile(`(?i)(--?(?:pass(?:word|wd|phrase)?|secret|token|api-?key)\s+)\S+`),
	// JSON web tokens and keys
	regexp.MustCompile(`()\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+){0,2}`),
	regexp.MustCompile(`()-----BEGIN [A-Z ]*PRIVATE KEY-----.*`),
}

// longWord may be a key; a path or a name is one, too.
var longWord = regexp.MustCompile(`[A-Za-z0-9+/_=-]{32,}`)

// looksRandom tells keys from paths and names: those mix digits with both cases, or are hexadecimal throughout.
func looksRandom(word string) bool {
	const digits, upper, lower, hexadecimal = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789abcdefABCDEF"
	if !strings.ContainsAny(word, digits) {
		return false
	}
	return strings.Trim(word, hexadecimal) == "" || strings.ContainsAny(word, upper) && strings.ContainsAny(word, lower)
}

// redact hides what looks like a secret. It hides too much rather than too little.
func redact(text string) string {
	for _, pattern := range secrets {
		replacement := "${1}" + hidden
		if strings.Contains(pattern.String(), "://") {
			replacement += "@"
		}
		text = pattern.ReplaceAllString(text, replacement)
	}
	return longWord.ReplaceAllStringFunc(text, func(word string) string {
		if looksRandom(word) {
			return hidden
		}
		return word
	})
}
