package registry

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseChallenges(t *testing.T) {
	for _, v := range []struct {
		lines []string
		want  string // each as String has it, a line each
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{`Basic realm="a"`}, `basic realm="a"`},
		{[]string{`Basic`}, `basic`},
		{[]string{`Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push"`}, `bearer realm="https://a/t",scope="repository:a/b:pull,push",service="s"`},
		{[]string{`Negotiate`, `Basic realm="a"`}, "negotiate\nbasic realm=\"a\""},
		{[]string{`Negotiate, Basic realm="a"`}, "negotiate\nbasic realm=\"a\""},
		{[]string{`Negotiate YII+/==, NTLM, Basic realm="a, Bearer realm=b", Bearer realm="c"`}, "negotiate\nntlm\nbasic realm=\"a, Bearer realm=b\"\nbearer realm=\"c\""},
		{[]string{`Basic realm="a", charset="UTF-8", Bearer realm="b", service="s"`}, "basic charset=\"UTF-8\",realm=\"a\"\nbearer realm=\"b\",service=\"s\""},
		{[]string{`BASIC Realm = "a" , BEARER REALM="b"`}, "basic realm=\"a\"\nbearer realm=\"b\""},
		{[]string{`Bearer realm=https://a/t,service=s`}, `bearer realm="https://a/t",service="s"`},
		{[]string{`Bearer realm="a" service="s"`}, `bearer realm="a",service="s"`},
		{[]string{`Basic realm="a" Bearer realm="b"`}, "basic realm=\"a\"\nbearer realm=\"b\""},
		{[]string{`Basic realm="a \"quoted\" \\ word"`}, `basic realm="a \"quoted\" \\ word"`},
		{[]string{`Basic realm="open`}, `basic realm="open"`},
		{[]string{`,, ,Basic realm="a",,,Bearer realm="b",`}, "basic realm=\"a\"\nbearer realm=\"b\""},
		{[]string{`realm="a"`}, ""},
		{[]string{`Digest realm="a", nonce="x=", qop="auth,auth-int", Basic realm="b"`}, "digest nonce=\"x=\",qop=\"auth,auth-int\",realm=\"a\"\nbasic realm=\"b\""},
		{[]string{`"quoted" {x} Basic realm="a"`}, "quoted\nx\nbasic realm=\"a\""},
	} {
		var got []string
		for _, c := range parseChallenges(v.lines) {
			got = append(got, c.String())
		}
		if diff := cmp.Diff(v.want, strings.Join(got, "\n")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", v.lines, diff)
		}
	}
}

// FuzzChallenges: whatever stands in a header is read, and what was read is written so that
// it is read alike.
func FuzzChallenges(f *testing.F) {
	f.Add(`Negotiate YII==, Basic realm="a\"", Bearer realm=b,service="x,y"`)
	f.Add(`Basic realm = "a" Bearer`)
	f.Fuzz(func(t *testing.T, line string) {
		for _, c := range parseChallenges([]string{line}) {
			if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
				continue // Quote escapes as Go does
			}
			again := parseChallenges([]string{c.String()})
			if len(again) != 1 || !cmp.Equal(again[0].params, c.params) || again[0].scheme != c.scheme {
				t.Errorf("%q: %q becomes %q", line, c, again)
			}
		}
	})
}

// TestChallenges: the first way to log in that can be served is used, wherever it stands in
// however many header lines.
func TestChallenges(t *testing.T) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("bob:secret"))
	for name, v := range map[string]struct {
		challenges []string // %s is the registry's address
		login      Options
		want       string // Authorization that opens it, "" for none
		err        string
	}{
		"one after Negotiate, in one line":      {[]string{`Negotiate, Basic realm="x"`}, bob, basic, ""},
		"one after Negotiate, in two lines":     {[]string{`Negotiate`, `Basic realm="x"`}, bob, basic, ""},
		"with a token of Negotiate":             {[]string{`Negotiate YIIabc==, NTLM TlRM`, `Basic realm="x"`}, bob, basic, ""},
		"Bearer after Negotiate":                {[]string{`Negotiate`, `Bearer realm="http://%s/token",service="s"`}, Options{}, "Bearer anonymous", ""},
		"Basic before Bearer, without password": {[]string{`Basic realm="x", Bearer realm="http://%s/token",service="s"`}, Options{}, "Bearer anonymous", ""},
		"Basic before Bearer, with password":    {[]string{`Basic realm="x"`, `Bearer realm="http://%s/token",service="s"`}, bob, basic, ""},
		"Bearer before Basic, with password":    {[]string{`Bearer realm="http://%s/token",service="s"`, `Basic realm="x"`}, bob, "Bearer bob", ""},
		"Bearer without a realm":                {[]string{`Bearer`, `Basic realm="x"`}, bob, basic, ""},
		"lower case":                            {[]string{`negotiate`, `basic realm="x"`}, bob, basic, ""},
		"nothing that can be served":            {[]string{`Negotiate`, `NTLM`}, bob, "", "negotiate, ntlm"},
		"Basic without a password":              {[]string{`Negotiate`, `Basic realm="x"`}, Options{}, "", ErrLogin.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			var addr string
			addr = serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/token" {
					user, _, ok := r.BasicAuth()
					if !ok {
						user = "anonymous"
					}
					fmt.Fprintf(w, `{"token":%q}`, user)
					return
				}
				if v.want == "" || r.Header.Get("Authorization") != v.want {
					for _, c := range v.challenges {
						w.Header().Add("WWW-Authenticate", strings.ReplaceAll(c, "%s", addr))
					}
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				io.WriteString(w, someManifest)
			})
			_, err := openIn(t, insecure(addr), addr+"/a:1", v.login).Manifest(t.Context())
			if v.err == "" && err != nil || v.err != "" && (err == nil || !strings.Contains(err.Error(), v.err)) {
				t.Errorf("%v, want %q", err, v.err)
			}
		})
	}
}

var bob = Options{Username: "bob", Password: "secret"}

const someManifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[]}`
