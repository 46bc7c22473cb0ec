package selinux

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"cfs/lib/corrupt"
	"cfs/lib/tree"
)

// policy says which label a path has.
type policy struct {
	aliases map[string]string
	matcher
}

// maxPolicy is the size in bytes up to which each file of a policy is read. Those of
// distributions have half a million.
const maxPolicy = 16 << 20

// findPolicy reads the SELinux policy of a tree, nil if it has none.
func findPolicy(root *tree.Inode, content tree.Content) (*policy, error) {
	etc, err := below(root, "/", "etc")
	if etc == nil || err != nil {
		return nil, err
	}
	selinux, err := below(etc, "/etc", "selinux")
	if selinux == nil || err != nil {
		return nil, err
	}
	files := folder{selinux, "/etc/selinux", content}
	config, ok, err := files.read("config")
	if !ok || err != nil {
		return nil, err
	}
	name, ok, err := policyName(config)
	if !ok || err != nil {
		return nil, err
	}
	for i, part := range strings.Split(name+"/contexts/files", "/") {
		switch {
		case part == "..", part == "." && i == 0: // as it is for the reference
			return nil, corrupt.Errorf("/etc/selinux/config: SELINUXTYPE=%s is not a path below /etc/selinux", abbreviate(name))
		case part == "", part == ".":
			continue
		}
		if files.dir, err = below(files.dir, files.path, part); err != nil {
			return nil, err
		}
		files.path += "/" + part
		if files.dir == nil {
			return nil, fmt.Errorf("%s is missing, the policy that /etc/selinux/config names", abbreviate(files.path))
		}
	}
	return readPolicy(files)
}

// below returns the directory of a name, nil if there is none.
func below(dir *tree.Inode, path, name string) (*tree.Inode, error) {
	n := dir.Lookup(name)
	if n != nil && !n.IsDir() {
		return nil, fmt.Errorf("%s is not a directory", abbreviate(strings.TrimSuffix(path, "/")+"/"+name))
	}
	return n, nil
}

// policyName returns what the first SELINUXTYPE= line of a config says. That it is
// commented out, or SELinux is disabled, is as it is for the reference: the # is part
// of the key then, and nobody asks.
func policyName(config string) (name string, ok bool, err error) {
	for n, line := range lines(config) {
		if !utf8.ValidString(line) {
			return "", false, corrupt.Errorf("/etc/selinux/config: line %d is not UTF-8", n)
		}
		key, value, ok := strings.Cut(line, "=")
		// Of the same length, no letter outside of ASCII folds to one of these.
		if key = strings.TrimSpace(key); ok && len(key) == len("SELINUXTYPE") && strings.EqualFold(key, "SELINUXTYPE") {
			return strings.TrimSpace(value), true, nil
		}
	}
	return "", false, nil
}

// readPolicy reads the files of a policy. Each rule of a later one wins.
func readPolicy(files folder) (*policy, error) {
	p := &policy{aliases: map[string]string{}}
	for _, name := range []string{"file_contexts", "file_contexts.local", "file_contexts.homedirs"} {
		text, ok, err := files.read(name)
		if err == nil && !ok && name == "file_contexts" {
			err = fmt.Errorf("%s/%s is missing", files.path, name)
		}
		if err != nil {
			return nil, err
		}
		if err := p.addRules(name, text); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"file_contexts.subs", "file_contexts.subs_dist"} {
		text, _, err := files.read(name)
		if err != nil {
			return nil, err
		}
		if err := p.addAliases(name, text); err != nil {
			return nil, err
		}
	}
	p.ready()
	return p, nil
}

// folder is a directory of the tree that a policy is read from.
type folder struct {
	dir     *tree.Inode
	path    string
	content tree.Content
}

// read returns what is in a file, and whether there is one.
func (f folder) read(name string) (text string, ok bool, err error) {
	n := f.dir.Lookup(name)
	switch {
	case n == nil:
		return "", false, nil
	case !n.IsRegular():
		return "", false, fmt.Errorf("%s/%s is not a regular file", f.path, name)
	case n.Size == 0:
		return "", true, nil
	case n.Size > maxPolicy:
		return "", false, fmt.Errorf("%s/%s has %d bytes, at most %d are read", f.path, name, n.Size, maxPolicy)
	}
	text, err = f.readAll(n)
	if err != nil {
		return "", false, fmt.Errorf("%s/%s: %w", f.path, name, err)
	}
	return text, true, nil
}

func (f folder) readAll(n *tree.Inode) (text string, err error) {
	in, err := f.content(n)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	var out strings.Builder
	size, err := io.Copy(&out, io.LimitReader(in, maxPolicy+1))
	if err == nil && size > maxPolicy {
		err = fmt.Errorf("more than %d bytes", maxPolicy)
	}
	return out.String(), err
}
