package selinux

import (
	"maps"
	"strings"
	"testing"
	"time"

	"cfs/lib/tree"
)

// FuzzPattern: a pattern that is taken matches, with the index and what is known of it,
// just what the whole of it matches.
func FuzzPattern(f *testing.F) {
	for _, seed := range []string{
		"/", "/usr(/.*)?", "/a|/b", `/n\d+`, "/[[:alpha:]]q", `/[^/]+\.so(\.[^/]*)*`, "/p/(.*/)?q", "/u(?!sr).*", `/(aa)\1`, `/\Qa.b\E`, "/p++q", "/q{1", "/é.",
		"/(?i)aB[c-e]", "/a{2}{3}", "/a)|(b", `/\bx\B`, "/[a-z&&[^b]]", `/\pL\h`, "/x{1000}", "/[]a]", "/[^]a-]", "^/a$", `/\xe9\x{e9}`, "/(?<n>a)(?#b)", "/(?<=a*)b", "/a**",
	} {
		for _, path := range []string{"/", "/usr/lib", "/a\nb", "/é", "/aaaa"} {
			f.Add(seed, path, byte(0))
		}
	}
	f.Fuzz(func(t *testing.T, text, path string, n byte) {
		typ := "-dlcbps"[int(n)%7]
		words := strings.Fields(text)
		if len(words) != 1 || strings.Contains(path, "\x00") || len(path) > 100 {
			return
		}
		for _, ruleType := range []byte{anyType, '-', 'd'} {
			start := time.Now()
			c, err := compile(rule{pattern: words[0], typ: ruleType}, 0)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%q: read in %s", text, took)
			}
			if err != nil {
				continue
			}
			var m matcher
			m.rules = []*compiled{c}
			c.context = "x"
			m.ready()
			got, err := m.lookup("/"+path, typ)
			if err != nil {
				continue // it takes too long
			}
			if want := matchesWhole(t, c, "/"+path, typ); (got == "x") != want {
				t.Errorf("%q as %c: index says %v, the whole pattern %v; %+v", "/"+path, typ, got == "x", want, c)
			}
		}
	})
}

// FuzzPolicy: whatever the files of a policy hold, a tree is labelled or refused in a
// while, and if it is labelled, labelling it again changes nothing.
func FuzzPolicy(f *testing.F) {
	f.Add("SELINUXTYPE=t\n", "/x\ta_t\n/usr(/.*)?\t--\tb_t\n", "/a /usr\n", "/b/ /b//\n")
	f.Add("#SELINUXTYPE=u\n selinuxtype = t \n", "# hi\n\n /x\tx_t\r\n/y <<none>>\n", "", "")
	f.Add("SELINUXTYPE=../t\n", "/x -z x_t\n", "/a\n", "/a /b /c\n")
	f.Add("SELINUXTYPE=\"t\"\n", "/x( x_t\n", "# x\n", "\xff\n")
	f.Add("SELINUXTYPE=t", "/(a*)*b(?!c)\tx_t\n", "/usr /\n", "/usr/a .\n")
	f.Fuzz(func(t *testing.T, config, contexts, subs, subsDist string) {
		root := bootable(contexts, "/usr/a", "/usr/b/c", "/x", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
		put(root, "/etc/selinux/config", config)
		put(root, "/etc/selinux/t/contexts/files/file_contexts.subs", subs)
		put(root, "/etc/selinux/t/contexts/files/file_contexts.subs_dist", subsDist)
		root.Put("hard", root.Lookup("x"))
		start := time.Now()
		err := Relabel(root, inline)
		if took := time.Since(start); took > maxSlow {
			t.Errorf("took %s", took)
		}
		if err != nil {
			return
		}
		before, count := labels(root), tree.Count(root)
		if err := Relabel(root, inline); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(before, labels(root)) || tree.Count(root) != count {
			t.Errorf("labelled again: %v, before %v", labels(root), before)
		}
	})
}
