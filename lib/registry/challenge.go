package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// challenge is one way to log in that a registry offers (RFC 9110, 11.3). Its scheme and
// the names of its parameters are lower case.
type challenge struct {
	scheme string
	params map[string]string
}

// loginTransport leaves of the challenges in an answer of host the first one that can be
// served: whoever logs in looks at no more than one. If none can be, it leaves one that a
// user can do something about.
type loginTransport struct {
	idleTransport
	host       string
	credential auth.CredentialFunc
}

const headerChallenge = "Www-Authenticate"

func (t loginTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.idleTransport.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || req.URL.Host != t.host {
		return resp, err
	}
	list := parseChallenges(resp.Header.Values(headerChallenge))
	at := slices.IndexFunc(list, func(c challenge) bool { return t.serves(req.Context(), c) })
	if at < 0 {
		at = slices.IndexFunc(list, func(c challenge) bool { return c.scheme == schemeBasic })
	}
	if at >= 0 {
		resp.Header.Set(headerChallenge, list[at].String())
	}
	return resp, nil
}

const (
	schemeBasic  = "basic"
	schemeBearer = "bearer"
)

// serves reports whether there is what a challenge asks for. A token may be had without a
// user, and a password may not.
func (t loginTransport) serves(ctx context.Context, c challenge) bool {
	switch c.scheme {
	case schemeBearer:
		realm, err := url.Parse(c.params["realm"])
		return err == nil && realm.Host != ""
	case schemeBasic:
		user, err := t.credential(ctx, t.host)
		return err != nil || user.Username != "" && user.Password != "" // an error is told when it is used
	}
	return false
}

// errScheme means that a registry asks for logins of other kinds than are supported.
var errScheme = errors.New("only Basic and Bearer are supported")

// checkSchemes returns an error that names the schemes that a registry asks for if none of
// them is supported.
func checkSchemes(header http.Header) error {
	var names []string
	for _, c := range parseChallenges(header.Values(headerChallenge)) {
		if c.scheme == schemeBasic || c.scheme == schemeBearer {
			return nil
		}
		names = append(names, c.scheme)
	}
	if names == nil {
		return nil
	}
	return fmt.Errorf("the registry requires a login by %.100s: %w", strings.Join(names, ", "), errScheme)
}

// String returns the challenge as its own header line, with all values quoted.
func (c challenge) String() string {
	var params []string
	for name, value := range c.params {
		params = append(params, name+"="+strconv.Quote(value))
	}
	slices.Sort(params)
	return strings.TrimSpace(c.scheme + " " + strings.Join(params, ","))
}

// parseChallenges reads all header lines, each of which may hold several challenges. What
// cannot be read is passed over. A comma separates challenges as well as the parameters of
// one: a name with "=" behind it is a parameter, and any other begins a challenge.
func parseChallenges(lines []string) []challenge {
	var list []challenge
	for _, line := range lines {
		list = append(list, parseLine(line)...)
	}
	return list
}

func parseLine(s string) (list []challenge) {
	for {
		s = strings.TrimLeft(s, ", \t")
		if s == "" {
			return list
		}
		name, rest := cutToken(s)
		if name == "" {
			s = s[1:] // no character of a name
			continue
		}
		value, behind, ok := cutValue(rest)
		switch {
		case ok && len(list) > 0:
			list[len(list)-1].add(name, value)
			s = behind
		case ok:
			s = behind // of no challenge
		default:
			list = append(list, challenge{strings.ToLower(name), map[string]string{}})
			s = skipToken68(rest)
		}
	}
}

// add adds a parameter, of which the first of a name counts.
func (c challenge) add(name, value string) {
	name = strings.ToLower(name)
	if _, ok := c.params[name]; !ok {
		c.params[name] = value
	}
}

// cutToken cuts a name (RFC 9110, 5.6.2) from what comes behind it.
func cutToken(s string) (token, rest string) {
	end := strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}

const blanks = " \t"

// cutValue reads "=" and a value, and reports whether they stand there.
func cutValue(s string) (value, rest string, ok bool) {
	s, ok = strings.CutPrefix(strings.TrimLeft(s, blanks), "=")
	s = strings.TrimLeft(s, blanks)
	switch {
	case !ok:
		return "", s, false
	case strings.HasPrefix(s, `"`):
		value, rest = cutQuoted(s[1:])
		return value, rest, true
	}
	if end := strings.IndexAny(s, ", \t"); end >= 0 { // what registries write is not always a token
		return s[:end], s[end:], true
	}
	return s, "", true
}

// cutQuoted reads a quoted string to its end, or that of the line.
func cutQuoted(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// skipToken68 passes over what some schemes have in place of parameters (RFC 9110, 11.2):
// one word, up to a comma or the end, that may end in "=".
func skipToken68(s string) string {
	word := strings.TrimLeft(s, blanks)
	if len(word) == len(s) {
		return s
	}
	end := strings.IndexAny(word, ", \t\"")
	if end < 0 {
		end = len(word)
	}
	rest := strings.TrimLeft(word[end:], blanks)
	if rest != "" && rest[0] != ',' || strings.Contains(strings.TrimRight(word[:end], "="), "=") {
		return s // a parameter, or the next challenge
	}
	return rest
}
