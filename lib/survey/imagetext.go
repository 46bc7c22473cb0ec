package survey

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"cfs/lib/terminal"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// WriteText writes the summary for people: a line for each fact, its name first. Texts of
// the image are quoted as terminal.Name does. Lines are folded at so many columns, unless that is
// 0.
func (i Image) WriteText(w io.Writer, columns int) error {
	var b strings.Builder
	line := func(name, value string) {
		for _, part := range fold(value, columns-14) {
			fmt.Fprintf(&b, "%-13s %s\n", name, part)
			name = ""
		}
	}
	lines := func(name string, values []string) {
		for _, v := range values {
			line(name, terminal.Name(v))
		}
	}
	for _, tag := range i.Tags {
		line("tag", terminal.Name(string(tag)))
	}
	for _, source := range i.Sources {
		line("source", terminal.Name(string(source)))
	}
	line("manifest", i.Manifest.String())
	line("config", i.Config.String())
	line("type", terminal.Name(cmp.Or(i.ArtifactType, i.MediaType)))
	line("platform", terminal.Name(i.Platform))
	line("created", terminal.Name(i.Created))
	line("author", terminal.Name(i.Author))
	line("entry point", quoteWords(i.Entrypoint))
	line("command", quoteWords(i.Cmd))
	lines("env", i.Env)
	line("user", terminal.Name(i.User))
	line("working dir", terminal.Name(i.WorkingDir))
	line("stop signal", terminal.Name(i.StopSignal))
	lines("port", i.Ports)
	lines("volume", i.Volumes)
	lines("label", pairs(i.Labels))
	lines("annotation", pairs(i.Annotations))
	for _, l := range i.Layers {
		line("layer", fmt.Sprintf("%s %s, %s", l.Digest, Size(l.Size), terminal.Name(l.MediaType)))
	}
	for _, e := range i.Images {
		line("EROFS image", e.text())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (e EROFS) text() string {
	text := fmt.Sprintf("%s %s, format %d", e.Digest, e.Variant, e.Format)
	if e.Xattrs != "" {
		text += ", " + e.Xattrs
	}
	if !e.Stored {
		text += ", not stored"
	}
	return text
}

func pairs(m map[string]string) (list []string) {
	for _, key := range sortedKeys(m) {
		list = append(list, key+"="+m[key])
	}
	return list
}

// quoteWords writes the words of a command, each in quotes.
func quoteWords(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = `"` + strings.ReplaceAll(terminal.Name(word), `"`, `\"`) + `"`
	}
	return strings.Join(quoted, " ")
}

// fold cuts a text into lines of so many characters, at spaces where there are some, or returns
// it whole if there is no room for any.
func fold(text string, room int) (lines []string) {
	rest := []rune(text)
	for room >= 20 && len(rest) > room {
		end, next := room, room
		for at := room; at > 0; at-- {
			if rest[at] == ' ' {
				end, next = at, at+1
				break
			}
		}
		lines, rest = append(lines, string(rest[:end])), rest[next:]
	}
	if len(rest) > 0 {
		lines = append(lines, string(rest))
	}
	return lines
}
