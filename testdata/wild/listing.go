package wild

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Entry is what can be seen of one name in a tree.
type Entry struct {
	Path   string
	Type   byte // f, d, l, c, b, p or s
	Mode   fs.FileMode
	Size   int64    // of a file,
	Sum    [32]byte // and the SHA-256 of its content
	Target string   // of a symbolic link
	Links  int      // the link count of what is no directory
}

// String returns the line for an entry in a listing:
//
//	TYPE MODE PATH [SIZE FIRST-16-HEX-OF-SHA256] [-> TARGET] [nlink=N]
//
// There is nlink only if it is not 1.
func (e Entry) String() string {
	text := fmt.Sprintf("%c %04o %s", e.Type, e.Mode, strings.Trim(strconv.QuoteToASCII(e.Path), `"`))
	switch e.Type {
	case 'f':
		text += fmt.Sprintf(" %d %x", e.Size, e.Sum[:8])
	case 'l':
		text += " -> " + e.Target
	}
	if e.Links > 1 && e.Type != 'd' {
		text += fmt.Sprintf(" nlink=%d", e.Links)
	}
	return text + "\n"
}

// List returns the lines for entries, sorted by path, without the root and /run.
func List(entries []Entry) string {
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Path == "/" || e.Path == "/run" })
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Path, b.Path) })
	var out strings.Builder
	for _, e := range entries {
		out.WriteString(e.String())
	}
	return out.String()
}

// Listing returns what a mount of the image must show. In Want entries are parted by
// spaces, each one of
//
//	PATH/         a directory       PATH>TARGET   a symbolic link
//	PATH=CONTENT  a file            PATH!TYPE     something else
//
// with a mode behind a comma if it is not 0755, 0644, 0777 or 0644, and a link count
// behind an asterisk.
func (c Case) Listing() string {
	var entries []Entry
	for word := range strings.FieldsSeq(c.Want) {
		entries = append(entries, parseEntry(word))
	}
	return List(entries)
}

func parseEntry(word string) Entry {
	word, links, _ := strings.Cut(word, "*")
	word, mode, _ := strings.Cut(word, ",")
	e := Entry{Type: 'd', Mode: 0o755, Links: 1}
	if links != "" {
		e.Links, _ = strconv.Atoi(links)
	}
	at := strings.IndexAny(word, "=>!")
	if at < 0 {
		e.Path = cmp.Or(strings.TrimSuffix(word, "/"), "/")
	} else {
		e.Path, e.Mode = word[:at], 0o644
		switch rest := word[at+1:]; word[at] {
		case '=':
			e.Type, e.Size, e.Sum = 'f', int64(len(rest)), sha256.Sum256([]byte(rest))
		case '>':
			e.Type, e.Mode, e.Target = 'l', 0o777, rest
		case '!':
			e.Type = rest[0]
		}
	}
	if mode != "" {
		n, _ := strconv.ParseUint(mode, 8, 12)
		e.Mode = fs.FileMode(n)
	}
	return e
}

// Expected returns the listing, or "refuse STATUS".
func (c Case) Expected() string {
	if c.Status != 0 {
		return fmt.Sprintf("refuse %d\n", c.Status)
	}
	return c.Listing()
}
